"""Judge prompts are filled once, slot by slot: what an answer contains is never a template."""

from pathlib import Path

from mtbench_ko.bench import Bench, load_bench
from mtbench_ko.engine import Sampling
from mtbench_ko.judge import Judge, load_prompts, single_match


def judge(file: Path | None = None) -> Judge:
    return Judge("j", "j", load_prompts(str(file) if file else None), Sampling(0.0, 100))


def test_braces_in_answers_stay_text() -> None:
    bench = load_bench("mt_bench_ko_native", first_n=1)
    answer = "{question} {answer_2} {0} {} %s {{answer}}"
    match = single_match(bench, judge(), "m", 1001, 0, [answer, "{answer_1}"])
    user = match.messages[1]["content"]
    assert user.count(answer) == 1
    assert user.count("{answer_1}") == 1
    for turn in bench.questions[1001].turns:
        assert user.count(turn) == 1


def test_upstream_prompts_are_rebuilt_byte_for_byte(upstream: Path) -> None:
    """The user prompts that FastChat stored come out of its questions, references, answers and prompt file."""
    from mtbench_ko.bench import read_lines
    from mtbench_ko.records import Answer, JudgmentLine

    folder = upstream / "upstream_judgments" / "single"
    bench: Bench = load_bench(str(upstream / "mt_bench"))
    fastchat = judge(upstream / "judge_prompts.jsonl")
    answers = {
        (path.stem, line.question_id): line.choices[0].turns
        for path in (folder / "model_answer").glob("*.jsonl")
        for _, line in read_lines(path, Answer)
    }
    stored = [line for _, line in read_lines(folder / "gpt-4_single.jsonl", JudgmentLine)]
    same = 0
    for line in stored:
        turns = answers[line.model, line.question_id][: line.turn]
        match = single_match(bench, fastchat, line.model, line.question_id, 0, turns)
        assert match.prompt.name == line.judge[1]
        same += match.messages[1]["content"] == line.user_prompt
    assert same == len(stored) == 800


def test_another_text_of_the_prompts_is_another_prompt_set(tmp_path: Path) -> None:
    from mtbench_ko.bench import data_root

    text = (data_root() / "judge_prompts.jsonl").read_text()
    (tmp_path / "mine.jsonl").write_text(text)
    first = load_prompts(str(tmp_path / "mine.jsonl")).name
    (tmp_path / "mine.jsonl").write_text(text.replace("평가", "채점"))
    assert first.startswith("mine@")
    assert load_prompts(str(tmp_path / "mine.jsonl")).name != first
