"""`--output`: a directory, or a bucket behind a local spool that a run works in and that is sent on as it fills."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from mtbench_ko.config import RunConfig
from mtbench_ko.errors import Stopped, UsageError
from mtbench_ko.hashing import sha256_text
from mtbench_ko.records import JOURNAL_LINE, AttemptRecord
from mtbench_ko.store.files import write_atomically
from mtbench_ko.store.journal import cut_torn_tail, locked
from mtbench_ko.store.manifest import join_manifests
from mtbench_ko.store.objects import ObjectError, Objects, Place
from mtbench_ko.store.remote import RemoteRun, is_result

log = logging.getLogger(__name__)
_PART_BYTES = 8 << 20
_NOT_ONCE = (
    "--output {name}: this store lets an object be created twice (a server without conditional writes, or a bucket "
    "with versions), so that a second writer could not be kept out. --single-writer goes on, if you make sure that "
    "there is only one"
)


class LocalOutput:
    """A directory: what is written there is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = str(folder)

    def open(self, *, write: bool) -> None:
        """Nothing to take up."""

    async def keep_sending(self) -> None:
        """Nothing to send."""

    def try_to_send(self) -> None:
        """Nothing to send."""

    def commit(self) -> None:
        """Nothing to commit."""


class BucketOutput:
    """A prefix in a bucket, and the local folder (`spool`) that holds the same run.

    The journal is sent in parts at most `flush_seconds` apart. While the store is away the run goes on and its
    journal grows locally; when it returns, the rest is sent.
    """

    def __init__(self, place: Place, spool: Path, flush_seconds: float = 5.0, single_writer: bool = False) -> None:
        self.folder = spool
        self.name = place.url.rstrip("/")
        self._flush_seconds = flush_seconds
        self._single_writer = single_writer
        self._journal = spool / "_state" / "journal.jsonl"
        self._sent = 0  # bytes of the journal that are in the bucket
        self._pending = b""  # the part that was sent last and may or may not be there
        self._told: dict[str, bytes] = {}  # the run's manifests as they are in the bucket
        self._sending = threading.Lock()
        self._away: str | None = None
        self._remote = RemoteRun(Objects(place))

    def open(self, *, write: bool) -> None:
        """Take up the run that lies in the bucket and what an interrupted one left in the spool; to `write` it, fence
        earlier writers.

        Raises:
            UsageError: the bucket cannot be written, or lets an object be created twice.
            ObjectError: a part is damaged.
        """
        if write and not self._remote.objects.creates_once() and not self._single_writer:
            raise UsageError(_NOT_ONCE.format(name=self.name))
        with locked(self.folder / "_state" / "lock"):
            self._take_up(write)

    async def keep_sending(self) -> None:
        """Send what is new, over and over.

        Raises:
            Fenced: there is a newer writer.
        """
        while True:
            await asyncio.sleep(self._flush_seconds)
            await asyncio.to_thread(self.try_to_send)

    def try_to_send(self) -> None:
        """Send what is new, the run's manifests too, if the store takes it."""
        try:
            self.send()
            if (manifests := self._manifests()) != self._told:
                self._remote.leave(manifests)
                self._told = manifests
        except ObjectError as error:
            self._remote.objects.renew()
            if self._away is None:
                log.warning("the object store does not take anything; going on locally, in %s. %s", self.folder, error)
            self._away = str(error)
        else:
            if self._away is not None:
                log.warning("the object store is back, and has everything so far")
            self._away = None

    def send(self) -> None:
        """Send every whole line of the journal that is not in the bucket yet.

        Raises:
            Fenced, ObjectError: as `RemoteRun.add_part`.
        """
        with self._sending:
            # A part whose reply was lost is sent as it was, though the journal has grown since.
            while lines := self._pending or self._unsent():
                self._pending = lines
                self._remote.add_part(lines)
                self._sent, self._pending = self._sent + len(lines), b""

    def commit(self) -> None:
        """Send the rest, and make the files of the run its result.

        Raises:
            Stopped: the store does not take them; the message says what is where.
        """
        try:
            self.send()
            files = {
                name: path.read_bytes()
                for path in sorted(self.folder.rglob("*"))
                if path.is_file() and is_result(name := path.relative_to(self.folder).as_posix())
            }
            self._remote.commit(files)
            self._told = self._manifests()
        except ObjectError as error:
            raise Stopped(
                f"the run is finished, and {self.name} does not have all of it: {error}. Nothing is lost: it is in "
                f"{self.folder}. 'mtbench-ko sync push --output {self.name}' on this machine finishes it"
            ) from error

    def _manifests(self) -> dict[str, bytes]:
        paths = sorted(self.folder.glob("*/manifest.json"))
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}

    def _unsent(self) -> bytes:
        """The next part: whole lines, 8 MiB or a single longer line."""
        if not self._journal.exists():
            return b""
        with self._journal.open("rb") as stream:
            stream.seek(self._sent)
            lines = stream.read(_PART_BYTES)
            if len(lines) == _PART_BYTES and b"\n" not in lines:
                lines += stream.readline()
        return lines[: lines.rfind(b"\n") + 1]

    def _take_up(self, write: bool) -> None:
        """Make the local journal the bucket's, and after it what only this machine has.

        A folder that others have not written past since it was in step with the bucket, or that never was in a bucket,
        is the newer one of the two.
        """
        mine = self.folder / "_state" / "generation"
        before = self._remote.newest()
        if write:
            self._remote.acquire()
        sent = self._remote.lines()
        undisturbed = mine.exists() and mine.read_text() == str(before)
        kept = _unsent_lines(self._journal, sent, lambda slot_taken: undisturbed or not slot_taken)
        self._fetch_results(newer=undisturbed or not mine.exists())
        self._sent = sum(map(len, sent))
        write_atomically(self._journal, b"".join([*sent, *kept]))
        if write:
            write_atomically(mine, str(self._remote.generation))

    def _fetch_results(self, newer: bool) -> None:
        """Lay the results into the spool: views, or answers that another program left there; manifests are joined, and
        the report is kept where ours is `newer`."""
        for key, name in self._remote.results():
            path = self.folder / name
            try:
                body = self._remote.objects.read(key)
                if path.name == "manifest.json" and path.exists():
                    body = join_manifests(path.read_bytes(), body)
                if not (newer and path.parent.name == "report" and path.exists()):
                    write_atomically(path, body)
            except (ObjectError, OSError, ValueError) as error:  # a copy for people, made again from the journal
                log.warning("%s was not taken up from the bucket: %s", name, error)


