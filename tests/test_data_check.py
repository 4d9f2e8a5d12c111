"""`data check` finds everything that is wrong with a question set, at once."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from conftest import Program
from run_checks import read_jsonl

from mtbench_ko.bench import check_against, check_set, data_root, load_bench, locate
from mtbench_ko.bench.similar import similar

NATIVE = data_root() / "mt_bench_ko_native"


def write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two questions of each category of our own set as a user's, in another folder, with judge prompts of its own."""
    place = tmp_path / "sets" / "mine"
    every = read_jsonl(NATIVE / "question.jsonl")
    categories = dict.fromkeys(question["category"] for question in every)
    questions = [q for name in categories for q in [q for q in every if q["category"] == name][:2]]
    ids = {question["question_id"] for question in questions}
    references = read_jsonl(NATIVE / "reference_answer" / "mtbench-ko.jsonl")
    write(place / "question.jsonl", questions)
    write(place / "reference_answer" / "me.jsonl", [line for line in references if line["question_id"] in ids])
    write(place / "judge_prompts.jsonl", read_jsonl(data_root() / "judge_prompts" / "en.jsonl"))
    return place


def test_sound_set_passes(program: Program, folder: Path) -> None:
    result = program("data", "check", folder)
    assert (result.returncode, result.stdout) == (0, ""), result.stdout
    assert "0 errors, 0 warnings" in result.stderr


def test_every_fault_is_named_in_one_go(program: Program, folder: Path) -> None:
    questions = read_jsonl(folder / "question.jsonl")
    math = next(q for q in questions if q["category"] == "math")
    questions[0]["turns"][1] = "  "
    questions[1]["turns"][0] = unicodedata.normalize("NFD", questions[1]["turns"][0])
    questions[2]["turns"][0] += "\ufffd"
    questions[3]["question_id"] = questions[2]["question_id"]
    near = {**questions[4], "question_id": 5001, "turns": [questions[4]["turns"][0] + " 짧게.", "다른 둘째 물음"]}
    same = {**questions[5], "question_id": 5002}
    write(folder / "question.jsonl", [*questions, near, same, {"question_id": "x", "turns": []}])
    references = read_jsonl(folder / "reference_answer" / "me.jsonl")
    references = [line for line in references if line["question_id"] != math["question_id"]]
    references[0]["question_id"] = 9999
    write(folder / "reference_answer" / "me.jsonl", references)
    prompts = read_jsonl(folder / "judge_prompts.jsonl")
    prompts[0]["prompt_template"] = prompts[0]["prompt_template"].replace("{answer_b}", "{answer_a}")
    write(folder / "judge_prompts.jsonl", prompts)
    (folder / "errata.jsonl").write_text('{"question_id": 1}\n')
    note = {"severity": "high", "reason": "-", "question_sha256": ["0" * 64]}
    write(folder / "question_notes.jsonl", [note | {"question_id": 7}, note])

    result = program("data", "check", folder)
    assert result.returncode == 2
    for words in (
        "question.jsonl:1: turn 2 is empty",
        "question.jsonl:2: field 'turns.0' is not in Unicode's form NFC",
        "question.jsonl:3: field 'turns.0' holds the character U+FFFD",
        f"question.jsonl:4: question {questions[2]['question_id']} stands already in line 3",
        f"questions {questions[4]['question_id']} and 5001 are alike",
        "question.jsonl:18: the same turns stand already in line 6",
        "question.jsonl:19: field 'question_id'",
        f"question {math['question_id']} has 0 of the 2 references it needs",
        "references to questions that there are not: [9999]",
        "judge_prompts.jsonl: prompt 'pair-v2', field 'prompt_template'",
        "errata.jsonl:1: field 'turn'",
        "question_notes.jsonl:1: question 7: written for another text",
        "question_notes.jsonl:2: field 'question_id'",
    ):
        assert words in result.stdout, words + "\n" + result.stdout


def test_missing_references_and_missing_questions_are_errors(folder: Path) -> None:
    for file in (folder / "reference_answer").iterdir():
        file.unlink()
    (folder / "errata.jsonl").unlink(missing_ok=True)
    (finding,) = check_set(locate(str(folder)))
    assert (finding.level, "no reference file" in finding.what) == ("error", True)
    (folder / "question.jsonl").unlink()
    (finding,) = check_set(locate(str(folder)))
    assert "cannot be read" in finding.what


def test_near_duplicates_of_another_set_are_found(program: Program, folder: Path) -> None:
    place = locate(str(folder))
    assert len(check_against(place, locate("mt_bench_ko_native"))) == 16
    result = program("data", "check", folder, "--against", "mt_bench_ko_native")
    assert result.returncode == 0
    assert result.stdout.count("is like question") == 16


def _changed(text: str) -> str:
    """Every sixth word gone, and every number that stands alone another."""
    words = [word for index, word in enumerate(text.split()) if index % 6 != 5]
    return " ".join(str(int(word) + 3) if word.isdecimal() else word for word in words)


@pytest.mark.parametrize("name", ["mt_bench_ko", "mt_bench", "komt_bench", "native"])
def test_similarity_tells_copies_from_different_questions(name: str, request: pytest.FixtureRequest) -> None:
    folder = NATIVE if name == "native" else request.getfixturevalue("upstream") / name
    questions = {number: q.turns for number, q in load_bench(str(folder), references="none").questions.items()}
    assert similar(questions) == []
    changed = {number: [_changed(turns[0])] for number, turns in questions.items()}
    assert {(one, other) for one, other, _ in similar(questions, changed)} == {(n, n) for n in questions}


def test_cached_set_that_is_not_the_pinned_one_is_an_error(program: Program, upstream: Path) -> None:
    cache = program.folder / "data-cache" / "mt_bench_ko"
    for path in ("question.jsonl", "reference_answer/gpt-4.jsonl"):
        (cache / path).parent.mkdir(parents=True, exist_ok=True)
        (cache / path).write_bytes((upstream / "mt_bench_ko" / path).read_bytes())
    assert program("data", "check", "mt_bench_ko").returncode == 0
    text = (cache / "question.jsonl").read_text(encoding="utf-8")
    (cache / "question.jsonl").write_text(text.replace("하와이", "제주도"), encoding="utf-8")
    result = program("data", "check", "mt_bench_ko")
    assert result.returncode == 2
    assert "not the pinned file; what differs: question 81, turn 1: mtbench-ko data fetch mt_bench_ko" in result.stdout
