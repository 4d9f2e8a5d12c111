"""The command agreement: FastChat's counts from every shape of vote file, judges of outputs, and bad input in words."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import Program
from human_votes import GPT4, PEOPLE

from mtbench_ko.cli import cli
from mtbench_ko.config import TABLE_FORMATS
from mtbench_ko.errors import UsageError
from mtbench_ko.report import read_judge_agreement, read_vote_agreement

VOTES = Path(__file__).parent / "votes"


def lines(path: Path, records: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


def agreement(*arguments: object) -> str:
    """What the command prints, or says when it refuses."""
    result = CliRunner().invoke(cli, ["agreement", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, (UsageError, SystemExit)), result.exception
    return result.output + str(result.exception or "")


def vote_files(shape: str, folder: Path) -> list[Path]:
    """The votes of people and of GPT-4, each in a file."""
    if shape == "parquet":
        return [VOTES / "human.parquet", VOTES / "gpt4_pair.parquet"]
    files = {"human": PEOPLE, "gpt4_pair": GPT4}
    if shape == "data set":
        conversation = [{"content": "질문", "role": "user"}]
        extra = {"conversation_a": conversation, "conversation_b": conversation}
        gpt4 = [vote | extra | {"judge": "gpt4_pair"} for vote in GPT4]
        return [lines(folder / "human.jsonl", [vote | extra for vote in PEOPLE]), lines(folder / "gpt4.jsonl", gpt4)]
    paths = [folder / f"{name}.json" for name in files]
    for path, votes in zip(paths, files.values(), strict=True):
        path.write_text(json.dumps(votes, indent=2))
    return paths


@pytest.mark.parametrize("shape", ["FastChat", "data set", "parquet"])
def test_counts_are_fastchats(program: Program, tmp_path: Path, shape: str) -> None:
    """Worked by hand: turn 1 has two votes of experts on 81 (one equal), two on 82 (the tie equal); nobody else saw 83.

    Of votes that are no ties there is one pair, on 81. In turn 2 the experts say one thing each.
    """
    files = vote_files(shape, tmp_path)
    judged = program("agreement", "--judges", "gpt4-pair", "human", "--votefiles", *files, "--format", "fastchat")
    assert judged.stdout.splitlines() == [
        "turn 1 with tie. #total: 4, #agree: 2, ratio: 0.50",
        "turn 1 without tie. #total: 1, #agree: 1, ratio: 1.00",
        "turn 2 with tie. #total: 2, #agree: 1, ratio: 0.50",
        "turn 2 without tie. #total: 2, #agree: 1, ratio: 0.50",
    ], judged.stderr
    people = read_vote_agreement(files[:1], ["human", "human"])
    counts = [(two.total, two.agree) for turn in ("turn_1", "turn_2") for two in people.turns[turn]]
    assert counts == [(3, 1), (1, 1), (1, 0), (1, 0)]


def test_one_person_is_compared_with_the_others() -> None:
    board = read_vote_agreement([VOTES / "human.parquet"], ["expert_1", "human"])
    ties, _ = board.turns["turn_1"]
    assert (ties.total, ties.agree) == (3, 1)  # 81 and 82 against one other, 83 too
    authors = read_vote_agreement(sorted(VOTES.glob("*")), ["gpt4-pair", "author"])
    assert [two.agree for two in authors.turns["turn_1"]] == [1, 1]


def grade(question: int, turn: int, model: str, score: float, judge: str = "gpt-4o", **more: Any) -> dict[str, Any]:
    return {"question_id": question, "turn": turn, "model": model, "score": score, "judge": [judge, "single-v1"]} | more


def game(question: int, turn: int, g1: str, g2: str, judge: str = "gpt-4o", **more: Any) -> dict[str, Any]:
    models = {"model_1": "gpt-4", "model_2": "alpaca-13b"}
    return {
        "question_id": question, "turn": turn, "g1_winner": g1, "g2_winner": g2, "judge": [judge, "pair-v2"],
    } | models | more  # fmt: skip


def test_judgment_files_are_votes_too(tmp_path: Path) -> None:
    """Games that disagree are a tie, a game without a verdict is no vote; of grades the higher one wins."""
    pairs = lines(tmp_path / "gpt-4o_pair.jsonl", [
        game(81, 1, "model_1", "model_1"), game(82, 1, "model_1", "model_2"), game(83, 1, "error", "model_2"),
    ])  # fmt: skip
    ties, decided = read_vote_agreement([VOTES / "human.parquet", pairs], ["gpt-4o-pair", "human"]).turns["turn_1"]
    assert (ties.total, ties.agree, decided.total, decided.agree) == (4, 2, 1, 1)
    grades = lines(tmp_path / "gpt-4o_single.jsonl", [
        grade(81, 1, "gpt-4", 9), grade(81, 1, "alpaca-13b", 3), grade(82, 1, "gpt-4", 5),
        grade(82, 1, "alpaca-13b", 5), grade(83, 1, "gpt-4", 5), grade(83, 1, "alpaca-13b", -1),
    ])  # fmt: skip
    board = read_vote_agreement([VOTES / "human.parquet", grades], ["gpt-4o-single", "human"])
    assert [(two.total, two.agree) for two in board.turns["turn_1"]] == [(4, 2), (1, 1)]
    assert (board.unscored, [made.judge for made in board.made_with]) == (1, ["gpt-4o"])
    both = read_vote_agreement([pairs, grades], ["gpt-4o-pair", "gpt-4o-single"])
    assert [(two.total, two.agree) for two in both.turns["all"]] == [(2, 2), (1, 1)]


def test_judges_of_several_outputs_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every format; unscored items, other prompts of a judge, and models that are not asked for do not count."""
    bench, old = "mt_bench_ko_native", {"prompt_set": "old@1", "tstamp": 1}
    new = {"prompt_set": "new@1", "tstamp": 2}
    for output, judge, add in (("a", "j", 0), ("b", "k", 1)):
        graded = [grade(q, t, "m", q % 9 + add, judge, **new) for q in range(12) for t in (1, 2)]
        graded += [grade(q, 1, "m", 1, judge, **old) for q in range(12)]
        graded += [grade(1, 1, "other", 5 + 4 * add, judge, **new), grade(99, 1, "m", -1, judge, **new)]
        lines(tmp_path / output / bench / "model_judgment" / f"{judge}_single.jsonl", graded)
    monkeypatch.chdir(tmp_path)
    command = ("--bench-name", bench, "--output", "a", "--output", "b", "--model-list", "m")
    printed = {name: agreement(*command, "--format", name) for name in TABLE_FORMATS}
    told = json.loads(printed["json"])
    assert (told["mode"], told["judges"], told["unscored"]) == ("single", ["j", "k"], 2)
    assert [len(told[turn]) for turn in ("turn_1", "turn_2", "all")] == [1, 1, 1]
    two = told["turn_2"][0]
    assert (two["judges"], two["items"], two["exact"], two["within_one"]) == (["j", "k"], 12, 0, 1)
    assert (two["pearson"], two["mean_difference"]) == (pytest.approx(1), -1)
    assert two["ci"]["within_one"][1] == 1
    assert told["all"][0]["items"] == 24
    rows = list(csv.DictReader(printed["csv"].splitlines()))
    assert [(row["turn"], row["judge_1"], row["items"]) for row in rows][2] == ("all", "j", "24")
    assert 0 < float(rows[2]["weighted_kappa_ci_low"]) < float(rows[2]["weighted_kappa"])
    assert "| j - k | 24 | 0.00 [0.00, 0.26] | 1.00 [0.74, 1.00] | 1.00 |" in printed["markdown"]
    assert "j - k" in printed["table"]
    assert "prompts new@1" in printed["table"]
    assert "FastChat does not compare scores" in printed["fastchat"]
    assert "두 턴" in agreement(*command, "--lang", "ko")


