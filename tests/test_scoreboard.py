"""What was asked for is what is shown, also where a judge has failed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import Program
from report_outputs import BENCH, JUDGE, MODEL, QUESTIONS, lost_grades, write_failure, write_grades
from report_outputs import write_lines as write

from mtbench_ko.errors import UsageError
from mtbench_ko.report import Scoreboard, read_scoreboard
from mtbench_ko.stats import ModelScores
from mtbench_ko.store import failures_path, judgment_path

OTHER = "judge-2"
TURNS = 2 * len(QUESTIONS)


def board(output: Path, *files: str, **chosen: Any) -> Scoreboard:
    paths = [judgment_path(output, BENCH, judge, "judgment") for judge in files]
    return read_scoreboard(paths, bench=BENCH, failures=[failures_path(output)], **chosen)


def counts(models: Mapping[str, Any]) -> Mapping[str, int]:
    scores = models[MODEL]
    assert isinstance(scores, ModelScores)
    return scores.counts


def test_failures_of_another_judge_or_prompts_are_not_shown_for_what_was_asked(tmp_path: Path) -> None:
    write(failures_path(tmp_path), lost_grades(MODEL, OTHER))
    with pytest.raises(UsageError, match="no judgments"):
        board(tmp_path, JUDGE, judges=[JUDGE])
    with pytest.raises(UsageError, match="no judgments"):
        board(tmp_path, OTHER, judges=[OTHER], prompt_set="other@1")
    with pytest.raises(UsageError, match="no judgments"):
        board(tmp_path, OTHER, judges=[OTHER], references="corrected")
    asked = board(tmp_path, OTHER, judges=[OTHER], prompt_set="ko@1", references="upstream")
    assert (asked.judge, counts(asked.models)["failed"]) == (OTHER, TURNS)


def test_show_of_a_judge_without_results_shows_no_other(program: Program, tmp_path: Path) -> None:
    write(failures_path(tmp_path / "outputs"), lost_grades(MODEL, OTHER))
    shown = program("show", "--bench-name", BENCH, "--judge-model", JUDGE)
    assert (shown.returncode, "no judgments" in shown.stderr) == (2, True), shown.stdout
    assert OTHER in program("show", "--bench-name", BENCH, "--judge-model", OTHER).stdout


def test_answer_that_failed_counts_for_whatever_judge_was_asked(tmp_path: Path) -> None:
    write_grades(tmp_path, {MODEL: 9})
    write_failure(tmp_path, MODEL, 3)
    shown = board(tmp_path, JUDGE, judges=[JUDGE], prompt_set="ko@1")
    assert counts(shown.models)["failed"] == 1


def test_judge_that_failed_at_everything_is_one_of_the_panel(tmp_path: Path) -> None:
    """A mean of the others alone would be another panel's."""
    write_grades(tmp_path, {MODEL: 9})
    write(failures_path(tmp_path), [*lost_grades(MODEL, OTHER), *lost_grades(MODEL, "older", prompts="old@1")])
    both = board(tmp_path, JUDGE, OTHER)
    assert both.judge == f"{OTHER} + {JUDGE}"
    assert counts(both.models) == {"scored": 0, "unscored": TURNS, "failed": 0}
    assert counts(both.judges[OTHER]) == {"scored": 0, "unscored": 0, "failed": TURNS}
    assert counts(both.judges[JUDGE])["failed"] == 0
    assert board(tmp_path, JUDGE, judges=[JUDGE]).judge == JUDGE


def test_judges_that_failed_at_everything_are_a_panel_of_failures(tmp_path: Path) -> None:
    write(failures_path(tmp_path), [*lost_grades(MODEL, OTHER), *lost_grades(MODEL, JUDGE)])
    both = board(tmp_path, JUDGE, OTHER)
    assert (both.judge, counts(both.models)) == (f"{OTHER} + {JUDGE}", {"scored": 0, "unscored": 0, "failed": TURNS})


def test_every_choice_that_a_panel_lost_is_counted(tmp_path: Path) -> None:
    write_grades(tmp_path, {MODEL: 9})
    lost = [*lost_grades(MODEL, JUDGE, choice=1), *lost_grades(MODEL, JUDGE, choice=2)]
    write(failures_path(tmp_path), [*lost, *lost_grades(MODEL, OTHER), *lost_grades(MODEL, OTHER, choice=1)])
    both = board(tmp_path, JUDGE, OTHER)
    assert counts(both.models) == {"scored": 0, "unscored": TURNS, "failed": 2 * TURNS}
    assert counts(both.judges[OTHER])["failed"] == 2 * TURNS
