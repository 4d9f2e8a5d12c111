"""Judge prompts are filled once, slot by slot: what an answer contains is never a template."""

import json
import re
from pathlib import Path

import pytest
from data_server import mirror_folder, path_of

from mtbench_ko.bench import Bench, DataCache, data_root, find_set, load_bench, read_lines
from mtbench_ko.config import load_config
from mtbench_ko.engine import Sampling
from mtbench_ko.errors import UsageError
from mtbench_ko.judge import Judge, PairwiseComparison, SingleGrading, all_pairs, load_prompts
from mtbench_ko.lines import Answer


def judge(file: Path | None = None, pairwise: bool = False) -> Judge:
    return Judge("j", "j", load_prompts(str(file) if file else None, pairwise=pairwise), Sampling(0.0, 100))


def stored_answers(folder: Path) -> dict[tuple[str, int], list[str]]:
    return {
        (path.stem, line.question_id): line.choices[0].turns
        for path in (folder / "model_answer").glob("*.jsonl")
        for _, line in read_lines(path, Answer)
    }


def test_braces_in_answers_stay_text() -> None:
    bench = load_bench("mt_bench_ko_native", first_n=1)
    answer = "{question} {answer_2} {0} {} %s {{answer}}"
    (match,) = SingleGrading(bench, judge()).matches("m", 1001, 0, [answer, "{answer_1}"])
    user = match.messages[1]["content"]
    assert user.count(answer) == 1
    assert user.count("{answer_1}") == 1
    for turn in bench.questions[1001].turns:
        assert user.count(turn) == 1


def test_upstream_single_prompts_are_rebuilt_byte_for_byte(upstream: Path) -> None:
    """The user prompts that FastChat stored come out of its questions, references, answers and prompt file."""
    folder = upstream / "upstream_judgments" / "single"
    bench: Bench = load_bench(str(upstream / "mt_bench"), references="upstream")
    grading = SingleGrading(bench, judge(upstream / "judge_prompts.jsonl"))
    answers = stored_answers(folder)
    stored = [json.loads(line) for line in (folder / "gpt-4_single.jsonl").read_text(encoding="utf-8").splitlines()]
    same = 0
    for line in stored:
        turns = answers[line["model"], line["question_id"]][: line["turn"]]
        (match,) = grading.matches(line["model"], line["question_id"], 0, turns)
        assert match.prompt.name == line["judge"][1]
        same += match.messages[1]["content"] == line["user_prompt"]
    assert same == len(stored) == 800


def test_upstream_pair_prompts_are_rebuilt_byte_for_byte(upstream: Path) -> None:
    """Both games of each stored pair, with the answers in both orders. FastChat compared first turns alone here."""
    folder = upstream / "upstream_judgments" / "pair"
    answers = stored_answers(folder)
    models = sorted({model for model, _ in answers})
    fastchat = judge(upstream / "judge_prompts.jsonl", pairwise=True)
    comparison = PairwiseComparison(
        load_bench(str(upstream / "mt_bench"), references="upstream"), fastchat, all_pairs(models)
    )
    stored = [json.loads(line) for line in (folder / "gpt-4_pair.jsonl").read_text(encoding="utf-8").splitlines()]
    same = 0
    for line in stored:
        games = [
            game for model in models for game in comparison.matches(
                model, line["question_id"], 0, answers[model, line["question_id"]][:1]
            )
        ]  # fmt: skip
        assert [(game.model_1, game.model_2, game.game) for game in games] == [
            (line["model_1"], line["model_2"], 1),
            (line["model_1"], line["model_2"], 2),
        ]
        assert [game.prompt.name for game in games] == [line["judge"][1]] * 2
        sent = [game.messages[1]["content"] for game in games]
        same += sent == [line["g1_user_prompt"], line["g2_user_prompt"]]
    assert same == len(stored) == 75


def test_another_text_of_the_prompts_is_another_prompt_set(tmp_path: Path) -> None:
    text = (data_root() / "judge_prompts" / "ko.jsonl").read_text()
    (tmp_path / "mine.jsonl").write_text(text)
    first = load_prompts(str(tmp_path / "mine.jsonl")).name
    (tmp_path / "mine.jsonl").write_text(text.replace("평가", "채점"))
    assert first.startswith("mine@")
    assert load_prompts(str(tmp_path / "mine.jsonl")).name != first


@pytest.mark.parametrize("pairwise", [False, True])
def test_prompt_sets_go_by_name_and_by_language(upstream: Path, tmp_path: Path, pairwise: bool) -> None:
    ko, en = (load_prompts(prompt_set=name, pairwise=pairwise) for name in ("ko", "en"))
    assert ko == load_prompts(pairwise=pairwise)
    assert [each.name.partition("@")[0] for each in (ko, en)] == ["mtbench_ko", "mtbench_en"]
    assert list(ko.prompts) == list(en.prompts)
    for name, korean in ko.prompts.items():  # the same task in the same form: only the language differs
        english = en.prompts[name]
        assert (korean.type, korean.output_format) == (english.type, english.output_format)
        slots, marks = re.compile(r"\{\w+\}"), re.compile(r"\[\[.*?\]\]")
        assert slots.findall(korean.prompt_template) == slots.findall(english.prompt_template)
        assert marks.findall(korean.system_prompt) == marks.findall(english.system_prompt)
        assert korean.system_prompt.count("\n- ") == english.system_prompt.count("\n- ")
        assert english.system_prompt.isascii() == ("math" not in name)  # the notations of numbers are Korean

    mirror = mirror_folder(upstream, tmp_path / "mirror")
    file = mirror / path_of(find_set("mt_bench"), "judge_prompts.jsonl").lstrip("/")
    cache = DataCache(tmp_path / "cache", mirror=str(mirror))
    fetched = load_prompts(prompt_set="mt_bench", pairwise=pairwise, cache=cache)
    assert fetched.prompts == load_prompts(str(file), pairwise=pairwise).prompts
    assert fetched.name.startswith("mt_bench@")
    with pytest.raises(UsageError, match="known are ko, en, komt_bench, mt_bench;"):
        load_prompts(prompt_set="mt_bench_ko", cache=cache)
    with pytest.raises(UsageError, match="--judge-file and --prompt-set exclude each other"):
        load_config({"judge_file": str(file), "prompt_set": "en"})


@pytest.mark.parametrize(
    ("name", "changes", "pairwise", "words"),
    [
        ("single-v1", {"name": "single-v2"}, False, "no prompt named 'single-v1'"),
        ("pair-v2", {"name": "pair-v3"}, True, "no prompt named 'pair-v2'"),
        ("single-v1", {"prompt_template": "{question}"}, False, "'single-v1', field 'prompt_template'"),
        ("pair-math-v1", {"prompt_template": "{question} {answer_a}"}, True, "'pair-math-v1', field 'prompt_template'"),
        ("pair-v2", {"output_format": "[[점수]]"}, True, "'pair-v2', field 'output_format'"),
        ("single-v1", {"type": "pairwise"}, False, "'single-v1', field 'type'"),
    ],
)
def test_prompt_that_cannot_be_used_is_named(
    tmp_path: Path, name: str, changes: dict[str, str], pairwise: bool, words: str
) -> None:
    lines = [json.loads(line) for line in (data_root() / "judge_prompts" / "ko.jsonl").read_text().splitlines()]
    lines = [line | changes if line["name"] == name else line for line in lines]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(UsageError, match=r"mine\.jsonl") as caught:
        load_prompts(str(tmp_path / "mine.jsonl"), pairwise=pairwise)
    assert words in str(caught.value)
