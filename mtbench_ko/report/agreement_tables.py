"""The agreement of judges as text in the formats of `agreement`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mtbench_ko.errors import UsageError
from mtbench_ko.report.agreement import AgreementBoard
from mtbench_ko.report.sheets import Say, Sheet, agreement_sheet, judges_of, made_with, say_in, with_interval
from mtbench_ko.report.tables import csv_text, ends, for_people, json_text
from mtbench_ko.report.words import PANEL, UNSCORED, Language
from mtbench_ko.stats import Agreement, VerdictAgreement

_TURNS = {"turn_1": "turn 1", "turn_2": "turn 2", "all": "both turns"}
_OF_VERDICTS = ("ratio", "kappa", "alpha")


def render_agreement(board: AgreementBoard, format: str, language: Language = "en") -> str:
    """`board` as "table", "csv", "json", "markdown" or "fastchat" (what FastChat's compute_agreement prints).

    Raises:
        UsageError: "fastchat" of scores, which FastChat does not compare.
    """
    if format == "json":
        return json_text(board.describe())
    if format == "csv":
        return csv_text([_flat(turn, two) for turn, found in board.turns.items() for two in found])
    if format == "fastchat":
        return "".join(_as_fastchat(board))
    return for_people(_sheets(board, partial(say_in, language)), format)


def _sheets(board: AgreementBoard, say: Say) -> list[Sheet]:
    sheets = [_sheet(f"{say('agreement')}: {say(_TURNS[turn])}", found, say) for turn, found in board.turns.items()]
    shown = [sheet for sheet in sheets if sheet.rows]
    return [*shown[:-1], replace(shown[-1], remarks=_remarks(board, say))]


def _sheet(title: str, found: Sequence[Agreement] | Sequence[VerdictAgreement], say: Say) -> Sheet:
    scores = [two for two in found if isinstance(two, Agreement)]
    if scores:
        return agreement_sheet(title, scores, say, intervals=True)
    rows = [
        [
            f"{judges_of(two, say)}, {say('with ties (S1)' if two.ties else 'without ties (S2)')}",
            str(two.total),
            str(two.agree),
            *(with_interval(getattr(two, name), two.ci[name]) for name in _OF_VERDICTS),
        ]
        for two in found
        if isinstance(two, VerdictAgreement)
    ]
    return Sheet(title, ["", say("pairs of votes"), say("agree"), *map(say, _OF_VERDICTS)], rows)


def _remarks(board: AgreementBoard, say: Say) -> list[str]:
    told = []
    if board.panel:
        alpha = with_interval(board.panel.alpha, board.panel.ci)
        told.append(say(PANEL, len(board.panel.judges), alpha, board.panel.items))
    told += [", ".join(made_with(made, say)) for made in board.made_with]
    return told + ([say(UNSCORED, board.unscored)] if board.unscored else [])


def _flat(turn: str, two: Agreement | VerdictAgreement) -> dict[str, Any]:
    """A row of CSV."""
    told = two.describe()
    row: dict[str, Any] = {"turn": turn, "judge_1": two.judges[0], "judge_2": two.judges[1]}
    row |= {name: value for name, value in told.items() if name not in ("judges", "ci")}
    for name, ci in two.ci.items():
        row |= ends(f"{name}_ci", ci)
    return row


def _as_fastchat(board: AgreementBoard) -> Iterator[str]:
    for turn in ("turn_1", "turn_2"):
        for two in board.turns[turn]:
            if isinstance(two, Agreement):
                raise UsageError("--format fastchat is for votes and comparisons; FastChat does not compare scores")
            ratio = "-" if two.ratio is None else f"{two.ratio:.2f}"
            told = f"{_TURNS[turn]} {'with' if two.ties else 'without'} tie"
            yield f"{told}. #total: {two.total}, #agree: {two.agree}, ratio: {ratio}\n"
