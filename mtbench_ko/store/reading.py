"""Reading an output without writing it: a directory as it is, of a bucket what was committed, or else what is there."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from mtbench_ko.config import RunConfig
from mtbench_ko.errors import UsageError
from mtbench_ko.store.files import write_atomically
from mtbench_ko.store.objects import ObjectError, Objects
from mtbench_ko.store.output import find_place
from mtbench_ko.store.remote import RemoteRun
from mtbench_ko.store.run_store import RunStore

log = logging.getLogger(__name__)


@contextmanager
def readable(config: RunConfig) -> Iterator[Path]:
    """The folder in which the files of `config.output` can be read."""
    place = find_place(config)
    if place is None:
        yield Path(config.output)
        return
    with tempfile.TemporaryDirectory(prefix="mtbench-ko-") as folder:
        pull(RemoteRun(Objects(place)), Path(folder))
        yield Path(folder)


def pull(remote: RemoteRun, folder: Path) -> None:
    """Fill `folder` with the run in the bucket: the committed files, or of an unfinished run views of its journal.

    Raises:
        ObjectError: something is damaged or cannot be read.
        UsageError: there is no run.
    """
    journal = folder / "_state" / "journal.jsonl"
    manifest = remote.committed()
    lines = remote.lines(manifest)
    if not lines and manifest is None:
        raise UsageError(f"{remote.objects.url('')}: there is no run")
    write_atomically(journal, b"".join(lines))
    with closing(RunStore(folder)) as store:  # failures stand in the journal alone
        store.write_views()
    if manifest is None:
        log.warning("%s is not finished; this is what it has so far", remote.objects.url(""))
        return
    if remote.newest() > manifest["generation"]:
        log.warning("%s is being extended; this is what was committed before", remote.objects.url(""))
    for name, body in remote.read_finals(manifest).items():
        try:
            write_atomically(folder / name, body)
        except OSError as error:
            raise ObjectError(f"{remote.objects.url(name)}: cannot be written to {folder}: {error}") from error
