"""Outputs made by hand for the report: a question set of our own and what models and judges said, hostile or not."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtbench_ko.hashing import sha256_json
from mtbench_ko.store import answer_path, failures_path, judgment_path

BENCH = "한국어_bench"
JUDGE = "심판/judge-1"
CATEGORIES = ("writing", "math", "coding", "우리 분야")
QUESTIONS = {number: CATEGORIES[number % 4] for number in range(1, 9)}
MODEL, OTHER = "한국어/모델-7B", "other"

DO = "window.hacked=1"
HOSTILE = (
    f"<script>{DO}</script> <img src=x onerror={DO}> <svg onload={DO}> </script><script>{DO}</script> "
    f'<a href="javascript:{DO}">x</a> [눌러](javascript:{DO}) [y](JaVaScRiPt:{DO}) <javascript:{DO}> '
    f'![i](http://127.0.0.1:9/i.png) <iframe src="javascript:{DO}"></iframe> <b onclick={DO} " \' ` </div></section> '
    f"<style>*{{display:none}}</style> <!-- --> ]]> \u2028\u2029 \ufffe {{{{7*7}}}} ${{{DO}}} "
    f"$<img src=x onerror={DO}>$ \\(</span><script>{DO}</script>\\)\n\n"
    f'```"><script>{DO}</script>\n</code></pre><script>{DO}</script>\n```\n\n'
    f"<details open ontoggle={DO}> <form action=javascript:{DO}><button autofocus onfocus={DO}> \ud83d lone"
)


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def write_bench(folder: Path, hostile: bool = False) -> Path:
    """A question set in FastChat's layout with references for math and coding; returns its folder."""
    bench = folder / BENCH
    more = f" {HOSTILE}" if hostile else ""
    write_lines(
        bench / "question.jsonl",
        (
            {
                "question_id": n,
                "category": category,
                "turns": [f"질문 {n}, 첫째 차례입니다.{more}", f"질문 {n}, 둘째 차례입니다."],
            }
            for n, category in QUESTIONS.items()
        ),
    )
    write_lines(
        bench / "reference_answer" / "gpt-4.jsonl",
        (
            {
                "question_id": n,
                "answer_id": "r",
                "model_id": "gpt-4",
                "tstamp": 0,
                "choices": [{"index": 0, "turns": reference(n)}],
            }
            for n, category in QUESTIONS.items()
            if category in ("math", "coding")
        ),
    )
    return bench


def reference(number: int) -> list[str]:
    return [f"참고 답안 {number}-1", f"참고 답안 {number}-2"]


def shown(number: int, turn: int) -> dict[str, Any]:
    """What a judgment records of the references that the judge was shown."""
    guided = QUESTIONS[number] in ("math", "coding")
    return {"source": "upstream", "sha256": sha256_json(reference(number)[:turn]) if guided else None}


def write_answers(output: Path, model: str, text: str = "답변입니다.", thinking: str = "", **choice: Any) -> None:
    """Both turns of every question; `text` stands in each, after the question's number."""
    write_lines(
        answer_path(output, BENCH, model),
        (
            {
                "question_id": n,
                "answer_id": "a",
                "model_id": model,
                "tstamp": 0,
                "choices": [
                    {
                        "index": 0,
                        "turns": [f"{model}의 {n}-{turn}번 {text}" for turn in (1, 2)],
                        "finish_reason": ["length" if n == 3 else "stop", "stop"],
                        "usage": [{"completion_tokens": 1234}] * 2,
                        "reasoning": [thinking or None] * 2,
                        **choice,
                    }
                ],
            }
            for n in QUESTIONS
        ),
    )


def write_grades(output: Path, scores: Mapping[str, int], text: str = "채점 글입니다.", **changes: Any) -> None:
    """Both turns of every question; question 1 gets each model's score, each next one 1 less; question 5 no verdict."""
    write_lines(
        judgment_path(output, BENCH, JUDGE, "judgment"),
        (
            {
                "question_id": n,
                "model": model,
                "judge": [JUDGE, "single"],
                "user_prompt": "",
                "judgment": json.dumps({"explanation": f"{n}-{turn}: {text}", "rating": score}),
                "score": -1 if n == 5 else max(1, score + 1 - n),
                "turn": turn,
                "tstamp": 1,
                "prompt_set": "ko@1",
                "references": shown(n, turn),
            }
            | ({"reason": "no_verdict"} if n == 5 else {})
            | changes
            for model, score in scores.items()
            for n in QUESTIONS
            for turn in (1, 2)
        ),
    )


def write_games(
    output: Path, pairs: Sequence[tuple[str, str]], text: str = "견준 글입니다.", judge: str = JUDGE
) -> None:
    """Of every question; the first model wins, but for question 2, where the order decides."""
    write_lines(
        judgment_path(output, BENCH, judge, "game"),
        (
            {
                "question_id": n,
                "model_1": one,
                "model_2": two,
                "g1_winner": "model_1",
                "g2_winner": "model_2" if n == 2 else "model_1",
                "judge": [judge, "pair"],
                "g1_judgment": f"첫 판 {text}",
                "g2_judgment": f"둘째 판 {text}",
                "turn": turn,
                "tstamp": 1,
                "prompt_set": "ko@1",
                "references": shown(n, turn),
            }
            for one, two in pairs
            for n in QUESTIONS
            for turn in (1, 2)
        ),
    )


def lost_grades(model: str, judge: str, choice: int = 0, prompts: str = "ko@1") -> Iterator[dict[str, Any]]:
    """Failures of a judge: no grade of any answer of `model`."""
    for n in QUESTIONS:
        for turn in (1, 2):
            about = {"bench": BENCH, "question_id": n, "choice": choice, "turn": turn, "key": "k", "tstamp": 2}
            slot = ["judgment", BENCH, model, n, choice, turn, judge, prompts, "upstream", 0]
            yield about | {"stage": "judgment", "model": model, "failed_slot": slot, "reason": "bad_request"}


def write_failure(output: Path, model: str, number: int, detail: str = "9,000 tokens") -> None:
    """Turn 2 of a question has no answer."""
    slot = ["turn", BENCH, model, number, 0, 2]
    about = {"bench": BENCH, "question_id": number, "turn": 2, "key": "k", "tstamp": 1, "model": model}
    write_lines(
        failures_path(output),
        [about | {"stage": "answer", "failed_slot": slot, "reason": "context_overflow", "detail": detail}],
    )
