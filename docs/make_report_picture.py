"""docs/report.png: the report's first screen, of six models that do not exist. `python docs/make_report_picture.py`

The scores are drawn from made-up abilities by category, the answers are one sentence. Needs Chromium
(make system-packages).
"""

import io
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from mtbench_ko.bench import DataCache
from mtbench_ko.report import gather, open_questions, write_report
from mtbench_ko.store import answer_path, judgment_path
from mtbench_ko.store.files import write_jsonl

FILE = Path(__file__).with_name("report.png")
BENCH, JUDGE = "mt_bench_ko_native", "judge-2026-01"
ABILITY = {"ours-70b": 8.9, "open-32b": 8.3, "ours-8b-dpo": 7.7, "ours-8b-sft": 7.5, "open-9b": 6.6, "tiny-3b": 4.9}
HARD = {"math": -1.0, "reasoning": -0.8, "coding": -0.6, "writing": 0.4, "roleplay": 0.4}
STRONG = {
    ("ours-8b-dpo", "writing"): 0.7,
    ("open-9b", "coding"): 1.2,
    ("open-32b", "math"): 0.8,
    ("tiny-3b", "math"): -1.5,
}
WIDTH = 1200


def answers(model: str, questions: list[Any]) -> Iterator[dict[str, Any]]:
    for question in questions:
        turns = [f"{number}번째 차례에 지어낸 답변입니다." for number in (1, 2)]
        choice = {"index": 0, "turns": turns, "finish_reason": ["stop"] * 2, "usage": [{"completion_tokens": 9}] * 2}
        about = {"question_id": question.question_id, "answer_id": "made-up", "model_id": model, "tstamp": 0}
        yield about | {"choices": [choice]}


def grades(questions: list[Any]) -> Iterator[dict[str, Any]]:
    draw = random.Random(7)
    for question in questions:
        easy = draw.gauss(0, 0.8)
        for model, ability in ABILITY.items():
            mean = ability + easy + HARD.get(question.category, 0) + STRONG.get((model, question.category), 0)
            for turn in (1, 2):
                score = min(10, max(1, round(draw.gauss(mean - 0.4 * (turn - 1), 1.3))))
                missing = model == "tiny-3b" and draw.random() < 0.02
                yield {
                    "question_id": question.question_id, "model": model, "judge": [JUDGE, "single"], "turn": turn,
                    "user_prompt": "", "judgment": "지어낸 평가입니다.", "score": -1 if missing else score, "tstamp": 1,
                    "prompt_set": "ko", "references": {"source": "upstream", "sha256": None},
                }  # fmt: skip


def page(output: Path) -> Path:
    """The report of the made-up run, written below `output`."""
    found = open_questions(BENCH, DataCache())
    questions = list(found.bench.questions.values())
    for model in ABILITY:
        write_jsonl(answer_path(output, BENCH, model), answers(model, questions))
    write_jsonl(judgment_path(output, BENCH, JUDGE, "judgment"), grades(questions))
    return write_report(gather({"outputs": output}, found), output / BENCH / "report")


def picture(file: Path) -> bytes:
    """A screenshot of leaderboard and categories, in English, as PNG."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light", locale="en-US")
        tab.goto(file.resolve().as_uri())
        tab.wait_for_selector("html[data-ready]")
        tab.get_by_label("English").check()
        end = tab.locator("#categories table").bounding_box()
        assert end is not None
        shot = tab.screenshot(
            clip={"x": 0, "y": 0, "width": WIDTH, "height": end["y"] + end["height"] + 8}, full_page=True
        )
        browser.close()
    return shot


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        shot = picture(page(Path(folder)))
    Image.open(io.BytesIO(shot)).convert("RGB").quantize(128).save(FILE, optimize=True)
    print(f"{FILE}: {FILE.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
