"""What must hold of any run directory, however often its run was killed."""

import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

from fake_openai import FakeOpenAI

BENCH = "mt_bench_ko_native"
QUESTIONS = 16
"""How many of its questions the tests run: its first lines, two of each category."""


def arguments(model: FakeOpenAI, judge: FakeOpenAI) -> list[object]:
    """Some of our own questions, a model and a judge: the arguments of a run; of generate the first eight."""
    return [
        "--bench-name", BENCH, "--model", "org/model", "--openai-api-base", model.url, "--first-n", QUESTIONS,
        "--judge-model", "judge", "--judge-api-base", judge.url,
    ]  # fmt: skip


def own_questions() -> list[dict[str, Any]]:
    """The questions that those arguments choose."""
    return read_jsonl(Path(__file__).parents[1] / "data" / BENCH / "question.jsonl")[:QUESTIONS]


def judgments(folder: Path, judge: str = "judge", suffix: str = "single") -> list[dict[str, Any]]:
    """The lines of a judge's file in the output of the run in `folder`."""
    return read_jsonl(folder / "outputs" / BENCH / "model_judgment" / f"{judge}_{suffix}.jsonl")


def write_bench(folder: Path, questions: int) -> Path:
    """A question set "long", and a model's answers to the two turns of each question in the output of `folder`."""
    bench, answers = folder / "sets" / "long", folder / "outputs" / "long" / "model_answer"
    bench.mkdir(parents=True)
    answers.mkdir(parents=True)
    with (bench / "question.jsonl").open("w") as asked, (answers / "m.jsonl").open("w") as lines:
        for number in range(questions):
            asked.write(json.dumps({"question_id": number, "category": "writing", "turns": ["첫째", "둘째"]}) + "\n")
            turns = [f"<{number}/{turn}> 평점: [[10]]" for turn in (1, 2)]
            answer = {"question_id": number, "answer_id": "x", "model_id": "m", "tstamp": 1.0}
            lines.write(json.dumps(answer | {"choices": [{"index": 0, "turns": turns}]}) + "\n")
    return bench


def answer_shown(body: dict[str, Any]) -> tuple[int, int]:
    """The question and turn of the answer that a call to the judge shows last."""
    question_id, turn = re.findall(r"<(\d+)/(\d)>", body["messages"][1]["content"])[-1]
    return int(question_id), int(turn)


def rating_of(question_id: int, turn: int) -> int:
    """What the judge thinks of an answer: a score that comes out differently was made up."""
    return random.Random(f"{question_id}/{turn}").randint(1, 10)


def manifest(folder: Path, bench: str = BENCH) -> dict[str, Any]:
    """The manifest of the run in `folder`."""
    read: dict[str, Any] = json.loads((folder / "outputs" / bench / "manifest.json").read_text())
    return read


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]  # str would split at U+2028 too


def check_run(output: Path, bench: str, *, questions: int, turns: int = 2) -> dict[str, Any]:
    """Check that nothing was done twice, lost or doubled, and that each judgment was made of the stored text.

    Returns the counts that were seen.
    """
    journal = read_jsonl(output / "_state" / "journal.jsonl")
    done = [r for r in journal if r["kind"] == "turn" or (r["kind"] == "judgment" and r["outcome"] == "scored")]
    slots = Counter(
        (r["kind"], r.get("model_id") or r["model"], r["question_id"], r["choice"], r["turn"]) for r in done
    )
    assert [slot for slot, count in slots.items() if count > 1] == []  # no finished item was redone

    stored: dict[tuple[str, int, int, int], str] = {}
    for path in (output / bench / "model_answer").glob("*.jsonl"):
        lines = read_jsonl(path)
        assert len({line["question_id"] for line in lines}) == len(lines) == questions
        for line in lines:
            for choice in line["choices"]:
                assert len(choice["turns"]) == turns
                for turn, text in enumerate(choice["turns"], start=1):
                    stored[line["model_id"], line["question_id"], choice["index"], turn] = text
    assert {(r["model_id"], r["question_id"], r["choice"], r["turn"]) for r in journal if r["kind"] == "turn"} == set(
        stored
    )

    judged: Counter[str] = Counter()
    for path in (output / bench / "model_judgment").glob("*_single.jsonl"):
        lines = read_jsonl(path)
        about = [(line["model"], line["question_id"], line["choice"], line["turn"]) for line in lines]
        assert len(set(about)) == len(about)
        assert set(about) == set(stored)
        for line, slot in zip(lines, about, strict=True):
            assert stored[slot] in line["user_prompt"]
            assert (line["score"] == -1) == (line["outcome"] == "unscored")
            judged[line["outcome"]] += 1
    return {"turns": len(stored), **judged}
