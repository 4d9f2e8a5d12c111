"""What the documentation tells users to type is what the program takes."""

import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from mtbench_ko.cli import cli
from mtbench_ko.cli.options import read_config
from mtbench_ko.config import load_config

REPOSITORY = Path(__file__).parents[1]
PAGES = sorted([*REPOSITORY.glob("README*.md"), *(REPOSITORY / "docs").glob("*.md")])
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CONFIGURED = ("run", "generate", "judge", "doctor")


def commands(page: Path) -> list[str]:
    """The lines for a shell in code blocks and table cells that start the program: itself, in a job, in a container."""
    text = page.read_text(encoding="utf-8")
    lines = [line for _, block in _BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"\| `(mtbench-ko [^`]+)`", text)
    starts = re.compile(r"\s*(mtbench-ko|sbatch|slurm/array\.sh|docker run) ")
    return [line.partition(" #")[0].strip() for line in lines if starts.match(line)]


def arguments(line: str) -> list[str]:
    """What a command line passes to the program."""
    words = [word for word in shlex.split(line) if word != "…"]
    if words[0] in ("mtbench-ko", "docker"):
        return words[words.index("mtbench-ko") + 1 :]
    if words[0] == "slurm/array.sh":
        return ["run", *words[words.index("--") + 1 :]]
    script = next(number for number, word in enumerate(words) if word.endswith(".sh"))
    given = words[script + 1 :]
    return given if given[:1] and not given[0].startswith("-") else ["run", *given]


@pytest.mark.parametrize(
    ("page", "line"),
    [pytest.param(page, line, id=f"{page.name}-{line[:60]}") for page in PAGES for line in commands(page)],
)
def test_command_is_one_that_the_program_takes(page: Path, line: str) -> None:
    command: click.Command = cli
    context, rest, names = click.Context(cli), arguments(line), []
    while isinstance(command, click.Group):
        name, command, rest = command.resolve_command(context, rest)  # type: ignore[assignment]
        names.append(name)
    context = command.make_context(names[-1], list(rest))
    if names[-1] in _CONFIGURED and not context.params["config_file"]:
        read_config(context)


def test_there_are_commands_to_look_at() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_in_yaml_are_those_of_the_program(page: Path, tmp_path: Path) -> None:
    for language, block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if language != "yaml":
            continue
        values: dict[str, Any] = yaml.safe_load(block)
        settings = (
            values.get("config", {}) if {"config", "image"} & values.keys() else values
        )  # of the chart, or a run's
        file = tmp_path / "settings.yaml"
        file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        load_config({}, str(file))


def test_reference_of_settings_is_made_of_the_code() -> None:
    script = REPOSITORY / "docs" / "make_configuration.py"
    spec = importlib.util.spec_from_file_location("make_configuration", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.FILE.read_text(encoding="utf-8") == module.configuration(), "run: python docs/make_configuration.py"


def anchors(page: Path) -> set[str]:
    """The fragments that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#]+)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors(page.parent / target), f"{page.name}: {target}#{anchor}"
