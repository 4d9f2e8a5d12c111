"""A run in a bucket: who writes it, the journal in parts, and what is committed.

_state/generations/000007.json     one for each writer, created once: the highest may write, all others are fenced
_state/parts/000007-000001.jsonl   lines of the journal, created once
_state/finals/<sha256>             the files of a finished run
_state/manifests/000007.json       what writer 7 committed: finals and parts with their sha256; the highest counts
_state/left/000007/<bench>/…       manifests of runs that have not committed, for the next writer
<bench>/…                          copies of the finals under their own names, for people
"""

import json
import os
import socket
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from mtbench_ko.errors import Stopped
from mtbench_ko.hashing import sha256_bytes
from mtbench_ko.lines import describe
from mtbench_ko.store.objects import Conflict, ObjectError, Objects

GENERATIONS, PARTS, FINALS, MANIFESTS, LEFT = (
    f"_state/{name}/" for name in ("generations", "parts", "finals", "manifests", "left")
)  # fmt: skip
_FOLDERS = ("model_answer", "model_judgment", "report")
_THREADS = 16


class Fenced(Stopped):
    """Another writer has taken over; what this one has not sent yet stays local."""


class _Writer(BaseModel):
    host: str
    pid: int


class _Entry(BaseModel):
    name: str
    sha256: str
    size: int

    @field_validator("name")
    @classmethod
    def _inside(cls, name: str) -> str:
        if not _stays_inside(name):
            raise ValueError("a file outside of the run")
        return name


class _Committed(BaseModel):
    """A committed manifest."""

    model_config = ConfigDict(extra="allow")

    generation: int
    files: list[_Entry]
    parts: list[_Entry]


Shape = TypeVar("Shape", bound=BaseModel)


