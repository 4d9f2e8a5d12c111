"""Which part of the program may know which: imports point down, and the light parts stay light."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mtbench_ko

PACKAGE = Path(mtbench_ko.__file__).parent
LAYERS = (
    {"errors", "hashing", "urls", "terminal", "lines", "records", "config"},
    {"bench", "stats", "engine", "signals", "progress"},
    {"store", "generate"},
    {"judge", "report", "costs"},
    {"pipeline"},
    {"job"},
    {"cli"},
)
"""From the bottom up; a part knows those below it, and in its own layer those that do not know it."""
HEAVY = {"ray", "vllm", "boto3", "botocore", "openai", "torch", "transformers"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """The part that each file belongs to, and what stands in it."""
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if not part.startswith("_"):
            yield part, ast.parse(path.read_text(encoding="utf-8"))


MODULES = list(modules())
PARTS = sorted({part for part, _ in MODULES})


def imports(tree: ast.AST) -> Iterator[str]:
    """What is imported, and what from it: `from a import b` gives a.b, which may be a module too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)


def known(part: str) -> set[str]:
    """The other parts that `part` imports, anywhere in it."""
    names = {name for own, tree in MODULES if own == part for name in imports(tree)}
    return {name.split(".")[1] for name in names if name.startswith("mtbench_ko.")} & {*PARTS} - {part}


@pytest.mark.parametrize("part", PARTS)
def test_imports_point_down(part: str) -> None:
    layer = {name: number for number, names in enumerate(LAYERS) for name in names}
    assert part in layer, "a new part needs its place among LAYERS"
    assert {name for name in known(part) if layer[name] > layer[part]} == set()


def test_no_part_knows_itself_through_others() -> None:
    TopologicalSorter({part: known(part) for part in PARTS}).prepare()  # raises CycleError


@pytest.mark.parametrize(
    "text", ["import mtbench_ko.job", "from mtbench_ko import job", "from mtbench_ko.job import Job"]
)
def test_every_way_to_import_a_part_is_seen(text: str) -> None:
    assert [".".join(name.split(".")[:2]) for name in imports(ast.parse(text))] == ["mtbench_ko.job"]


@pytest.mark.parametrize("part", ["stats", "records", "lines", "config"])
def test_numbers_and_records_know_no_cluster_and_no_cloud(part: str) -> None:
    found = {name.split(".")[0] for own, tree in MODULES if own == part for name in imports(tree)}
    assert found & HEAVY == set()
