"""Where the question set lies that `--bench-name` means."""

from dataclasses import dataclass
from pathlib import Path

from mtbench_ko.bench.cache import DataCache
from mtbench_ko.bench.registry import OWN, data_root, name_of, registry
from mtbench_ko.errors import UsageError


@dataclass(frozen=True)
class Place:
    """A question set on disk. `guide_all`: every question that has a reference is judged against it."""

    name: str
    folder: Path
    guide_all: bool = False

    @property
    def errata(self) -> Path | None:
        """Corrections of its references: its own errata.jsonl, or this project's for a set of that name."""
        return self._beside("errata.jsonl")

    @property
    def notes(self) -> Path | None:
        """What is wrong with its questions: its own question_notes.jsonl, or this project's."""
        return self._beside("question_notes.jsonl")

    def _beside(self, name: str) -> Path | None:
        paths = (self.folder / name, data_root() / "errata" / self.name / name)
        return next((path for path in paths if path.is_file()), None)


def locate(bench_name: str, cache: DataCache | None = None, *, fetch: bool = True) -> Place:
    """The folder that `--bench-name` means; a registered set is fetched into the `cache` and verified, if `fetch`.

    Raises:
        UsageError: a name that is not registered, or a folder that does not exist.
        MtBenchError: it could not be fetched.
    """
    if "/" in bench_name:
        folder = Path(bench_name)
        if not folder.is_dir():
            raise UsageError(f"--bench-name {bench_name}: no such folder")
        return Place(name_of(bench_name), folder)
    if bench_name == OWN:
        return Place(OWN, data_root() / OWN, guide_all=True)
    sets = {name: each for name, each in registry().items() if each.kind == "questions"}
    if bench_name in sets:
        cache = cache or DataCache()
        return Place(bench_name, cache.ensure(sets[bench_name]) if fetch else cache.folder_of(sets[bench_name]))
    raise UsageError(
        f"unknown bench '{bench_name}': known are {OWN}, {', '.join(sets)}; "
        f"a folder must hold a '/', as in ./{bench_name}"
    )
