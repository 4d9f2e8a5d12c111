"""What is said of an answer's language, on texts written by hand and on those of real models."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from conftest import Program
from run_checks import read_jsonl

from mtbench_ko.bench import data_root
from mtbench_ko.hashing import sha256_text
from mtbench_ko.stats import TextCheck, check_answer, check_text

TEXTS = read_jsonl(Path(__file__).with_name("language_texts.jsonl"))
CHECKS: dict[str, tuple[Callable[[dict[str, Any]], bool], Callable[[TextCheck], bool]]] = {
    "korean": (lambda text: text["korean"] is True, lambda check: check.korean is True),
    "not korean": (lambda text: text["korean"] is False, lambda check: check.korean is False),
    "switched": (lambda text: text["switched"], lambda check: bool(check.switches)),
    "hapsyo": (lambda text: text["level"] == "hapsyo", lambda check: check.level == "hapsyo"),
    "haeyo": (lambda text: text["level"] == "haeyo", lambda check: check.level == "haeyo"),
    "banmal": (lambda text: text["level"] == "banmal", lambda check: check.level == "banmal"),
}


@pytest.mark.parametrize("name", CHECKS)
def test_checks_find_what_60_texts_hold_and_nothing_else(name: str) -> None:
    is_so, is_found = CHECKS[name]
    assert len(TEXTS) == 60
    found = [(bool(is_so(text)), is_found(check_text(text["text"])), text["text"]) for text in TEXTS]
    assert [text for truth, said, text in found if said and not truth] == []  # precision 1
    assert [text for truth, said, text in found if truth and not said] == []  # recall 1


def test_shares_are_of_letters_outside_code() -> None:
    check = check_text("값은 `value`입니다. 漢字 かな abcd\n```\nprint('no')\n```")
    assert check.letters == 13
    shares = {"hangul": 5 / 13, "han": 2 / 13, "kana": 2 / 13, "latin": 4 / 13, "other": 0}
    assert check.shares == pytest.approx(shares)
    assert check_text("").shares == dict.fromkeys(shares, 0)
    assert check_text("").korean is None


@pytest.mark.parametrize(
    "part",
    [*"{[`$(가\ud800<\\\n“a.", "a ", "가.\n", "\\[", "\\(", "$$a", "<a", "a@", "가 a", "```", '"a'],
    ids=repr,
)
def test_hostile_text_takes_no_longer_than_its_length_asks(part: str) -> None:
    """A pattern that looked to the end of the text from each beginning would take 64 times as long for 8 times as much;
    three times what is due is left to the processor's moods."""
    assert cpu_seconds(part * 16_000 + "끝") < 24 * cpu_seconds(part * 2_000 + "끝")


def cpu_seconds(text: str) -> float:
    """Of this process, to check `text`: the least of three times."""

    def once() -> float:
        start = process_time()
        check_text(text)
        return process_time() - start

    return min(once() for _ in range(3))


def test_level_that_changes_between_turns_is_flagged_at_the_second() -> None:
    polite, casual = "사과는 과일입니다. 맛있습니다.", "사과는 과일이야. 정말 맛있어."
    assert check_answer([polite, casual]).flags == [[], ["level_changed"]]
    assert check_answer([polite, polite]).flags == [[], []]
    assert check_answer([polite, "42"]).flags == [[], []]
    assert check_answer([f"{polite} {casual}"]).flags == [["mixed_levels"]]
    assert check_answer([polite, casual], [(), ("speech",)]).flags == [[], []]
    assert check_answer([polite, casual], [("speech",), ()]).flags == [[], []]


def test_exempt_questions_may_be_answered_in_english() -> None:
    english = "This is the email that you asked me to write."
    assert check_answer([english, english]).flags == [["not_korean"], ["not_korean"]]
    assert check_answer([english, english], [("not_korean",), ("komt",)]).flags == [[], ["not_korean"]]
    assert check_answer([english, english], [("not_korean",), ("komt",)]).penalized == [True, False]
    assert check_answer(["이 model은 좋습니다."], [("switched",)]).flags == [[]]


@pytest.mark.parametrize("bench", sorted(path.stem for path in (data_root() / "language").glob("*.jsonl")))
def test_exemptions_were_written_for_the_questions_that_there_are(upstream: Path, bench: str) -> None:
    shipped = data_root() / bench / "question.jsonl"
    questions = read_jsonl(shipped if shipped.is_file() else upstream / bench / "question.jsonl")
    texts = {(q["question_id"], n): text for q in questions for n, text in enumerate(q["turns"], start=1)}
    rows = read_jsonl(data_root() / "language" / f"{bench}.jsonl")
    assert len({(row["question_id"], row["turn"]) for row in rows}) == len(rows) > 0
    for row in rows:
        assert sha256_text(texts[row["question_id"], row["turn"]]) == row["question_sha256"]


