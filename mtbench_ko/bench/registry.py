"""Which question sets are known by name, and where the data that we ship lies."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from mtbench_ko.errors import UsageError

OWN = "mt_bench_ko_native"
NOT_SHIPPED = {
    "mt_bench_ko": "kuotient/FastChat, fastchat/llm_judge/data/mt_bench_ko",
    "mt_bench": "lm-sys/FastChat, fastchat/llm_judge/data/mt_bench",
    "komt_bench": "LG-AI-EXAONE/KoMT-Bench, FastChat/fastchat/llm_judge/data/mt_bench",
}


@dataclass(frozen=True)
class Place:
    """A question set on disk. `guide_all`: every question that has a reference is judged against it."""

    name: str
    folder: Path
    guide_all: bool = False

    @property
    def errata(self) -> Path | None:
        """Corrections of its references: its own errata.jsonl, or this project's for a set of that name."""
        files = (self.folder / "errata.jsonl", data_root() / "errata" / f"{self.name}.jsonl")
        return next((file for file in files if file.is_file()), None)


def data_root() -> Path:
    """The data of this project: inside the wheel, or in the source tree."""
    packed = Path(str(files("mtbench_ko"))) / "_data"
    return packed if packed.is_dir() else Path(__file__).parents[2] / "data"


def name_of(bench_name: str) -> str:
    """The name that `--bench-name` gives paths and records: of a folder its last element."""
    return Path(bench_name).resolve().name if "/" in bench_name else bench_name


def locate(bench_name: str) -> Place:
    """The folder that `--bench-name` means.

    Raises:
        UsageError: a name that is not registered, or a folder that does not exist.
    """
    if "/" in bench_name:
        folder = Path(bench_name)
        if not folder.is_dir():
            raise UsageError(f"--bench-name {bench_name}: no such folder")
        return Place(name_of(bench_name), folder)
    if bench_name == OWN:
        return Place(OWN, data_root() / OWN, guide_all=True)
    if bench_name in NOT_SHIPPED:
        raise UsageError(
            f"the questions of {bench_name} are not shipped with this program. Copy {NOT_SHIPPED[bench_name]} "
            f"and name its folder: --bench-name path/to/{bench_name}; or use our own: --bench-name {OWN}"
        )
    raise UsageError(
        f"unknown bench '{bench_name}': known are {OWN}, {', '.join(NOT_SHIPPED)}; "
        f"a folder must hold a '/', as in ./{bench_name}"
    )
