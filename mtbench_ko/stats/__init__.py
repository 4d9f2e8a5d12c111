"""From judgments to numbers. Knows nothing of files, Ray or models."""

from mtbench_ko.stats.agreement import (
    COMPARISON,
    Agreement,
    PanelAlpha,
    VerdictAgreement,
    agreement,
    panel_alpha,
    verdict_agreement,
)
from mtbench_ko.stats.judges import panel
from mtbench_ko.stats.language import (
    AnswerCheck,
    LanguageSummary,
    TextCheck,
    check_answer,
    check_text,
    komt_penalty,
    summarize,
)
from mtbench_ko.stats.pairs import PairScores, score_pairs
from mtbench_ko.stats.positions import PositionBias, position_bias
from mtbench_ko.stats.references import ReferenceEffect, reference_effect
from mtbench_ko.stats.scores import UNSCORED, ModelScores, compare_models, score_models

__all__ = [
    "COMPARISON",
    "UNSCORED",
    "Agreement",
    "AnswerCheck",
    "LanguageSummary",
    "ModelScores",
    "PairScores",
    "PanelAlpha",
    "PositionBias",
    "ReferenceEffect",
    "TextCheck",
    "VerdictAgreement",
    "agreement",
    "check_answer",
    "check_text",
    "compare_models",
    "komt_penalty",
    "panel",
    "panel_alpha",
    "position_bias",
    "reference_effect",
    "score_models",
    "score_pairs",
    "summarize",
    "verdict_agreement",
]
