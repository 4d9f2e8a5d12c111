"""Votes made by hand, in FastChat's shape. tests/votes has them as the data set lmsys/mt_bench_human_judgments has its
own: parquet that pyarrow wrote, with nested conversations."""

from typing import Any


def vote(question: int, turn: int, model_a: str, model_b: str, winner: str, judge: str | list[str]) -> dict[str, Any]:
    return {"question_id": question, "model_a": model_a, "model_b": model_b, "winner": winner, "judge": judge,
            "turn": turn}  # fmt: skip


_PAIR, _MATH = ["gpt-4", "pair-v2"], ["gpt-4", "pair-math-v1-multi-turn"]
GPT4 = [
    vote(81, 1, "gpt-4", "alpaca-13b", "model_a", _PAIR),
    vote(82, 1, "alpaca-13b", "gpt-4", "tie (inconsistent)", _PAIR),
    vote(81, 2, "alpaca-13b", "gpt-4", "model_a", _MATH),
    vote(84, 2, "alpaca-13b", "gpt-4", "model_a", _MATH),  # nobody else voted on it
]
PEOPLE = [
    vote(81, 1, "alpaca-13b", "gpt-4", "model_b", "expert_1"),  # as GPT-4, in the other order
    vote(81, 1, "gpt-4", "alpaca-13b", "tie", "expert_2"),
    vote(81, 1, "gpt-4", "alpaca-13b", "model_a", "author_0"),  # an author is not "human"
    vote(82, 1, "alpaca-13b", "gpt-4", "tie", "expert_1"),  # as GPT-4: an inconsistent vote is a tie
    vote(82, 1, "alpaca-13b", "gpt-4", "model_a", "expert_3"),
    vote(83, 1, "alpaca-13b", "gpt-4", "model_a", "expert_1"),
    vote(83, 1, "gpt-4", "alpaca-13b", "model_b", "expert_2"),
    vote(81, 2, "alpaca-13b", "gpt-4", "model_a", "expert_1"),  # as GPT-4
    vote(81, 2, "alpaca-13b", "gpt-4", "model_b", "expert_2"),
]
