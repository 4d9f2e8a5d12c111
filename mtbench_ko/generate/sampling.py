"""MT-Bench's temperatures (FastChat, llm_judge/common.py: temperature_config), and the seed of each conversation."""

from mtbench_ko.hashing import sha256_text
from mtbench_ko.lines import Question

CATEGORY_TEMPERATURE = {
    "writing": 0.7,
    "roleplay": 0.7,
    "extraction": 0.0,
    "math": 0.0,
    "coding": 0.0,
    "reasoning": 0.0,
    "stem": 0.1,
    "humanities": 0.1,
}
OTHER_TEMPERATURE = 0.7


def temperature(question: Question, forced: float | None = None) -> float:
    """`forced`, else the question's own `required_temperature`, else its category's, else 0.7."""
    if forced is not None:
        return forced
    if question.required_temperature is not None:
        return question.required_temperature
    return CATEGORY_TEMPERATURE.get(question.category, OTHER_TEMPERATURE)


def seed(question: Question, choice: int) -> int:
    """The sampling seed of a conversation: the same on every machine, for every model and in any order; 31 bits."""
    return int(sha256_text(f"{question.question_id}:{choice}")[:8], 16) >> 1