class RemoteRun:
    """The run at the prefix of `objects`."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.generation = 0
        self._written = 0
        self._parts: list[str] = []  # that this writer has read or written

    def newest(self) -> int:
        """The highest generation so far, 0 where nobody has written."""
        return max((_number(key) for key in self.objects.keys(GENERATIONS)), default=0)

    def acquire(self) -> None:
        """Become the writer: from now on all earlier ones are fenced."""
        about = {"host": socket.gethostname(), "pid": os.getpid(), "started": time.time(), "nonce": os.urandom(8).hex()}
        number = self.newest() + 1
        while True:
            try:
                self.objects.create(f"{GENERATIONS}{number:06d}.json", json.dumps(about).encode())
            except Conflict:
                number += 1
                continue
            self.generation, self._written = number, 0
            return

    def check(self) -> None:
        """Raises Fenced if there is a newer writer."""
        later = next(self.objects.keys(GENERATIONS, after=f"{GENERATIONS}{self.generation:06d}.json"), None)
        if later is None:
            return
        other = self._read(later, _Writer)
        raise Fenced(
            f"{self.objects.url('')} is being written by another run, {other.host} process {other.pid}; this one "
            f"has stopped. What it had sent is kept, and what it had not is done by the other one"
        )

    def add_part(self, lines: bytes) -> None:
        """Save whole journal lines, and be sure of it.

        Raises:
            Fenced: there is a newer writer.
            ObjectError: the store did not take them; calling again with the same lines is safe.
        """
        self.check()
        key = f"{PARTS}{self.generation:06d}-{self._written:06d}.jsonl"
        self.objects.create(key, lines)
        self._parts.append(key)
        self._written += 1

    def lines(self, manifest: Mapping[str, Any] | None = None) -> list[bytes]:
        """All journal lines in the bucket, or those that `manifest` names, in the order they were written, each with
        its newline.

        Raises:
            ObjectError: a part is damaged.
        """
        keys = sorted(self.objects.keys(PARTS)) if manifest is None else [part["name"] for part in manifest["parts"]]
        parts = _read_all(self.objects, keys)
        self._parts = list(parts)
        return [line for body in parts.values() for line in body.splitlines(keepends=True)]

    def leave(self, files: Mapping[str, bytes]) -> None:
        """Keep `files` of a run that has not committed for whoever goes on with it.

        Raises:
            Fenced: there is a newer writer.
        """
        self.check()
        for name, body in files.items():
            self.objects.replace(f"{LEFT}{self.generation:06d}/{name}", body)

    def results(self) -> list[tuple[str, str]]:
        """Where the run's files lie, and their names, later ones over earlier ones: the copies under their own names,
        and what the last writer left if it has not committed."""
        keys = [(key, key) for key in self.objects.keys("") if is_result(key)]
        left = [key.removeprefix(LEFT).partition("/") for key in self.objects.keys(LEFT)]
        newest = max((_number(number) for number, _, _ in left), default=0)
        if newest > _number(max(self.objects.keys(MANIFESTS), default="")):
            left = [each for each in left if _number(each[0]) == newest and is_result(each[2])]
            keys += [(f"{LEFT}{number}/{name}", name) for number, _, name in left]
        return keys

    def committed(self) -> dict[str, Any] | None:
        """The manifest that counts, if anything was committed."""
        newest = max(self.objects.keys(MANIFESTS), default=None)
        return self._read(newest, _Committed).model_dump() if newest else None

    def read_finals(self, manifest: Mapping[str, Any]) -> dict[str, bytes]:
        """The committed files by name."""
        bodies = _read_all(self.objects, {f"{FINALS}{entry['sha256']}" for entry in manifest["files"]})
        return {entry["name"]: bodies[f"{FINALS}{entry['sha256']}"] for entry in manifest["files"]}

    def commit(self, files: Mapping[str, bytes]) -> None:
        """Make `files` what this run has found: first the files, read back, then the manifest that names them.

        Raises:
            Fenced: there is a newer writer.
            ObjectError: the store does not take or give back something, or parts have vanished from it.
        """
        entries = [{"name": name, **_facts(body)} for name, body in sorted(files.items())]
        for entry in entries:
            key = f"{FINALS}{entry['sha256']}"
            self.objects.create(key, files[entry["name"]])
            if sha256_bytes(self.objects.read(key)) != entry["sha256"]:
                raise ObjectError(f"{self.objects.url(key)}: the store gives back other bytes than it was sent")
        parts = _read_all(self.objects, sorted(self.objects.keys(PARTS)))
        vanished = [key for key in self._parts if key not in parts]
        if vanished:
            raise ObjectError(
                f"{self.objects.url(vanished[0])} has vanished, one of {len(vanished)} parts that were there"
            )
        manifest = {
            "generation": self.generation,
            "committed": time.time(),
            "files": entries,
            "parts": [{"name": name, **_facts(body)} for name, body in parts.items()],
        }
        self.check()
        self.objects.create(f"{MANIFESTS}{self.generation:06d}.json", json.dumps(manifest, indent=1).encode())
        for name, body in files.items():
            self.objects.replace(name, body)

    def problems(self, manifest: Mapping[str, Any]) -> list[str]:
        """What does not agree with a committed `manifest`, object by object; empty when all of it is verified."""
        found = []
        for entry, key in [
            *((entry, f"{FINALS}{entry['sha256']}") for entry in manifest["files"]),
            *((entry, entry["name"]) for entry in manifest["files"]),
            *((entry, entry["name"]) for entry in manifest["parts"]),
        ]:
            try:
                body = self.objects.read(key)
            except ObjectError as error:
                found.append(str(error))
                continue
            if _facts(body) != {"sha256": entry["sha256"], "size": entry["size"]}:
                found.append(f"{self.objects.url(key)}: not the bytes that were committed")
        return found

    def _read(self, key: str, shape: type[Shape]) -> Shape:
        """An object of ours.

        Raises:
            ObjectError: something else lies there.
        """
        try:
            return shape.model_validate_json(self.objects.read(key))
        except ValidationError as error:
            raise ObjectError(
                f"{self.objects.url(key)}: not what this program writes there: {describe(error)}"
            ) from error


def is_result(name: str) -> bool:
    """Whether runs leave a file of this name in their output. What else lies there is neither fetched nor committed:
    the outputs of other runs below this one's, a console's folder markers, names that lead out of it."""
    bench, _, rest = name.partition("/")
    folder, _, file = rest.partition("/")
    known = rest == "manifest.json" or (folder in _FOLDERS and file[:1] != "." and "/" not in file)
    return known and bench != "_state" and _stays_inside(name)


def _stays_inside(name: str) -> bool:
    return "\x00" not in name and all(part.strip(".") for part in name.split("/"))


def _facts(body: bytes) -> dict[str, Any]:
    return {"sha256": sha256_bytes(body), "size": len(body)}


def _read_all(objects: Objects, keys: Iterable[str]) -> dict[str, bytes]:
    """Contents by key, in the order of `keys`."""
    wanted = list(keys)
    with ThreadPoolExecutor(_THREADS) as pool:
        return dict(zip(wanted, pool.map(objects.read, wanted), strict=True))


def _number(key: str) -> int:
    """The generation that an object is named after, 0 for a stranger."""
    digits = key.rpartition("/")[2].partition(".")[0]
    return int(digits) if digits.isdecimal() and len(digits) < 10 else 0
