"""The report's files: made of whatever outputs hold, and nothing false in them."""

import base64
import csv
import gzip
import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
from conftest import Program
from report_outputs import (
    BENCH,
    CATEGORIES,
    JUDGE,
    MODEL,
    OTHER,
    QUESTIONS,
    write_answers,
    write_bench,
    write_failure,
    write_games,
    write_grades,
)

from mtbench_ko.bench import DataCache
from mtbench_ko.errors import UsageError
from mtbench_ko.report import Report, gather, open_questions, write_report
from mtbench_ko.report.charts import Series, write_charts
from mtbench_ko.report.markup import render
from mtbench_ko.report.words import words


def packed(page: Path) -> dict[str, Any]:
    """The data inside of a page."""
    found = re.search(r'<script type="text/plain" id="data">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert found is not None
    data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return data


def report_of(bench: Path, *outputs: Path, **chosen: Any) -> Report:
    names = {output.name: output for output in outputs}
    return gather(names, open_questions(str(bench), DataCache()), **chosen)


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    return write_bench(tmp_path)


def test_one_model_and_two_outputs_make_one_page(program: Program, bench: Path, tmp_path: Path) -> None:
    """Korean names and slashes in them; the second output is FastChat's: no journal, no manifest, no field of ours."""
    one, two = tmp_path / "one", tmp_path / "two"
    write_answers(one, MODEL)
    write_grades(one, {MODEL: 9})
    stay = {"name": MODEL, "gpus": [{"node-7": 8}], "loading": 0.5, "left": 99.9}
    manifest = {
        "runs": [{"started": 0, "packages": {"vllm": "9.9"}, "cost": {"usd": 1.25}, "schedule": [stay]}],
        "judges": {JUDGE: {"reported": ["judge-1-0613"]}},
    }
    (one / BENCH / "manifest.json").write_text(json.dumps(manifest))
    alone = program("report", "--bench-name", bench, "--output", one)
    page = tmp_path / alone.stdout.strip()
    assert page == one / BENCH / "report" / "index.html", alone.stderr
    assert {path.name for path in page.parent.iterdir()} == {
        "index.html", "radar.png", "radar.svg", "bars.png", "bars.svg", "scores.csv",
    }  # fmt: skip
    assert packed(page)["models"] == [MODEL]
    for fact in ("judge-1-0613", "vllm 9.9", JUDGE, "node-7: 8", "99.9", "usd: 1.25"):
        assert fact in page.read_text(encoding="utf-8")

    write_answers(two, OTHER)
    write_grades(two, {OTHER: 7})
    both = program("report", "--bench-name", bench, "--output", one, "--output", two, "--report-folder", "both")
    assert both.stdout == "both/index.html\n", both.stderr
    assert packed(tmp_path / "both" / "index.html")["models"] == [MODEL, OTHER]
    again = program("report", "--bench-name", bench, "--output", one, "--output", one / ".." / "one")
    assert again.returncode == 2
    assert MODEL in again.stderr


def test_scores_csv_is_what_the_tables_say(bench: Path, tmp_path: Path) -> None:
    """utf-8-sig, as Excel wants Korean; a name that Excel would run is quoted."""
    output, formula = tmp_path / "outputs", "=1+1"
    for model in (MODEL, formula):
        write_answers(output, model)
    write_grades(output, {MODEL: 9, formula: 7})
    report = report_of(bench, output)
    page = write_report(report, tmp_path / "report")
    raw = (page.parent / "scores.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(raw.decode("utf-8-sig").splitlines()))
    assert [row["model"] for row in rows if row["category"] == "all"] == [MODEL, f"'{formula}"]
    assert {row["category"] for row in rows} == {"all", *CATEGORIES}
    assert report.single is not None
    scores = report.single.models[MODEL]
    assert float(rows[0]["average"]) == scores.average  # type: ignore[union-attr]
    assert (rows[0]["scored"], rows[0]["unscored"], rows[0]["failed"]) == ("14", "2", "0")
    assert f"{scores.average:.2f}" in page.read_text(encoding="utf-8")  # type: ignore[union-attr]


def test_pairwise_alone_answers_alone_and_failures_alone_are_shown(bench: Path, tmp_path: Path) -> None:
    games, answers, failures = tmp_path / "games", tmp_path / "answers", tmp_path / "failures"
    for output in (games, answers):
        write_answers(output, MODEL)
        write_answers(output, OTHER)
    write_games(games, [(MODEL, OTHER)])
    write_answers(failures, MODEL)
    write_grades(failures, {MODEL: 10}, score=-1)
    write_failure(failures, OTHER, 4)

    only_games = report_of(bench, games)
    assert (only_games.single, only_games.models) == (None, [MODEL, OTHER])
    page = write_report(only_games, games)
    assert [game["split"] for game in packed(page)["games"]].count(True) == 2
    assert {path.name for path in games.iterdir() if path.is_file()} == {"index.html", "scores_pairwise.csv"}
    assert 'id="leaderboard"' not in page.read_text(encoding="utf-8")

    assert packed(write_report(report_of(bench, answers), answers))["answers"]

    page = write_report(report_of(bench, failures), failures)
    lost = next(answer for answer in packed(page)["answers"] if packed(page)["models"][answer["m"]] == OTHER)
    assert lost["turns"][1]["failures"] == ["context_overflow: 9,000 tokens"]
    assert packed(page)["radar"] == {}

    with pytest.raises(UsageError, match="no answers"):
        report_of(bench, tmp_path / "nothing")


def test_several_judges_are_a_panel_and_one_can_be_chosen(bench: Path, tmp_path: Path) -> None:
    write_answers(tmp_path, MODEL)
    write_grades(tmp_path, {MODEL: 9})
    mine = tmp_path / BENCH / "model_judgment" / f"{JUDGE.replace('/', '__')}_single.jsonl"
    (mine.parent / "second_single.jsonl").write_text(mine.read_text().replace(json.dumps(JUDGE), '"second"'))
    both = report_of(bench, tmp_path)
    page = write_report(both, tmp_path)
    judged = packed(page)["answers"][0]["turns"][0]["judged"]
    assert {row["judge"] for row in judged} == {JUDGE, "second"}
    assert "심사 모델별 평균" in page.read_text(encoding="utf-8")
    alone = report_of(bench, tmp_path, judges=["second"])
    assert alone.single is not None
    assert (alone.single.judge, {line.judge[0] for line in alone.evidence.judgments}) == ("second", {"second"})


def test_every_judge_that_compared_pairs_has_a_table_that_names_it(bench: Path, tmp_path: Path) -> None:
    for model in (MODEL, OTHER):
        write_answers(tmp_path, model)
    write_games(tmp_path, [(MODEL, OTHER)])
    write_games(tmp_path, [(OTHER, MODEL)], judge="second")
    both = report_of(bench, tmp_path)
    assert [board.judge for board in both.pairs] == ["second", JUDGE]
    assert [next(iter(board.models)) for board in both.pairs] == [OTHER, MODEL]
    page = write_report(both, tmp_path / "report")
    assert {game["judge"] for game in packed(page)["games"]} == {JUDGE, "second"}
    section = page.read_text(encoding="utf-8").split('<section id="pairwise"')[1].split("</section>")[0]
    assert (section.count("<table"), section.count("second"), section.count(JUDGE)) == (2, 1, 1)
    assert "ko@1" in section
    assert f"제시 순서의 영향 · {JUDGE}" in page.read_text(encoding="utf-8")
    rows = list(csv.DictReader((page.parent / "scores_pairwise.csv").read_text("utf-8-sig").splitlines()))
    assert {(row["judge"], row["model"]) for row in rows} == {(j, m) for j in (JUDGE, "second") for m in (MODEL, OTHER)}
    (alone,) = report_of(bench, tmp_path, judges=["second"]).pairs
    assert alone.judge == "second"


def test_baseline_of_pairs_needs_no_single_grades(bench: Path, tmp_path: Path) -> None:
    for model in (MODEL, OTHER):
        write_answers(tmp_path, model)
    write_grades(tmp_path, {MODEL: 9})
    with pytest.raises(UsageError, match=f"--baseline-model {OTHER}"):
        report_of(bench, tmp_path, baseline=OTHER)
    write_games(tmp_path, [(MODEL, OTHER)])
    report = report_of(bench, tmp_path, baseline=OTHER)
    assert report.single is not None
    assert (report.single.baseline, [board.baseline for board in report.pairs]) == (None, [OTHER])
    assert list(report.single.models) == [MODEL]


def test_reference_is_marked_where_the_judge_saw_another(bench: Path, tmp_path: Path) -> None:
    write_answers(tmp_path, MODEL)
    write_grades(tmp_path, {MODEL: 9})
    same = packed(write_report(report_of(bench, tmp_path), tmp_path / "same"))
    assert {q["id"]: q["differs"] for q in same["questions"]} == dict.fromkeys(QUESTIONS, False)
    references = bench / "reference_answer" / "gpt-4.jsonl"
    references.write_text(references.read_text().replace("2-2", "2-2!"))
    changed = packed(write_report(report_of(bench, tmp_path), tmp_path / "changed"))
    assert [q["id"] for q in changed["questions"] if q["differs"]] == [2]


def test_thinking_of_many_models_is_cut_and_says_so(
    bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtbench_ko.report.evidence._THINKING", 160)
    write_answers(tmp_path, MODEL, thinking="가" * 1000)
    turn = report_of(bench, tmp_path).evidence.describe([MODEL])["answers"][0]["turns"][0]
    assert (turn["thinking"], turn["thinking_length"], turn["cut"]) == ("가" * 10, 1000, True)


def test_language_of_answers_is_flagged_where_the_question_is_korean(bench: Path, tmp_path: Path) -> None:
    english = "I am sorry, but I can only answer this question in English, as it was not clear to me at all."
    write_answers(tmp_path, MODEL, turns=[english, "네, 알겠습니다. 한국어로 답하겠습니다."])
    answers = report_of(bench, tmp_path).evidence.describe([MODEL])["answers"]
    assert [turn["flags"] for turn in answers[0]["turns"]] == [["not_korean"], []]


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (r"값은 \(x_1 \* 2\)이고 $a*b*c$입니다.", [r"\(x_1 \* 2\)", "$a*b*c$"]),
        ("\\[\na\n+ b\n\\]", ["\\[\na\n+ b\n\\]"]),
        (r"$$x \\ y$$ \begin{align} a &= b \end{align}", [r"$$x \\ y$$", r"\begin{align} a &amp;= b \end{align}"]),
        ("값은 $100에서 $80으로 **내렸다**.", ["$100에서 $80으로 <strong>내렸다</strong>"]),
        ("`\\(x\\)`와\n```python\ny = '$a$'\n```", ["<code>\\(x\\)</code>", "'$a$'"]),
        ("# 제목\n둘째 줄\n셋째 줄", ["<h4>제목</h4>", "둘째 줄<br>\n셋째 줄"]),
        ("| 항 | 값 |\n|---|---|\n| 1 | 2 |", ["<th>항</th>", "<td>1</td>"]),
    ],
    ids=["inline", "display", "environments", "prices", "code", "lines", "table"],
)
def test_markdown_is_rendered_and_math_left_as_it_was_typed(typed: str, shown: list[str]) -> None:
    for part in shown:
        assert part in render(typed)


@pytest.mark.parametrize("place", ["\ue0000\ue001", "&#57344;0&#57345;"])
def test_answer_cannot_name_the_place_of_a_formula(place: str) -> None:
    html = render(f"$a$ {place}")
    assert html.count('<span class="math">') == 1
    assert "\ue0000\ue001" in html


def test_charts_have_a_glyph_for_every_letter(tmp_path: Path) -> None:
    """matplotlib warns of each that is missing. Names that its mini-languages would read are shown as they are."""
    names = ["한국어-모델/7B", "$\\frac{x", "_hidden", "日本語・漢字", "very-long-name/" * 9, "\x00줄\n바꿈"]
    known = ("writing", "roleplay", "reasoning", "math", "coding", "extraction", "stem", "humanities")
    categories = [words(name, "ko") for name in known]
    assert "글쓰기" in categories
    series = [Series(name, [5.0, None, *[7.5] * 6], [(4.0, 6.0), None, *[None] * 6]) for name in [*names, "seventh"]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_charts(tmp_path, "MT-Bench · 심판", categories, series)
        write_charts(tmp_path, "한 분야", categories[:1], [Series("한 모델", [None], [None])])
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".svg"}
    assert "<text" not in (tmp_path / "radar.svg").read_text()  # outlines: no font is asked of the reader
