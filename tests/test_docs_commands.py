"""What README.md and docs/ say to type is typed: every command runs to its end, with the options that stand there.

What a page leaves to its reader comes from the environment, over which options win: endpoints, a bucket's server, a
mirror, how many questions. Beyond that, `typed` says what is changed.
"""

import importlib.util
import os
import re
import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import joined, ray_cluster_of_others
from data_server import serve_data
from docs_pages import KOREAN, NATIVE, QUESTIONS, buckets, lay_weights, prepare, published, reply
from fake_batches import FakeBatches, serve_batches
from fake_openai import FakeOpenAI, serve
from pydantic import BaseModel
from test_docs import PAGES, REPOSITORY, arguments, commands

from mtbench_ko import records
from mtbench_ko.cli import cli
from mtbench_ko.engine import alive_nodes
from mtbench_ko.report import Scoreboard
from mtbench_ko.stats import LanguageSummary, ModelScores, PairScores
from mtbench_ko.stats.differences import Difference

SUBSTITUTES = {
    "http://127.0.0.1:8000/v1": "the fake endpoint",
    "mtbench_en@…": "the name in the judgment file, whose hash the page leaves out",
}
"""Words that stand for something of the reader's, and what takes their place."""
JOBS = ("run", "generate", "judge", "doctor")
"""Commands that need Ray; they find 16 GPUs that are made up."""
UPSTREAM = ("data.md", "fastchat.md")
"""Pages whose commands are about question sets of others."""


def programs(page: Path) -> Iterator[tuple[str, list[str]]]:
    """The commands of a page, and what each passes to the program; an array's once for each model of its list."""
    for line in commands(page):
        words = arguments(line)
        if line.startswith("slurm/array.sh"):
            text = page.read_text(encoding="utf-8")
            listed = re.search(r"has a model a line.*?```\n(.*?)```", text, re.DOTALL)
            assert listed is not None
            for model in listed[1].splitlines():
                yield line, [*words, "--model-path", *shlex.split(model)]
        else:
            yield line, words


def first_seen() -> Iterator[tuple[str, list[tuple[str, list[str]]]]]:
    """Each page, with those of its commands that no page before it has."""
    seen: list[list[str]] = []
    for page in sorted(PAGES, key=lambda page: (page.name != "README.md", page.name)):
        new = [(line, words) for line, words in programs(page) if words not in seen]
        seen += [words for _, words in new]
        if new:
            yield page.name, new


@pytest.fixture(scope="module")
def mirror(upstream: Path) -> Iterator[str]:
    """The internet, as far as question sets lie there."""
    with serve_data(published(upstream)) as server:
        yield server.url


@pytest.fixture(scope="module")
def connection() -> Iterator[None]:
    """Ray, started and joined once for all pages."""
    with ray_cluster_of_others(num_gpus=16, num_cpus=4) as address, joined(address):
        yield


