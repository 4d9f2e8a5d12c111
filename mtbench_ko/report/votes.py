"""Votes on pairs of answers, of people and of judges, as rows to count."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from mtbench_ko.errors import UsageError
from mtbench_ko.lines import JudgmentLine, PairLine, winner
from mtbench_ko.report.rows import MadeWith, made_with, newest_of_each
from mtbench_ko.report.vote_files import Vote, read_vote_file
from mtbench_ko.stats import COMPARISON, UNSCORED

PEOPLE = {"expert": "human", "author": "author"}
"""How the names of people begin -> what they are called together, as in FastChat."""
_WORTH = {"model_a": 1, "model_1": 1, "model_b": -1, "model_2": -1}


class Ballot(NamedTuple):
    """A vote: 1 for model_a, which stands before model_b in the alphabet, -1 for model_b, 0 for a tie.

    Attributes:
        judge: whose it is when agreement is counted: people together.
        name: the single person or model.
        vote: None without a verdict.
    """

    judge: str
    name: str
    question_id: int
    model_a: str
    model_b: str
    choice: int
    turn: int
    repeat: int
    vote: int | None
    where: str = ""


def read_votes(
    paths: Sequence[Path], judges: Sequence[str], prompt_set: str | None = None, references: str | None = None
) -> tuple[list[Ballot], list[MadeWith]]:
    """The votes of `judges` in vote files and judgment files, and what these judgments were made with.

    Judges are called as in FastChat: "human" (all votes of expert_…), "author", "gpt4-pair", and so other judges
    <model>-pair and <model>-single: the grades of two models are a vote for the higher one. A person or a model can be
    named too; a person named beside "human" is then none of these.

    Of judgments those count that were made with `prompt_set` and `references`, or else the newest of each judge.

    Raises:
        UsageError: a malformed file, a judge without votes, or two votes of one judge on the same.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("--votefiles: a file is named twice, and its votes would count twice")
    ballots: list[Ballot] = []
    pairs: list[PairLine] = []
    grades: list[JudgmentLine] = []
    for path in paths:
        for where, line in read_vote_file(path):
            if isinstance(line, Vote):
                ballots.append(_of_vote(line, where))
            elif isinstance(line, PairLine):
                pairs.append(line)
            else:
                grades.append(line)
    pairs = newest_of_each(pairs, prompt_set, references)
    grades = newest_of_each(grades, prompt_set, references)
    ballots += [*of_pairs(pairs, "-pair"), *_of_grades(grades)]
    found = _chosen(ballots, judges)
    names = {ballot.name for ballot in found}
    made = {made_with(line) for line in pairs} | {made_with(line) for line in grades}
    return found, sorted((each for each in made if each.judge in names), key=str)


def of_pairs(lines: Iterable[PairLine], suffix: str = "") -> Iterator[Ballot]:
    """What both games of each pair say together: a tie where they disagree, as in FastChat."""
    for line in lines:
        games = {line.g1_winner, line.g2_winner}
        verdict = "error" if "error" in games else line.g1_winner if len(games) == 1 else "tie"
        judge = _called(line.judge[0], suffix)
        item = (line.question_id, line.model_1, line.model_2, line.choice, line.turn, line.repeat)
        yield _ballot(judge, line.judge[0], *item, verdict)


def frame(ballots: Iterable[Ballot]) -> pd.DataFrame:
    """Those with a verdict: columns judge, those of `COMPARISON`, vote."""
    counted = [ballot for ballot in ballots if ballot.vote is not None]
    return pd.DataFrame(counted, columns=Ballot._fields)[["judge", *COMPARISON, "vote"]].astype({"vote": int})


def _of_vote(vote: Vote, where: str) -> Ballot:
    name, prompt = (vote.judge, "") if isinstance(vote.judge, str) else vote.judge
    kind = next((f"-{kind}" for kind in ("pair", "single") if prompt.startswith(kind)), "")
    judge = next((called for start, called in PEOPLE.items() if name.startswith(start)), _called(name, kind))
    item = (vote.question_id, vote.model_a, vote.model_b, 0, vote.turn, 0)
    return _ballot(judge, name, *item, "tie" if "tie" in vote.winner else vote.winner, where)


def _of_grades(lines: Iterable[JudgmentLine]) -> Iterator[Ballot]:
    """A vote on every two models that a judge graded: a tie within FastChat's 0.1."""
    items: dict[tuple[str, int, int, int, int], dict[str, float]] = defaultdict(dict)
    for line in lines:
        items[line.judge[0], line.question_id, line.choice, line.turn, line.repeat][line.model] = line.score
    for (name, question, choice, turn, repeat), scores in items.items():
        for (one, score_1), (two, score_2) in combinations(scores.items(), 2):
            verdict = "error" if UNSCORED in (score_1, score_2) else winner(score_1, score_2)
            yield _ballot(_called(name, "-single"), name, question, one, two, choice, turn, repeat, verdict)


def _ballot(
    judge: str, name: str, question: int, one: str, two: str, choice: int, turn: int, repeat: int, verdict: str,
    where: str = "",
) -> Ballot:  # fmt: skip
    vote = None if verdict == "error" else _WORTH.get(verdict, 0)
    if one > two:
        one, two, vote = two, one, vote and -vote
    return Ballot(judge, name, question, one, two, choice, turn, repeat, vote, where)


def _called(name: str, suffix: str) -> str:
    """FastChat says gpt4-pair, its data set gpt4_pair."""
    if suffix:
        return ("gpt4" if name == "gpt-4" else name) + suffix
    return "gpt4-pair" if name == "gpt4_pair" else name


def _chosen(ballots: Sequence[Ballot], judges: Sequence[str]) -> list[Ballot]:
    """Those of `judges`, each by the name that was asked for."""
    together = {ballot.judge for ballot in ballots}
    alone = {ballot.name for ballot in ballots} - together
    called = [
        ballot._replace(judge=ballot.name)
        if ballot.name in alone and ballot.name in judges and (_is_person(ballot) or ballot.judge not in judges)
        else ballot
        for ballot in ballots
    ]
    for judge in judges:
        if judge not in {ballot.judge for ballot in called}:
            raise UsageError(f"--judges: there are no votes of '{judge}'; there are: {', '.join(sorted(together))}")
    found = [ballot for ballot in called if ballot.judge in judges]
    seen: dict[tuple[object, ...], Ballot] = {}
    for ballot in found:
        if _is_person(ballot):
            continue
        first = seen.setdefault((ballot.judge, *ballot[2:8]), ballot)
        if first is not ballot:
            raise UsageError(
                f"{ballot.where or 'the judgments'}: '{ballot.judge}' votes twice on question {ballot.question_id}, "
                f"turn {ballot.turn}, {ballot.model_a} against {ballot.model_b} (first {first.where or 'in judgments'})"
            )
    return found


def _is_person(ballot: Ballot) -> bool:
    return ballot.name.startswith(tuple(PEOPLE))
