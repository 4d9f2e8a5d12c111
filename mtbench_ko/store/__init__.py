"""What a run has saved: the journal, FastChat's files as views of it, and the manifest."""

from mtbench_ko.store.files import file_name, write_atomically
from mtbench_ko.store.manifest import update_manifest
from mtbench_ko.store.run_store import RunStore, local_output
from mtbench_ko.store.views import (
    JUDGMENT_SUFFIXES,
    SavedAnswer,
    View,
    answer_path,
    failures_path,
    foreign_answers,
    judgment_path,
    saved_answers,
)

__all__ = [
    "JUDGMENT_SUFFIXES",
    "RunStore",
    "SavedAnswer",
    "View",
    "answer_path",
    "failures_path",
    "file_name",
    "foreign_answers",
    "judgment_path",
    "local_output",
    "saved_answers",
    "update_manifest",
    "write_atomically",
]