@contextmanager
def connected(address: str | None) -> Iterator[list[Any]]:
    """The program's own way to Ray, with the connection that is there."""
    yield alive_nodes()


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to type in, and the reader's environment. The program's signal handlers end with the test."""
    for name in os.environ:
        if name.startswith(("OPENAI_", "MTBENCH_KO_", "HF_", "AWS_")):
            monkeypatch.delenv(name)
    folders = {"DATA_CACHE": "data-cache", "DATA_MIRROR": "no-mirror", "SPOOL": "spool"}
    settings = {name: str(tmp_path / folder) for name, folder in folders.items()}
    for name, value in (settings | {"FIRST_N": str(QUESTIONS), "NO_REPORT": "1"}).items():
        monkeypatch.setenv(f"MTBENCH_KO_{name}", value)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    yield tmp_path
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def typed(words: list[str], folder: Path, endpoint: str) -> list[str]:
    """`words` with what the reader would put in, and `/weights/` below `folder`; weights are looked at, not loaded."""
    judged = next(iter((folder / "outputs" / KOREAN / "model_judgment").glob("*.jsonl")), None)
    prompts = set(re.findall(r"mtbench_en@\w+", judged.read_text(encoding="utf-8"))) if judged else set()
    found = {"http://127.0.0.1:8000/v1": endpoint} | {"mtbench_en@…": next(iter(prompts), "")}
    assert found.keys() == SUBSTITUTES.keys()
    words = [found.get(word, re.sub("^/weights/", "weights/", word)) for word in words]
    loads = words[0] in ("run", "generate") and {"--model-path", "--judge-model-path"} & {*words}
    return [*words, "--dry-run"] if loads and "--dry-run" not in words else words


@pytest.mark.parametrize(("page", "lines"), [pytest.param(*each, id=each[0]) for each in first_seen()])
def test_every_command_of_the_page_does_what_it_says(
    page: str,
    lines: list[tuple[str, list[str]]],
    reader: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    fixture: Callable[[str], Any] = request.getfixturevalue
    text = " ".join(line for line, _ in lines)
    prepare(page, reader)
    if page in UPSTREAM:
        monkeypatch.setenv("MTBENCH_KO_DATA_MIRROR", fixture("mirror"))
    if "--model-path" in text:
        lay_weights(reader, fixture("tiny_models"))
    if any(words[0] in JOBS for _, words in lines):
        fixture("connection")
        monkeypatch.setattr("mtbench_ko.job.job.ray_cluster", connected)
        monkeypatch.setattr("mtbench_ko.engine.ray_cluster", connected)
    run = partial(CliRunner().invoke, cli, catch_exceptions=False)
    if "sbatch" in text:  # they name no set, and the default one is not part of this repository
        monkeypatch.setenv("MTBENCH_KO_BENCH_NAME", NATIVE)
    if "s3://" in text:
        s3 = fixture("s3")
        for name, value in (s3.env | {"AWS_ENDPOINT_URL_S3": s3.url}).items():
            monkeypatch.setenv(name, value)
        there = {each["Name"] for each in s3.client().list_buckets()["Buckets"]}
        for name in {*re.findall(r"s3://([\w-]+)", text)} - there:
            s3.client().create_bucket(Bucket=name)
        for url, folder in buckets(page, reader).items():
            assert run(["sync", "push", "--output", url, str(folder)]).exit_code == 0
    with serve(FakeOpenAI(reply=reply)) as fake, serve_batches(FakeBatches(reply=reply)) as batches:
        monkeypatch.setenv("MTBENCH_KO_OPENAI_API_BASE", fake.url)
        for line, words in lines:
            judge = batches.url if "--judge-batch" in words else fake.url
            monkeypatch.setenv("MTBENCH_KO_JUDGE_API_BASE", "" if "--judge-model-path" in words else judge)
            print(f"$ mtbench-ko {shlex.join(typed(words, reader, fake.url))}")
            result = run(typed(words, reader, fake.url))
            print(result.output)
            assert result.exit_code == 0, f"{line}: exit code {result.exit_code}\n{result.output}"
            assert result.output.strip(), f"{line}: says nothing"


def test_korean_readme_says_to_type_the_same() -> None:
    english, korean = (commands(REPOSITORY / name) for name in ("README.md", "README.ko.md"))
    assert english == korean
    assert sum(line.startswith("mtbench-ko") for line in english) >= 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_that_a_page_names_are_there(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = re.findall(r"(?:^|`)make ([a-z][a-z-]*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert {*named} <= {*targets}
    assert not page.name.startswith("README") or {"demo", "test", "install"} <= {*named}


def test_every_field_of_the_journal_is_explained() -> None:
    """And so of FastChat's files, which are views of it."""
    words = {*re.findall(r"\w+", (REPOSITORY / "docs" / "files.md").read_text(encoding="utf-8"))}
    shapes = [each for each in vars(records).values() if isinstance(each, type) and issubclass(each, BaseModel)]
    assert len(shapes) > 5
    for shape in shapes:
        assert shape.model_fields.keys() <= words, shape.__name__


def test_every_field_of_the_json_of_scores_is_explained() -> None:
    page = (REPOSITORY / "docs" / "scores.md").read_text(encoding="utf-8")
    words = {*re.findall(r"\w+", page[page.index("## JSON") :])}
    for shape in (Scoreboard, ModelScores, PairScores, Difference, LanguageSummary):
        assert {each.name for each in fields(shape)} <= words, shape.__name__


def test_picture_of_the_report_is_small_and_can_be_made_again(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("picture", REPOSITORY / "docs" / "make_report_picture.py")
    assert spec is not None and spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "judge-2026-01" in module.page(tmp_path).read_text(encoding="utf-8")
    assert module.FILE.stat().st_size <= 150_000
