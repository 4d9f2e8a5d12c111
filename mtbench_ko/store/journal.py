"""The append-only journal: one JSON record a line, in the order things finished. One process writes it."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from mtbench_ko.errors import MtBenchError, Stopped, UsageError
from mtbench_ko.records import JOURNAL_LINE, JournalLine

Span = tuple[int, int]
"""Where a line stands: its offset and length in bytes."""

_SYNC_SECONDS = 1.0
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


class Journal:
    """`<folder>/journal.jsonl`, opened for appending and locked against a second writer.

    Every record goes to the kernel at once, so that it outlives the process, and to the disk at least
    once a second while records come, so that little is lost with the machine.
    """

    def __init__(self, folder: Path) -> None:
        """Raises UsageError where it cannot be written or another process writes it, Stopped on a full disk."""
        self.path = folder / "journal.jsonl"
        with _named(folder.parent):
            self._lock = _lock(folder / "lock")
            cut_torn_tail(self.path)
            self._stream = self.path.open("ab+", buffering=0)
        self._synced = time.monotonic()

    def append(self, record: JournalLine) -> Span:
        """Raises Stopped when the disk is full: nothing half-written stays behind."""
        start = os.fstat(self._stream.fileno()).st_size
        line = record.model_dump_json().encode("utf-8") + b"\n"
        span = start, len(line)
        try:
            while line:  # a write may take only a part of it
                line = line[self._stream.write(line) :]
            if time.monotonic() - self._synced >= _SYNC_SECONDS:
                self.sync()
        except OSError as error:
            os.ftruncate(self._stream.fileno(), start)
            if error.errno in _FULL:
                raise Stopped(f"{self.path}: the disk is full; all before this record is saved") from error
            raise
        return span

    def read(self, span: Span) -> JournalLine:
        """The record at `span`."""
        offset, length = span
        return JOURNAL_LINE.validate_json(os.pread(self._stream.fileno(), length, offset))

    def sync(self) -> None:
        os.fsync(self._stream.fileno())
        self._synced = time.monotonic()

    def close(self) -> None:
        with suppress(OSError):  # a full disk has been told of already
            self.sync()
        self._stream.close()
        self._lock.close()


def read_journal(path: Path) -> Iterator[tuple[Span, JournalLine]]:
    """Every record in order, and where it stands; a torn last line, which its writer was writing, is left out.

    Raises:
        MtBenchError: a line before the last one is damaged.
    """
    if not path.exists():
        return
    with path.open("rb") as stream:
        offset = 0
        for number, line in enumerate(stream, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield (offset, len(line)), JOURNAL_LINE.validate_json(line)
            except ValidationError as error:
                raise MtBenchError(
                    f"{path}:{number}: damaged journal line ({error.errors()[0]['msg']}). Nothing was changed. "
                    f"Remove that line to do its item again"
                ) from error
            offset += len(line)


def cut_torn_tail(path: Path) -> None:
    """Cut off what follows the last newline: a record that was being written when its writer died."""
    if not path.exists():
        return
    with path.open("rb+") as stream:
        position = stream.seek(0, os.SEEK_END)
        keep = 0
        while position > 0 and not keep:
            begin = max(0, position - (1 << 16))
            stream.seek(begin)
            newline = stream.read(position - begin).rfind(b"\n")
            keep = begin + newline + 1 if newline >= 0 else 0
            position = begin
        stream.truncate(keep)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out of the run directory whose lock file `path` is.

    Raises:
        UsageError: another process holds it, or the directory cannot be written, by the block either.
        Stopped: the disk is full.
    """
    with _named(path.parent.parent), _lock(path):
        yield


@contextmanager
def _named(output: Path) -> Iterator[None]:
    """Turns the system's refusals to write in `output` into errors that name it."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise Stopped(f"{output}: the disk is full; all before this is saved") from error
        raise UsageError(f"{output}: cannot be written: {error.strerror} ({error.filename})") from error


def _lock(path: Path) -> IO[str]:
    """Hold `path` locked until the file is closed or the process ends.

    Raises:
        UsageError: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = path.open("a+")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        stream.seek(0)
        holder = stream.read().strip() or "unknown"
        stream.close()
        raise UsageError(
            f"{path.parent.parent} is being written by another run (process {holder}); give this one another --output"
        ) from error
    except OSError as error:
        stream.close()
        if error.errno not in _NO_LOCKS:
            raise
        raise UsageError(
            f"{path}: this file system has no locks ({error.strerror}), so that a second run could not be kept out; "
            f"give another --output, on a local disk or in a bucket, or mount this one with locks"
        ) from error
    stream.truncate(0)
    stream.write(str(os.getpid()))
    stream.flush()
    return stream
