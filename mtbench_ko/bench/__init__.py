"""Question sets: where they lie, what they hold, which references the judge is shown."""

from mtbench_ko.bench.bench import Bench, bench_of, load_bench
from mtbench_ko.bench.cache import DataCache
from mtbench_ko.bench.check import Finding, check_against, check_set, check_texts
from mtbench_ko.bench.exemptions import Exemptions, load_exemptions
from mtbench_ko.bench.jsonl import read_lines, read_texts
from mtbench_ko.bench.notes import QuestionNote, flawed_questions, question_notes
from mtbench_ko.bench.place import locate
from mtbench_ko.bench.registry import OWN, PROMPTS, DataSet, data_root, find_set, name_of, registry

__all__ = [
    "OWN",
    "PROMPTS",
    "Bench",
    "DataCache",
    "DataSet",
    "Exemptions",
    "Finding",
    "QuestionNote",
    "bench_of",
    "check_against",
    "check_set",
    "check_texts",
    "data_root",
    "find_set",
    "flawed_questions",
    "load_bench",
    "load_exemptions",
    "locate",
    "name_of",
    "question_notes",
    "read_lines",
    "read_texts",
    "registry",
]
