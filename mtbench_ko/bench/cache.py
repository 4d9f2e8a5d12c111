"""The data sets of others on this machine: fetched once, verified at every use."""

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import quote

from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

from mtbench_ko.bench.differences import differing_turns, require_json_lines
from mtbench_ko.bench.download import Unavailable, download, mirrored, read_json_text
from mtbench_ko.bench.registry import DataSet, PinnedFile, hub
from mtbench_ko.config import RunConfig
from mtbench_ko.errors import MtBenchError
from mtbench_ko.urls import without_secrets

Put = TypeVar("Put")
Kind = TypeVar("Kind")
_PART = ".part"
_PINS = "pins.json"


def default_folder() -> Path:
    """$XDG_CACHE_HOME/mtbench-ko, by default below ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mtbench-ko"


class _Pins(BaseModel):
    """What the first download of a set without known hashes found; later ones must find the same."""

    revision: str | None = None
    sha256: dict[str, str] = {}


@dataclass(frozen=True)
class DataCache:
    """Data sets below `folder`, each in FastChat's layout.

    Attributes:
        mirror: a URL or a folder that has the sources' files under the paths of their URLs; the only place asked.
        seconds: the longest that one file may take.
    """

    folder: Path = field(default_factory=default_folder)
    mirror: str | None = None
    seconds: float = 300.0

    @classmethod
    def of(cls, config: RunConfig) -> "DataCache":
        """The cache that the settings name."""
        folder = Path(config.data_cache).expanduser() if config.data_cache else default_folder()
        return cls(folder, config.data_mirror, config.data_timeout)

    def folder_of(self, data_set: DataSet) -> Path:
        """Where the set lies, or would lie."""
        return self.folder / data_set.name

    def missing(self, data_set: DataSet) -> list[PinnedFile]:
        """The files that are not here, or not as they should be."""
        pins = self._pins(data_set)
        return [file for file in data_set.files if not self._holds(data_set, file, pins)]

    def ensure(self, data_set: DataSet) -> Path:
        """The folder of the set, after fetching what is missing and saying so on stderr.

        Raises:
            MtBenchError: a file could not be had, or is not the pinned one. Nothing of it is left behind.
        """
        if self.missing(data_set):
            console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
            with self._locked(data_set, console):
                wanted = self.missing(data_set)  # another process may have fetched them meanwhile
                if wanted:
                    self._fetch(data_set, wanted, console)
        return self.folder_of(data_set)

    @contextmanager
    def _locked(self, data_set: DataSet, console: Console) -> Iterator[None]:
        lock = FileLock(self.folder / f".{data_set.name}.lock")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                console.print(f"{data_set.name}: another process is fetching it; waiting")
                lock.acquire()
        except OSError as error:
            raise MtBenchError(f"--data-cache {self.folder}: cannot be written: {error.strerror}") from error
        try:
            yield
        finally:
            lock.release()

    def _fetch(self, data_set: DataSet, wanted: Sequence[PinnedFile], console: Console) -> None:
        folder = self.folder_of(data_set)
        for left in folder.rglob(f"*{_PART}"):  # of a process that was killed: nobody else holds the lock
            left.unlink()
        console.print(f"fetching {data_set.name}: {data_set.about}")
        mirror = f", by the mirror {without_secrets(self.mirror)}" if self.mirror else ""
        console.print(f"  from {data_set.source}{mirror}")
        console.print(f"  licence: {data_set.licence}")
        console.print(f"  to cite: {data_set.citation}")
        pins = self._pins(data_set)
        if not data_set.pinned and pins.revision is None:
            pins.revision = self._commit(data_set)
        columns = (*Progress.get_default_columns()[:2], DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
            for file in wanted:
                advance = partial(bars.advance, bars.add_task(file.path, total=file.bytes))
                digest = self._fetch_file(data_set, file, pins, advance)
                if not data_set.pinned:
                    pins.sha256[file.path] = digest
                    _put(folder / _PINS, lambda stream: stream.write(pins.model_dump_json(indent=2).encode()))
        console.print(f"  verified: {len(wanted)} files in {folder}")
        if not data_set.pinned:
            console.print(f"  their hashes were not known beforehand; what came first is pinned in {folder / _PINS}")

    def _fetch_file(self, data_set: DataSet, file: PinnedFile, pins: _Pins, advance: Callable[[int], object]) -> str:
        """Fetch one file from the first place that has it as it should be, and return its sha256."""
        expected = file.sha256 or pins.sha256.get(file.path)
        problems = []
        try:
            for place in self._places(data_set, file, pins.revision):
                try:
                    take = partial(self._take, place, file, expected, advance)
                    return _put(self.folder_of(data_set) / file.path, take)
                except Unavailable as problem:
                    problems.append(str(problem))
        except Unavailable as problem:  # no list of the second source's files
            problems.append(str(problem))
        raise MtBenchError(
            f"{data_set.name}/{file.path} could not be fetched: {'; '.join(problems)}. "
            f"--data-mirror names a URL or a folder that has it"
        )

    def _take(
        self, place: str, file: PinnedFile, expected: str | None, advance: Callable[[int], object], stream: IO[bytes]
    ) -> str:
        digest = download(place, stream, length=file.bytes, seconds=self.seconds, advance=advance)
        stream.flush()
        written = Path(stream.name)
        if expected not in (None, digest):
            found = f"sha256 {digest} instead of {expected}"
            raise Unavailable(
                f"{without_secrets(place)}: not the pinned file ({found}){differing_turns(written, file)}"
            )
        if expected is None:
            require_json_lines(written, without_secrets(place))
        return digest

    def _places(self, data_set: DataSet, file: PinnedFile, revision: str | None) -> Iterator[str]:
        """Where the file may be had: at its address, or under any name in a repository that has it."""
        yield mirrored(data_set.url(file, revision), self.mirror)
        if data_set.by_content and file.sha256:
            yield from self._same_length(data_set.by_content, file)

    def _same_length(self, repo: str, file: PinnedFile) -> Iterator[str]:
        listing = mirrored(f"{hub()}/api/{repo}/tree/main?recursive=true", self.mirror)
        entries = _json(listing, read_json_text(listing, self.seconds), list)
        paths = [entry.get("path") for entry in entries if isinstance(entry, dict) and entry.get("size") == file.bytes]
        if not paths:
            raise Unavailable(f"{without_secrets(listing)}: no file of {file.bytes} bytes")
        for path in paths:
            yield mirrored(f"{hub()}/{repo}/resolve/main/{quote(str(path))}", self.mirror)

    def _commit(self, data_set: DataSet) -> str:
        """The commit that a branch stands for now."""
        place = mirrored(f"{hub()}/api/{data_set.repo}/revision/{data_set.revision}", self.mirror)
        try:
            sha = _json(place, read_json_text(place, self.seconds), dict).get("sha")
            if not isinstance(sha, str) or not re.fullmatch(r"[0-9a-f]{40}", sha):
                raise Unavailable(f"{without_secrets(place)}: names no commit")
        except Unavailable as error:
            raise MtBenchError(f"{data_set.name}: its revision could not be found out: {error}") from error
        return sha

    def _pins(self, data_set: DataSet) -> _Pins:
        path = self.folder_of(data_set) / _PINS
        if data_set.pinned or not path.is_file():
            return _Pins()
        try:
            return _Pins.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise MtBenchError(f"{path}: cannot be read; remove the folder to fetch it anew") from error

    def _holds(self, data_set: DataSet, file: PinnedFile, pins: _Pins) -> bool:
        expected = file.sha256 or pins.sha256.get(file.path)
        try:
            content = (self.folder_of(data_set) / file.path).read_bytes()
        except OSError:
            return False
        return expected == sha256(content).hexdigest()


def _put(target: Path, write: Callable[[IO[bytes]], Put]) -> Put:
    """Make `target` of what `write` writes, or leave everything as it was; the caller holds the lock."""
    part = target.with_name(f".{target.name}{_PART}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            result = write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except OSError as error:
        raise MtBenchError(f"{target}: cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return result


def _json(place: str, text: bytes, kind: type[Kind]) -> Kind:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unavailable(f"{without_secrets(place)}: not JSON") from error
    if not isinstance(value, kind):
        raise Unavailable(f"{without_secrets(place)}: not the list or object expected")
    return value