@pytest.fixture
def komt(upstream: Path, tmp_path: Path) -> Path:
    """LG's judgments and the answers that stand in their prompts, as FastChat keeps them; the folder of the bench."""
    source, folder = upstream / "komt_bench", tmp_path / "data" / "komt_bench"
    judged = read_jsonl(source / "model_judgment" / "gpt-4_single_final.jsonl")
    turns: dict[int, dict[int, str]] = {}
    for line in judged:
        turns.setdefault(line["question_id"], {})[line["turn"]] = answer_in(line["user_prompt"], line["turn"])
    for name in ("model_judgment", "model_answer"):
        (folder / name).mkdir(parents=True)
    (folder / "question.jsonl").write_text((source / "question.jsonl").read_text())
    write(folder / "model_judgment" / "gpt-4_single.jsonl", judged)
    write(folder / "model_answer" / "gpt-4_ko.jsonl", [answer(q, [of[1], of[2]]) for q, of in turns.items()])
    return folder


def answer_in(prompt: str, turn: int) -> str:
    if turn == 1:
        found = re.search(r"\[어시스턴트 답변 시작\]\n(.*)\n\[어시스턴트 답변 끝\]", prompt, re.DOTALL)
        assert found
        return found.group(1)
    return prompt.rpartition("### 어시스턴트 A:\n")[2].partition("\n\n<|어시스턴트 A와 사용자와의 대화")[0]


def answer(question: int, turns: list[str]) -> dict[str, Any]:
    choices = [{"index": 0, "turns": turns}]
    return {"question_id": question, "answer_id": "x", "model_id": "gpt-4_ko", "choices": choices, "tstamp": 0}


def write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def shown(program: Program, komt: Path, *more: object) -> dict[str, Any]:
    file = komt / "model_judgment" / "gpt-4_single.jsonl"
    result = program("show", "--input-file", file, "--bench-name", komt, "--format", "json", *more)
    assert result.returncode == 0, result.stderr
    board: dict[str, Any] = json.loads(result.stdout)
    return board


def test_lgs_rule_gives_what_lg_published_for_every_record(program: Program, komt: Path) -> None:
    """LG's file has its penalty applied, and none of its 160 scores is a root: no answer there is to be penalized."""
    plain, penalized = shown(program, komt), shown(program, komt, "--language-penalty", "komt")
    assert penalized["models"] == plain["models"]
    assert (plain.get("language_penalty"), penalized["language_penalty"]) == (None, "komt")
    assert plain["models"]["gpt-4_ko"]["language"]["not_korean"] == 0
    answers = read_jsonl(komt / "model_answer" / "gpt-4_ko.jsonl")
    checks = [check_text(turn) for line in answers for turn in line["choices"][0]["turns"]]
    assert [check.korean for check in checks].count(False) == 0  # the list of disagreements is empty
    assert len(checks) == 160


def test_lgs_rule_takes_the_root_of_all_but_exempt_and_unscored(program: Program, komt: Path) -> None:
    english = "This is an answer that is written in English, although Korean was asked for."
    changed = {81: [0, 1], 82: [1], 138: [0, 1], 140: [0], 90: [0]}
    answers = read_jsonl(komt / "model_answer" / "gpt-4_ko.jsonl")
    for line in answers:
        for turn in changed.get(line["question_id"], []):
            line["choices"][0]["turns"][turn] = english
    write(komt / "model_answer" / "gpt-4_ko.jsonl", answers)
    judged = read_jsonl(komt / "model_judgment" / "gpt-4_single.jsonl")
    for line in judged:
        line["score"] = -1 if (line["question_id"], line["turn"]) == (90, 1) else line["score"]
    write(komt / "model_judgment" / "gpt-4_single.jsonl", judged)

    roots = {(81, 1), (81, 2), (82, 2)}
    scores = [
        math.sqrt(line["score"]) if (line["question_id"], line["turn"]) in roots else line["score"] for line in judged
    ]
    expected = [score for score in scores if score != -1]
    model = shown(program, komt, "--language-penalty", "komt")["models"]["gpt-4_ko"]
    assert model["average"] == pytest.approx(sum(expected) / 159)
    assert model["counts"] == {"scored": 159, "unscored": 1, "failed": 0}
    assert model["language"]["not_korean"] == 4  # all but those whose question asks for JSON or CSV
    assert shown(program, komt)["models"]["gpt-4_ko"]["average"] > model["average"]  # never unless asked


def test_penalty_without_an_answer_is_refused(program: Program, komt: Path) -> None:
    answers = read_jsonl(komt / "model_answer" / "gpt-4_ko.jsonl")
    write(komt / "model_answer" / "gpt-4_ko.jsonl", answers[1:])
    file = komt / "model_judgment" / "gpt-4_single.jsonl"
    for more in (("--bench-name", komt), ()):
        result = program("show", "--input-file", file, "--language-penalty", "komt", *more)
        assert result.returncode == 2
        assert "no answer of gpt-4_ko to question 81, turn 1" in result.stderr