def _unsent_lines(journal: Path, sent: list[bytes], wanted: Callable[[bool], bool]) -> list[bytes]:
    """Lines of a local journal that did not reach the bucket before its writer died.

    `wanted` is told whether the bucket has a record for the same slot: where others have written since, theirs holds.
    """
    if not journal.exists():
        return []
    cut_torn_tail(journal)
    known = set(sent)
    lines = [line for line in journal.read_bytes().splitlines(keepends=True) if line not in known]
    if not lines:
        return []
    slots = {_slot(line) for line in sent}
    return [line for line in lines if wanted(_slot(line) in slots)]


def _slot(line: bytes) -> object:
    record = JOURNAL_LINE.validate_json(line)
    return line if isinstance(record, AttemptRecord) else record.slot


Output = LocalOutput | BucketOutput


def find_place(config: RunConfig) -> Place | None:
    """Where `config.output` lies in object storage, None for a directory."""
    if not config.output.startswith("s3://"):
        return None
    return Place(config.output, config.s3_endpoint_url, config.s3_encryption, config.s3_kms_key_id)


def find_output(config: RunConfig, folder: Path | None = None) -> Output:
    """The output that the settings name, not opened yet; `folder` stands in for the spool of a bucket."""
    place = find_place(config)
    if place is None:
        return LocalOutput(Path(config.output))
    return BucketOutput(place, folder or spool_folder(place), config.flush_seconds, config.single_writer)


def probe_output(config: RunConfig) -> str:
    """See that the output can be written, without becoming its writer; returns what was seen.

    Raises:
        UsageError: it cannot, or could not keep a second writer out.
    """
    place = find_place(config)
    if place is None:
        folder = Path(config.output)
        probe = folder / f".probe-{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe.write_text("1")
            probe.unlink()
        except OSError as error:
            raise UsageError(f"--output {config.output}: cannot be written: {error.strerror}") from error
        return f"{config.output} can be written"
    if not Objects(place).creates_once() and not config.single_writer:
        raise UsageError(_NOT_ONCE.format(name=place.url))
    return f"{place.url} can be written, and keeps a second writer out"


def find_remote(config: RunConfig) -> RemoteRun:
    """The run in the bucket that the settings name.

    Raises:
        UsageError: the output is a directory.
    """
    place = find_place(config)
    if place is None:
        raise UsageError(f"--output {config.output}: this is about an s3://bucket/prefix")
    return RemoteRun(Objects(place))


def spool_folder(place: Place) -> Path:
    """Where this machine keeps the run of `place` while it works on it: MTBENCH_KO_SPOOL, or the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = Path(os.environ.get("MTBENCH_KO_SPOOL") or cache / "mtbench-ko" / "spool")
    identity = sha256_text(f"{place.endpoint_url or ''} {place.bucket}/{place.prefix}")
    return root / identity[:16]
