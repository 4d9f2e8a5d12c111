"""How large the report grows, measured on as much text as 20 models write."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from report_outputs import write_lines

from mtbench_ko.bench import DataCache
from mtbench_ko.report import gather, open_questions, write_report
from mtbench_ko.store import answer_path, judgment_path

MODELS, ANSWER, JUDGMENT, THINKING = 20, 1000, 350, 5000
BENCH, JUDGE = "mt_bench_ko", "gpt-4o"


def writer(texts: list[str], seed: int) -> Callable[[float], str]:
    """Words of `texts` in random order, about so many characters: less can be packed of them than of sentences."""
    words = " ".join(texts).split(" ")
    draw = random.Random(seed)

    def write(length: float) -> str:
        size = length * draw.lognormvariate(-0.125, 0.5)  # of mean 1
        found: list[str] = []
        while size > 0:
            found.append(draw.choice(words))
            size -= len(found[-1]) + 1
        return " ".join(found)

    return write


@pytest.mark.soak
def test_twenty_models_fit_into_six_megabytes(upstream: Path, tmp_path: Path) -> None:
    graded = [json.loads(line) for line in (upstream / "komt_bench/model_judgment/gpt-4_single_final.jsonl").open()]
    answer = writer([row["user_prompt"].partition("답변 시작]")[2] for row in graded], seed=1)
    judgment = writer([row["judgment"] for row in graded], seed=2)
    questions = [json.loads(line) for line in (upstream / BENCH / "question.jsonl").open()]
    lengths, rows = [], []
    for model in (f"팀/모델-{number}" for number in range(MODELS)):
        lines = []
        for question in questions:
            turns = [answer(ANSWER) for _ in range(2)]
            lengths += map(len, turns)
            choice = {"index": 0, "turns": turns, "reasoning": [answer(THINKING) for _ in turns]}
            about = {"question_id": question["question_id"], "tstamp": 0}
            lines.append(about | {"answer_id": "a", "model_id": model, "choices": [choice]})
            for turn in (1, 2):
                said = {"judge": [JUDGE, "single"], "judgment": judgment(JUDGMENT), "score": 7, "turn": turn}
                rows.append(about | said | {"model": model})
        write_lines(answer_path(tmp_path, BENCH, model), lines)
    write_lines(judgment_path(tmp_path, BENCH, JUDGE, "judgment"), rows)
    page = write_report(
        gather({"outputs": tmp_path}, open_questions(str(upstream / BENCH), DataCache())), tmp_path / "report"
    )
    assert sum(lengths) / len(lengths) > 0.95 * ANSWER
    print(f"{page.stat().st_size / 1e6:.2f} MB for answers of {sum(lengths) / len(lengths):.0f} characters")
    assert page.stat().st_size <= 6_000_000
