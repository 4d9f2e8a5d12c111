"""Judgment files as scores: of judgments that may be averaged together, and of no others."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from mtbench_ko.errors import UsageError
from mtbench_ko.records import kind_of
from mtbench_ko.report import rows
from mtbench_ko.report.language import CheckedAnswers, penalize, summarize_models
from mtbench_ko.stats import (
    Agreement,
    LanguageSummary,
    ModelScores,
    PairScores,
    PositionBias,
    ReferenceEffect,
    agreement,
    panel,
    position_bias,
    reference_effect,
    score_models,
    score_pairs,
)


class NothingJudged(UsageError):
    """There are no judgments of what was asked for."""


class BaselineNotJudged(UsageError):
    """There are judgments, but none of the baseline."""


@dataclass(frozen=True)
class Scoreboard:
    """What one judge, or a panel of them, found in one mode, with one prompt set and one source of references.

    Attributes:
        judge: of a panel the names, joined by " + ".
        excluded: the questions that were left out.
        baseline: the model that the others are compared with, if one was chosen.
        language_penalty: "komt" where LG's penalty was applied.
        smallest_difference, constant: of single-answer grading, see `SingleScores`.
        judges: of a panel the scores that each judge gave, alone.
        reported: of each judge that answered as several models, what its API called them.
        agreement: of the judges of a panel, and of repeats.
        position_bias: of pairwise comparison.
        reference_effect: what corrected references changed, where the same answers were judged with upstream's too.
        language: of each model whose answers were looked at.
    """

    mode: str
    bench: str | None
    judge: str
    prompt_set: str | None
    references: str | None
    models: Mapping[str, ModelScores] | Mapping[str, PairScores]
    excluded: Sequence[int] = ()
    baseline: str | None = None
    language_penalty: str | None = None
    smallest_difference: float | None = None
    constant: float | None = None
    judges: Mapping[str, Mapping[str, ModelScores]] = field(default_factory=dict)
    reported: Mapping[str, Sequence[str]] = field(default_factory=dict)
    agreement: Sequence[Agreement] = ()
    position_bias: PositionBias | None = None
    reference_effect: ReferenceEffect | None = None
    language: Mapping[str, LanguageSummary] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """What `show --format json` prints; what does not apply is left out."""
        told: dict[str, Any] = {
            name: getattr(self, name) for name in ("mode", "bench", "judge", "prompt_set", "references")
        }
        told |= {"excluded": list(self.excluded), "models": _described(self.models)}
        for model, summary in self.language.items():
            told["models"][model]["language"] = summary.describe()
        further = {
            "baseline": self.baseline,
            "language_penalty": self.language_penalty,
            "smallest_difference": self.smallest_difference,
            "constant": self.constant,
            "judges": {judge: _described(models) for judge, models in self.judges.items()},
            "reported": self.reported,
            "agreement": [asdict(two) for two in self.agreement],
            "position_bias": self.position_bias and self.position_bias.describe(),
            "reference_effect": self.reference_effect and self.reference_effect.describe(),
        }
        return told | {name: value for name, value in further.items() if value not in (None, {}, [])}


def read_scoreboard(
    paths: Sequence[Path],
    *,
    mode: str = "single",
    baseline: str | None = None,
    bench: str | None = None,
    models: Sequence[str] | None = None,
    prompt_set: str | None = None,
    references: str | None = None,
    judges: Sequence[str] = (),
    failures: Sequence[Path] = (),
    exclude: Collection[int] = (),
    categories: Mapping[int, str] | None = None,
    answers: CheckedAnswers | None = None,
    language_penalty: str | None = None,
) -> Scoreboard:
    """Read judgment files, FastChat's or ours, and the `failures` that belong to them, as one table.

    They may hold judgments made with several prompt sets and sources of references; these are never averaged.
    `prompt_set` and `references` choose; what they leave open is settled by the newest judgment. Several judges of
    single answers are a panel, also one that failed at everything; of comparisons the newest counts. `judges` chooses
    some. Of pairs those of two of the `models` count, or of one of them and the `baseline`.

    Args:
        exclude: questions that do not count.
        categories: those of the questions, by id.
        answers: what is known of the language of the models' answers.
        language_penalty: "komt" takes the root of the scores of answers that are not in Korean.

    Raises:
        NothingJudged: nothing to show.
        BaselineNotJudged: there are single grades, but none of the baseline.
        UsageError: unreadable, not files of that mode, the same answers in two of them, or no answers for the penalty.
    """
    single = mode == "single"
    kind = kind_of(mode)
    baseline = baseline if mode != "pairwise-all" else None
    wanted = {*models, *([baseline] if baseline else [])} if models else None
    lines = [line for line in rows.read_judgments(paths, single) if wanted is None or wanted >= rows.models_of(line)]
    lines = [line for line in lines if line.question_id not in exclude]
    asked = partial(rows.is_asked, judges=judges, prompt_set=prompt_set, references=references)
    failed = [failure for failure in rows.read_failures(failures, bench, kind) if failure.question_id not in exclude]
    failed = [failure for failure in failed if (made := rows.meant_with(failure)) is None or asked(made)]
    fitting = [line for line in lines if asked(rows.made_with(line))]
    named = [*judges, paths[0].stem.rpartition("_")[0]][0]
    made = rows.newest(fitting, failed) or rows.MadeWith(named, prompt_set, references)
    judges = rows.judges_like(made, fitting, failed) if single else [made.judge]
    chosen = [line for line in fitting if rows.made_with(line) in {made._replace(judge=judge) for judge in judges}]
    lost = {
        judge: [
            item
            for item in rows.lost_items(failed, kind, made._replace(judge=judge))
            if (wanted is None or wanted >= item.models) and (single or baseline is None or baseline in item.models)
        ]
        for judge in judges
    }
    if not chosen and not any(lost.values()):
        raise NothingJudged(f"{', '.join(map(str, paths))}: no judgments{' of ' + ', '.join(models) if models else ''}")
    frame = rows.frame(chosen, single, categories)
    lost_frame = rows.lost_frame(chain.from_iterable(lost.values()), categories)
    about = made._replace(judge=" + ".join(judges))
    reported = _changing(chosen)
    if not single:
        scores = score_pairs(frame, lost_frame, baseline)
        shown = frame[frame[["model_1", "model_2"]].isin([baseline or "", *scores]).all(axis=1)]
        bias = position_bias(shown[~shown["rated"].astype(bool)])
        return Scoreboard(
            mode,
            bench,
            *about,
            models=scores,
            excluded=sorted(exclude),
            baseline=baseline,
            reported=reported,
            position_bias=bias,
        )
    if language_penalty:
        frame = penalize(frame, answers or {})
    try:
        found = score_models(*_panel(frame, lost_frame, judges), baseline)
    except KeyError as error:
        raise BaselineNotJudged(f"--baseline-model {baseline}: there are no judgments of it") from error
    alike = [line for line in lines if line.judge[0] in judges and line.prompt_set == made[1]]
    return Scoreboard(
        mode,
        bench,
        *about,
        models=found.models,
        excluded=sorted(exclude),
        baseline=baseline,
        language_penalty=language_penalty,
        smallest_difference=found.smallest_difference,
        constant=found.constant,
        judges={
            judge: score_models(frame[frame["judge"] == judge], rows.lost_frame(lost[judge], categories)).models
            for judge in judges
            if len(judges) > 1
        },
        reported=reported,
        agreement=agreement(frame),
        reference_effect=reference_effect(rows.frame(alike, single)) if len(judges) == 1 else None,
        language=summarize_models(answers or {}, found.models),
    )


def _changing(lines: Sequence[rows.Line]) -> dict[str, list[str]]:
    """The judges that answered as more than one model, such as two snapshots of an alias."""
    names: dict[str, set[str]] = {}
    for line in lines:
        names.setdefault(line.judge[0], set()).update(line.reported)
    return {judge: sorted(found) for judge, found in sorted(names.items()) if len(found) > 1}


def _panel(frame: pd.DataFrame, lost: pd.DataFrame, judges: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The judgments of a panel as those of one judge. What one judge lost and another scored is unscored."""
    if len(judges) < 2:
        return frame, lost
    whole, item = panel(frame, judges), ["model", "question_id", "choice", "turn"]
    lost = lost.drop_duplicates(item)
    known = pd.MultiIndex.from_frame(whole[item])
    return whole, lost[~pd.MultiIndex.from_frame(lost[item]).isin(known)]


def _described(models: Mapping[str, ModelScores] | Mapping[str, PairScores]) -> dict[str, Any]:
    return {model: scores.describe() for model, scores in models.items()}
