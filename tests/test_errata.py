"""The corrected references are right: each is checked by running it, and each check catches mutations of it."""

import json
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from errata_checks import sandbox
from errata_checks.mutations import MUTATIONS
from run_checks import read_jsonl

from mtbench_ko.bench import data_root, load_bench, question_notes, read_lines
from mtbench_ko.bench.notes import fits
from mtbench_ko.lines import Question

ERRATA = {name: read_jsonl(data_root() / "errata" / name / "errata.jsonl") for name in ("mt_bench_ko", "mt_bench")}
ROWS = {row["id"]: row for rows in ERRATA.values() for row in rows}
IN_BROWSER = [name for name, row in ROWS.items() if row["check"]["kind"] == "reference_html"]


def faults(texts: list[tuple[str, str]]) -> list[str | None]:
    """What the checks of the rows find wrong with other texts of their references."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda job: sandbox.fault(job[1], ROWS[job[0]]["check"]), texts))


def mutants(name: str) -> list[str]:
    """Each mutation of the row's reference, which must hold the text that it replaces."""
    reference = ROWS[name]["reference"]
    assert [old for old, _ in MUTATIONS[name] if old not in reference] == [], name
    return [reference.replace(old, new) for old, new in MUTATIONS[name]]


def needs_compiler() -> None:
    if shutil.which("g++") is None:
        pytest.skip("needs g++: make system-packages")


def test_every_corrected_reference_passes_its_check() -> None:
    needs_compiler()
    names = [name for name in ROWS if name not in IN_BROWSER]
    found = faults([(name, ROWS[name]["reference"]) for name in names])
    assert {name: fault for name, fault in zip(names, found, strict=True) if fault} == {}
    assert len(names) == 58


def test_every_mutation_is_caught() -> None:
    needs_compiler()
    jobs = [(name, text) for name in ROWS if name not in IN_BROWSER for text in mutants(name)]
    found = faults(jobs)
    missed = [name for (name, _), fault in zip(jobs, found, strict=True) if fault is None]
    assert missed == []
    assert len(jobs) >= 170
    assert all(len(mutations) >= 2 for mutations in MUTATIONS.values())
    assert MUTATIONS.keys() == ROWS.keys()


@pytest.fixture(scope="module")
def clicked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], bool]]:
    """Opens a page from disk in Chromium without network, runs a check in it, and says whether that held."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: make install")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs chromium: make system-packages")
    file = tmp_path_factory.mktemp("page") / "page.html"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)

        def click(html: str, check: str) -> bool:
            file.write_text(html, encoding="utf-8")
            page = browser.new_context(offline=True).new_page()
            page.goto(file.as_uri())
            held = bool(page.evaluate(f"() => {{ {check} }}"))
            page.context.close()
            return held

        yield click
        browser.close()


@pytest.mark.parametrize("name", IN_BROWSER)
def test_page_works_in_a_browser_and_its_mutations_do_not(name: str, clicked: Callable[[str, str], bool]) -> None:
    row = ROWS[name]
    for text in (row["reference"], *mutants(name)):
        html = sandbox.block_of(text, "reference_html")
        assert clicked(html, row["check"]["code"]) == (text is row["reference"])


def test_sandbox_holds_what_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, no more memory or file space than allowed, nothing of the environment, a folder of its own."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")

    def run(code: str) -> str | None:
        return sandbox.fault("", {"kind": "python", "code": code})

    assert (
        run("import os; assert 'OPENAI_API_KEY' not in os.environ and os.getcwd() != " + repr(str(Path.cwd()))) is None
    )
    assert "AssertionError" in str(run("assert False"))
    assert "MemoryError" in str(run("bytearray(4 << 30)"))
    assert "File too large" in str(run("open('x', 'wb').write(bytes(64 << 20))"))
    if not sandbox.no_network():
        pytest.skip("this machine allows no network namespace: checks run without one")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert "Error" in str(run(f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"))


@pytest.mark.parametrize(("name", "verdicts"), [("mt_bench_ko", (25, 5, 4)), ("mt_bench", (18, 4, 3))])
def test_errata_fit_upstream(upstream: Path, name: str, verdicts: tuple[int, ...]) -> None:
    """All errata apply to upstream's texts, and change exactly the turns that the audit names."""
    folder = upstream / name
    corrected, given = (load_bench(str(folder), references=source) for source in (None, "upstream"))
    assert corrected.reference_source == "corrected"
    changed = {
        (number, turn)
        for number, texts in corrected.references.items()
        for turn, text in enumerate(texts, start=1)
        if text != given.references[number][turn - 1]
    }
    rows = ERRATA[name]
    assert changed == {(row["question_id"], row["turn"]) for row in rows}
    counted = tuple(sum(row["verdict"] == verdict for row in rows) for verdict in ("wrong", "incomplete", "minor"))
    assert counted == verdicts
    questions = {question.question_id: question for _, question in read_lines(folder / "question.jsonl", Question)}
    for row in rows:
        assert row["category"] == questions[row["question_id"]].category
    notes = question_notes(str(folder))
    assert notes
    assert all(fits(note, questions) for note in notes.values())


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_row_says_what_a_reader_needs(row: dict[str, Any]) -> None:
    assert row["id"] == f"{'en' if row in ERRATA['mt_bench'] else 'ko'}-{row['question_id']}-{row['turn']}"
    assert row["severity"] in ("high", "medium", "low")
    assert row["defect"] and row["answer_key"] and row["check"]["code"]
    assert {"accept", "reject", "question_note"} <= row.keys()
    assert re.fullmatch(r"[0-9a-f]{40}", row["upstream"]["rev"])
    assert "[[" not in re.sub(r"```.*?```", "", row["reference"], flags=re.DOTALL)  # nothing like a verdict


def test_notes_of_another_text_do_not_count(upstream: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mt_bench_ko"
    folder.mkdir()
    lines = read_jsonl(upstream / "mt_bench_ko" / "question.jsonl")
    for line in lines:
        if line["question_id"] == 156:
            line["turns"][0] = line["turns"][0].replace("기준 금리", "기저율")
    (folder / "question.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert 156 in question_notes(str(upstream / "mt_bench_ko"))
    notes = question_notes(str(folder))
    assert 156 not in notes
    assert notes[157].severity == "high"
    assert "반년 전" in notes[157].reason