def test_verdicts_of_judges_are_compared_and_repeats_with_each_other(tmp_path: Path) -> None:
    one = lines(tmp_path / "j_pair.jsonl", [
        *(game(q, 1, "model_1", "model_1", "j", repeat=0) for q in range(4)),
        *(game(q, 1, "model_1", "model_2" if q else "model_1", "j", repeat=1) for q in range(2)),
    ])  # fmt: skip
    two = lines(tmp_path / "k_pair.jsonl", [game(q, 1, *["model_1" if q else "model_2"] * 2, "k") for q in range(4)])
    board = read_judge_agreement([one, two], single=False)
    found = {(each.judges, each.ties): (each.total, each.agree) for each in board.turns["turn_1"]}
    assert found == {
        (("j", "k"), True): (6, 3),  # question 0 twice unlike; 1 alike and a tie; 2 and 3 alike
        (("j", "k"), False): (5, 3),
        (("j", "j"), True): (2, 1),
        (("j", "j"), False): (1, 1),
    }


def test_copy_of_a_judge_agrees_with_it_entirely(upstream: Path, tmp_path: Path) -> None:
    """On upstream's 800 grades and 150 games."""
    for kind in ("single", "pair"):
        file = upstream / "upstream_judgments" / kind / f"gpt-4_{kind}.jsonl"
        records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        copy = lines(tmp_path / f"copy_{kind}.jsonl", [one | {"judge": ["copy", one["judge"][1]]} for one in records])
        told = read_judge_agreement([file, copy], single=kind == "single").describe()
        for two in told["turn_1"] + told["turn_2"] + told["all"]:
            assert two.pop("mean_difference", 0) == 0
            assert {value for value in two.values() if isinstance(value, float)} == {1}


