"""Which reference the judge is shown: by source, with errata that apply to the audited texts and to no others."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from conftest import Program
from fake_openai import FakeOpenAI
from run_checks import read_jsonl

from mtbench_ko.bench import load_bench
from mtbench_ko.errors import UsageError

QUESTIONS = [
    {"question_id": 1, "category": "math", "turns": ["1+1은?", "그 두 배는?"], "reference": ["둘", "넷"]},
    {"question_id": 2, "category": "coding", "turns": ["짝수?", "홀수?"]},
    {"question_id": 3, "category": "writing", "turns": ["시", "더 짧게"], "reference": ["-", "-"]},
]
UPSTREAM = {1: ["3", "6"], 2: ["x % 2 == 0", "x % 2 == 1"], 3: ["시는", "짧다"], 9: ["남는", "것"]}


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def erratum(number: int, turn: int, text: str, **upstream: str) -> dict[str, Any]:
    question = next(q for q in QUESTIONS if q["question_id"] == number)
    hashes = {
        "question_sha256": digest(question["turns"][turn - 1]),  # type: ignore[index]
        "reference_sha256": digest(UPSTREAM[number][turn - 1]),
    }
    return {"question_id": number, "turn": turn, "verdict": "wrong", "reference": text, "upstream": hashes | upstream}


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A small set in FastChat's layout with errata of its own: both turns of question 1 are wrong upstream."""
    folder = tmp_path / "sets" / "small"
    (folder / "reference_answer").mkdir(parents=True)
    answers = [
        {
            "question_id": n,
            "answer_id": "x",
            "model_id": "gpt-4",
            "tstamp": 1,
            "choices": [{"index": 0, "turns": turns}],
        }
        for n, turns in UPSTREAM.items()
    ]
    write(folder / "question.jsonl", QUESTIONS)
    write(folder / "reference_answer" / "gpt-4.jsonl", answers)
    write(folder / "errata.jsonl", [erratum(1, 1, "2"), erratum(1, 2, "4")])
    return folder


def write(path: Path, lines: list[Any]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (None, ("corrected", {1: ["2", "4"], 2: UPSTREAM[2]})),
        ("corrected", ("corrected", {1: ["2", "4"], 2: UPSTREAM[2]})),
        ("upstream", ("upstream", {1: ["3", "6"], 2: UPSTREAM[2]})),
        ("question", ("question", {1: ["둘", "넷"]})),
        ("none", ("none", {})),
    ],
)
def test_source_decides_what_is_shown(bench: Path, source: Any, shown: tuple[str, dict[int, list[str]]]) -> None:
    loaded = load_bench(str(bench), references=source)
    assert (loaded.reference_source, loaded.references) == shown


def test_what_is_left_out_is_counted(bench: Path) -> None:
    assert load_bench(str(bench)).notes == ["2 references belong to no question that is judged with one: ignored"]
    assert load_bench(str(bench), references="question").notes == [
        "1 questions have no reference of their own and are judged without"
    ]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            [erratum(1, 1, "2", reference_sha256=digest("7"))],
            ":1: question 1, turn 1: the reference is not",
        ),
        (
            [erratum(1, 1, "2"), erratum(1, 2, "4", question_sha256=digest("?"))],
            ":2: question 1, turn 2: the question is not",
        ),
        (
            [erratum(1, 1, "2") | {"question_id": 77}],
            ":1: question 77, turn 1: the set has no such",
        ),
    ],
)
def test_errata_for_other_texts_are_refused_and_are_no_default(bench: Path, lines: list[Any], words: str) -> None:
    write(bench / "errata.jsonl", lines)
    with pytest.raises(UsageError) as caught:
        load_bench(str(bench), references="corrected")
    assert words in str(caught.value)
    assert "--references upstream" in str(caught.value)
    default = load_bench(str(bench))
    assert (default.reference_source, default.references[1]) == ("upstream", UPSTREAM[1])
    assert words in default.notes[0]


def test_errata_that_contradict_each_other_or_are_none_are_refused(bench: Path) -> None:
    write(bench / "errata.jsonl", [erratum(1, 1, "2"), erratum(1, 1, "둘")])
    with pytest.raises(UsageError, match="stands in an earlier line already"):
        load_bench(str(bench))
    write(bench / "errata.jsonl", [])
    assert load_bench(str(bench)).reference_source == "upstream"


def test_corrected_without_errata_is_refused(bench: Path) -> None:
    (bench / "errata.jsonl").unlink()
    with pytest.raises(UsageError, match="there are no errata for small"):
        load_bench(str(bench), references="corrected")
    assert load_bench(str(bench)).reference_source == "upstream"


@pytest.mark.usefixtures("shared_ray")
def test_each_judgment_records_the_source_and_the_hash_of_what_was_shown(
    program: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI, bench: Path, tmp_path: Path
) -> None:
    command = [
        "run", "--bench-name", bench, "--model", "m", "--openai-api-base", model_endpoint.url,
        "--judge-model", "judge", "--judge-api-base", judge_endpoint.url,
    ]  # fmt: skip
    result = program(*command)
    assert result.returncode == 0, result.stderr
    assert "2 references belong to no question" in result.stderr
    file = tmp_path / "outputs" / "small" / "model_judgment" / "judge_single.jsonl"
    corrected = {(line["question_id"], line["turn"]): line for line in read_jsonl(file)}
    assert "◇ 참고 답안 시작\n2\n" in corrected[1, 1]["user_prompt"]
    assert {line["references"]["source"] for line in corrected.values()} == {"corrected"}
    assert corrected[3, 1]["references"]["sha256"] is None

    assert program(*command, "--references", "upstream").returncode == 0
    assert len(judge_endpoint.requests) == 6 + 2  # what the errata left alone is not judged anew
    upstream = {
        (line["question_id"], line["turn"]): line
        for line in read_jsonl(file)
        if line["references"]["source"] == "upstream"
    }
    assert "◇ 참고 답안 시작\n3\n" in upstream[1, 1]["user_prompt"]
    assert upstream[1, 1]["references"]["sha256"] != corrected[1, 1]["references"]["sha256"]
    assert upstream[2, 1]["references"]["sha256"] == corrected[2, 1]["references"]["sha256"]
    manifest = json.loads((tmp_path / "outputs" / "small" / "manifest.json").read_text())
    hashes = manifest["bench"]["sha256"]
    assert hashes["errata/errata.jsonl"] == sha256((bench / "errata.jsonl").read_bytes()).hexdigest()
