"""Files of votes and judgments as the agreement of the judges in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from mtbench_ko.errors import UsageError
from mtbench_ko.lines import PairLine
from mtbench_ko.report import rows, votes
from mtbench_ko.stats import (
    UNSCORED,
    Agreement,
    PanelAlpha,
    VerdictAgreement,
    agreement,
    panel_alpha,
    verdict_agreement,
)

FASTCHAT_JUDGES = ("gpt4-pair", "human")


@dataclass(frozen=True)
class AgreementBoard:
    """How far judges agree.

    Attributes:
        mode: "single", "pairwise", or "votes" for files of votes.
        made_with: of each judge whose judgments were read.
        turns: "turn_1", "turn_2" and "all" -> every two judges that share items of them.
        panel: of three or more judges of single answers.
        unscored: judgments or votes without a verdict, which are left out.
    """

    mode: str
    judges: Sequence[str]
    turns: Mapping[str, Sequence[Agreement] | Sequence[VerdictAgreement]]
    made_with: Sequence[rows.MadeWith] = ()
    panel: PanelAlpha | None = None
    unscored: int = 0

    def describe(self) -> dict[str, Any]:
        """What `agreement --format json` prints."""
        told: dict[str, Any] = {"mode": self.mode, "judges": list(self.judges)}
        told["made_with"] = [made._asdict() for made in self.made_with]
        told |= {turn: [two.describe() for two in found] for turn, found in self.turns.items()}
        told |= {"panel": self.panel.describe()} if self.panel else {}
        return told | {"unscored": self.unscored}


def read_vote_agreement(
    paths: Sequence[Path],
    judges: Sequence[str] = (),
    *,
    models: Sequence[str] = (),
    prompt_set: str | None = None,
    references: str | None = None,
) -> AgreementBoard:
    """Two `judges` (of one name: with itself) on the comparisons that both voted on, as FastChat counts them.

    Of `models` alone, if they are named.

    Raises:
        UsageError: as `read_votes`, or nothing that both voted on.
    """
    judges = judges or FASTCHAT_JUDGES
    if len(judges) != 2:
        raise UsageError("--judges: with --votefiles name two, the same twice for a judge or people among themselves")
    one, two = judges
    found, made = votes.read_votes(paths, judges, prompt_set, references)
    found = [vote for vote in found if not models or {vote.model_a, vote.model_b} <= {*models}]
    counted = votes.frame(found)
    turns = {turn: verdict_agreement(part, one, two) for turn, part in _by_turn(counted).items()}
    if not turns["all"][0].total:
        numbers = ", ".join(f"{(counted['judge'] == judge).sum()} of '{judge}'" for judge in dict.fromkeys(judges))
        raise UsageError(
            f"--judges {one} {two}: there are no two votes on the same comparison (question, models, turn); "
            f"votes: {numbers}"
        )
    return AgreementBoard("votes", judges, turns, made, unscored=len(found) - len(counted))


def read_judge_agreement(
    paths: Sequence[Path],
    single: bool,
    judges: Sequence[str] = (),
    *,
    models: Sequence[str] = (),
    prompt_set: str | None = None,
    references: str | None = None,
) -> AgreementBoard:
    """Every two of the `judges`, or of all in the judgment files `paths`, and each with itself where it has repeats.

    Of each judge those judgments count that were made with `prompt_set` and `references`, or else the newest; of
    `models` alone, if they are named.

    Raises:
        UsageError: a malformed file, a judge without judgments, or nothing that two judges judged.
    """
    lines = rows.newest_of_each(rows.read_judgments(paths, single), prompt_set, references)
    lines = [line for line in lines if not judges or line.judge[0] in judges]
    lines = [line for line in lines if not models or rows.models_of(line) <= {*models}]
    made = sorted({rows.made_with(line) for line in lines}, key=str)
    known = [each.judge for each in made]
    for judge in judges:
        if judge not in known:
            raise UsageError(f"--judges: there are no judgments of '{judge}' in {', '.join(map(str, paths))}")
    turns: Mapping[str, Sequence[Agreement] | Sequence[VerdictAgreement]]
    if single:
        counted = rows.frame(lines, single)
        unscored = int((counted["score"] == UNSCORED).sum())
        turns = {turn: agreement(part) for turn, part in _by_turn(counted).items()}
    else:
        ballots = list(votes.of_pairs(line for line in lines if isinstance(line, PairLine)))
        counted = votes.frame(ballots)
        unscored = len(ballots) - len(counted)
        turns = {turn: _every_two(part, known) for turn, part in _by_turn(counted).items()}
    if not turns["all"]:
        raise UsageError(
            f"{', '.join(map(str, paths))}: no two judgments of the same answers "
            f"(judges: {', '.join(known) or 'none'}); judge them with another --judge-model too"
        )
    panel = panel_alpha(counted) if single else None
    return AgreementBoard("single" if single else "pairwise", known, turns, made, panel, unscored)


def _every_two(ballots: pd.DataFrame, judges: Sequence[str]) -> list[VerdictAgreement]:
    pairs = [*combinations(judges, 2), *((judge, judge) for judge in judges)]
    found = [verdict_agreement(ballots, one, two) for one, two in pairs]
    return [two for both in found if both[0].total for two in both]


def _by_turn(judged: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {"turn_1": judged[judged["turn"] == 1], "turn_2": judged[judged["turn"] == 2], "all": judged}