GOOD = {"question_id": 81, "model_a": "a", "model_b": "b", "turn": 1, "winner": "tie", "judge": "expert_1"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (json.dumps([GOOD, {**GOOD, "turn": 3}], indent=1), ("votes.json:10", "'turn'")),
        (json.dumps(GOOD) + "\n" + json.dumps({**GOOD, "winner": "gpt-4"}), ("votes.json:2", "'winner'")),
        (json.dumps(GOOD) + "\n" + json.dumps({**GOOD, "judge": 7}), ("votes.json:2", "'judge")),
        (json.dumps({name: GOOD[name] for name in GOOD if name != "model_a"}), ("votes.json:1", "'model_a'")),
        (json.dumps([GOOD], indent=1)[:-3], ("votes.json:9", "not JSON")),
        ("[7]", ("votes.json:1", "(the whole line)")),
        ("", ("no votes of 'human'",)),
        (json.dumps(GOOD), ("no two votes on the same comparison", "1 of 'human'")),
    ],
    ids=["turn", "winner", "judge", "missing field", "cut off", "no object", "empty", "no overlap"],
)
def test_bad_vote_file_is_told_with_line_and_field(tmp_path: Path, text: str, told: tuple[str, ...]) -> None:
    (tmp_path / "votes.json").write_text(text)
    with pytest.raises(UsageError) as error:
        read_vote_agreement([tmp_path / "votes.json"], ["human", "human"])
    assert [words for words in told if words not in str(error.value)] == []
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--votefiles", VOTES / "human.parquet"], "there are no votes of 'gpt4-pair'; there are: author, human"),
        (["--votefiles", VOTES / "human.parquet", "--judges", "human"], "--judges: with --votefiles name two"),
        (["--votefiles", VOTES / "human.parquet", VOTES / "human.parquet"], "a file is named twice"),
        (["--votefiles", "nowhere.json"], "nowhere.json: no such file"),
        (["--votefiles", "broken.parquet"], "broken.parquet: cannot be read as parquet"),
        (["--votefiles", "latin.json"], "latin.json: cannot be read"),
        (["--votefiles", VOTES / "human.parquet", "--output", "a"], "exclude each other"),
        ([], "no two judgments of the same answers (judges: none)"),
        (["--input-file", "j_single.jsonl"], "no two judgments of the same answers (judges: j)"),
        (["--input-file", "j_single.jsonl", "--judges", "k"], "there are no judgments of 'k'"),
        (["--input-file", "twice_pair.jsonl", "--votefiles"], "requires an argument"),
        (["--votefiles", "twice_pair.jsonl", "--judges", "j-pair", "j-pair"], "votes twice on question 81, turn 1"),
    ],
)
def test_what_cannot_be_compared_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[object], told: str
) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing else")
    (tmp_path / "latin.json").write_bytes(b'[\n"\xe9"]')
    lines(tmp_path / "j_single.jsonl", [grade(81, 1, "m", 5, "j")])
    lines(tmp_path / "twice_pair.jsonl", [game(81, 1, "tie", "tie", "j")] * 2)
    monkeypatch.chdir(tmp_path)
    assert told in agreement(*arguments)


def test_refusal_ends_with_exit_code_2_and_prints_nothing(program: Program) -> None:
    refused = program("agreement", "--votefiles", VOTES / "human.parquet")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
