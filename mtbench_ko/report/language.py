"""The language of saved answers: what stands beside their scores, and LG's penalty."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from mtbench_ko.bench import Bench, Exemptions
from mtbench_ko.errors import UsageError
from mtbench_ko.stats import AnswerCheck, LanguageSummary, check_answer, check_text, komt_penalty, summarize

CheckedAnswers = Mapping[tuple[str, int, int], AnswerCheck]
"""Model, question id and choice -> what was found."""


def check_answers(
    answers: Iterable[tuple[str, int, int, list[str]]], bench: Bench, exemptions: Exemptions
) -> CheckedAnswers:
    """Look at answers (model, question id, choice, turns) to questions of `bench`; at none if it is not Korean."""
    if not _is_korean(bench):
        return {}
    return {
        (model, question, choice): check_answer(
            turns, [exemptions.get((question, number), frozenset()) for number in range(1, len(turns) + 1)]
        )
        for model, question, choice, turns in answers
        if question in bench.questions
    }


def summarize_models(checked: CheckedAnswers, models: Iterable[str]) -> dict[str, LanguageSummary]:
    """Of those `models` that have answers."""
    by_model: dict[str, list[AnswerCheck]] = defaultdict(list)
    for (model, _, _), check in checked.items():
        by_model[model].append(check)
    return {model: summarize(by_model[model]) for model in models if model in by_model}


def penalize(judgments: pd.DataFrame, checked: CheckedAnswers) -> pd.DataFrame:
    """`judgments` with LG's penalty on the scores of answers that are not in Korean.

    Raises:
        UsageError: an answer is missing.
    """
    penalized = []
    for model, question, choice, turn in zip(*(judgments[name] for name in _SLOT), strict=True):
        found = checked.get((model, question, choice))
        if found is None or turn > len(found.penalized):
            raise UsageError(
                f"--language-penalty: there is no answer of {model} to question {question}, turn {turn}; it needs the "
                f"answer files of all models, and the question set (--bench-name, in Korean)"
            )
        penalized.append(found.penalized[turn - 1])
    scores = judgments["score"].astype(float)
    return judgments.assign(score=scores.mask(np.array(penalized, dtype=bool), scores.map(komt_penalty)))


_SLOT = ("model", "question_id", "choice", "turn")


def _is_korean(bench: Bench) -> bool:
    """Whether most of its questions are in Korean: what is asked in English may be answered so."""
    found = [check_text(turn).korean for question in bench.questions.values() for turn in question.turns]
    return found.count(True) > len(found) / 2
