"""Question sets: where they lie, what they hold, which references the judge is shown."""

from mtbench_ko.bench.bench import Bench, load_bench
from mtbench_ko.bench.jsonl import read_lines
from mtbench_ko.bench.references import GUIDED_CATEGORIES
from mtbench_ko.bench.registry import data_root, name_of

__all__ = ["GUIDED_CATEGORIES", "Bench", "data_root", "load_bench", "name_of", "read_lines"]
