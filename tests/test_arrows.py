"""Which part of the program may know which: imports point down, and the light parts stay light."""

import ast
from collections.abc import Iterator
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


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def known(part: str) -> set[str]:
    """The other parts that `part` imports, anywhere in it."""
    names = {name for own, tree in modules() if own == part for name in imports(tree)}
    return {name.split(".")[1] for name in names if name.startswith("mtbench_ko.")} - {part}


PARTS = sorted({part for part, _ in modules()})


@pytest.mark.parametrize("part", PARTS)
def test_imports_point_down(part: str) -> None:
    layer = {name: number for number, names in enumerate(LAYERS) for name in names}
    assert part in layer, "a new part needs its place among LAYERS"
    upward = {name for name in known(part) if layer[name] > layer[part]}
    mutual = {name for name in known(part) if layer[name] == layer[part] and part in known(name)}
    assert (upward, mutual) == (set(), set())


@pytest.mark.parametrize("part", ["stats", "records", "lines", "config"])
def test_numbers_and_records_know_no_cluster_and_no_cloud(part: str) -> None:
    found = {name.split(".")[0] for own, tree in modules() if own == part for name in imports(tree)}
    assert found & HEAVY == set()
