"""What a run has saved: the journal, FastChat's files as views of it, and the manifest."""

from mtbench_ko.store.batches import BatchBook
from mtbench_ko.store.files import write_atomically
from mtbench_ko.store.manifest import identities, update_manifest
from mtbench_ko.store.output import (
    Output,
    find_output,
    find_place,
    find_remote,
    probe_output,
    spool_folder,
)
from mtbench_ko.store.reading import pull, readable
from mtbench_ko.store.run_store import RunStore
from mtbench_ko.store.tally import Role, Tally, Who
from mtbench_ko.store.views import (
    SavedAnswer,
    View,
    answer_path,
    failures_path,
    foreign_answers,
    judgment_files,
    judgment_path,
    read_answers,
    saved_answers,
)

__all__ = [
    "BatchBook",
    "Output",
    "Role",
    "RunStore",
    "SavedAnswer",
    "Tally",
    "View",
    "Who",
    "answer_path",
    "failures_path",
    "find_output",
    "find_place",
    "find_remote",
    "foreign_answers",
    "identities",
    "judgment_files",
    "judgment_path",
    "probe_output",
    "pull",
    "read_answers",
    "readable",
    "saved_answers",
    "spool_folder",
    "update_manifest",
    "write_atomically",
]
