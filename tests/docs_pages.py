"""What the pages of the documentation take for granted when they say what to type: files, models, buckets, replies."""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from data_server import upstream_files
from human_votes import GPT4, PEOPLE
from report_outputs import write_lines
from run_checks import own_questions

from mtbench_ko.bench import find_set
from mtbench_ko.config import RunConfig
from mtbench_ko.hashing import sha256_json
from mtbench_ko.lines import References
from mtbench_ko.records import JudgmentRecord, TurnRecord
from mtbench_ko.store import RunStore, find_place, spool_folder

NATIVE, KOREAN = "mt_bench_ko_native", "mt_bench_ko"
QUESTIONS = 2
"""How many questions of a set the commands are run on."""
NO_REFERENCES = References(source="none", sha256=None)
WEIGHTS = ("my-org/my-8b", "my-org/my-70b", "weights/my-70b", "lmsys/vicuna-7b-v1.5")
JUDGE_WEIGHTS = ("weights/judge-72b",)


def reply(body: dict[str, Any], number: int) -> str:
    """A model and a judge in one: what the schema wants, else text with a verdict in the format that is asked for."""
    wanted = body.get("response_format", {}).get("json_schema", {}).get("schema", {}).get("properties", {})
    if "rating" in wanted:
        return json.dumps({"explanation": "", "rating": 1 + number % 10})
    if "verdict" in wanted:
        return json.dumps({"explanation": "", "verdict": "A"})
    return "[[A]]" if "[[A]]" in str(body["messages"]) else f"{number}번째 답변입니다. [[{1 + number % 10}]]"


def lay_weights(folder: Path, models: Sequence[Path]) -> None:
    """The models of the pages: tiny ones whose config has the heads and layers of a large one, never loaded."""
    for names, model in ((WEIGHTS, models[0]), (JUDGE_WEIGHTS, models[1])):
        for name in names:
            shutil.copytree(model, folder / name)
            file = folder / name / "config.json"
            large = {"num_attention_heads": 64, "num_key_value_heads": 64, "num_hidden_layers": 64}
            file.write_text(json.dumps(json.loads(file.read_text()) | large))


def published(upstream: Path) -> dict[str, bytes]:
    """What the internet has, by URL path: the question sets, and something in place of FastChat's answers."""
    answers = find_set("mt_bench_pregenerated")
    commit = "a" * 40
    files = {
        f"/{answers.repo}/resolve/{commit}/data/mt_bench/{file.remote}": b'{"question_id": 81}\n'
        for file in answers.files
    }
    api = {f"/api/{answers.repo}/revision/main": json.dumps({"sha": commit}).encode()}
    return upstream_files(upstream) | files | api


def prepare(page: str, folder: Path) -> None:
    """Lay the files that `page` names, or that its commands find from earlier, into `folder`."""
    if page in ("cost.md", "judges.md"):
        run(folder / "outputs", NATIVE, ["my-model", "other"])
    elif page == "data.md":
        run(folder / "outputs", KOREAN, ["my-model", "other"])
        turns = ["상자에 든 물건을 모두 적어 주세요.", "무엇이 가장 무겁습니까?"]
        write_lines(
            folder / "path/to/my_set/question.jsonl", [{"question_id": 1, "category": "writing", "turns": turns}]
        )
    elif page == "fastchat.md":
        run(folder / "outputs", KOREAN, ["a", "b", "c"])
        votes(folder)
        write_lines(folder / "FILE", pairs("gpt-4", "a", "b"))
        endpoint = {"bench_name": NATIVE, "model": "my-model", "judge_model": "gpt-4o-2024-08-06"}
        (folder / "run.yaml").write_text(json.dumps(endpoint))
    elif page == "report.md":
        run(folder / "a", NATIVE, ["my-8b"], ["gpt-4o"])
        bench = folder / "fastchat/data/mt_bench"
        write_lines(bench / "question.jsonl", own_questions()[:QUESTIONS])
        run(folder / "fastchat/data", "mt_bench", ["gpt-4"], ["gpt-4"])
    elif page == "scores.md":
        run(folder / "runs/a", KOREAN, ["my-8b-v1", "my-8b-v2"], ["gpt-4o"])
        run(folder / "outputs", NATIVE, ["my-8b"], ["gpt-4o"])
        run(folder / "fastchat/data", "mt_bench", ["gpt-3.5-turbo"], ["gpt-4"])
    elif page == "agreement.md":
        votes(folder)
        run(folder / "runs/a", KOREAN, ["gpt-4", "alpaca-13b"], ["gpt-4o"])
        run(folder / "runs/b", KOREAN, ["gpt-4", "alpaca-13b"], ["my-judge"])
        for output, judge in (("a", "gpt-4o"), ("b", "my-judge")):
            found = folder / "runs" / output / KOREAN / "model_judgment" / f"{judge}_single.jsonl"
            shutil.copy(found, folder / f"{output}_single.jsonl")
            write_lines(
                folder / f"runs/a/{KOREAN}/model_judgment/{judge}_pair.jsonl", pairs(judge, "gpt-4", "alpaca-13b")
            )


def buckets(page: str, folder: Path) -> Mapping[str, Path]:
    """The runs that lie in object storage already: URL -> the folder they are pushed from."""
    if page == "report.md":
        return {"s3://bucket/run": run(folder / "pushed", NATIVE, ["my-70b"], ["gpt-4o"])}
    if page == "scores.md":
        return {"s3://bucket/runs/b": run(folder / "pushed", KOREAN, ["my-8b-v3"], ["gpt-4o"])}
    if page == "files.md":  # an interrupted run left its spool here, too
        url, place = "s3://evals/my-70b", find_place(RunConfig(output="s3://evals/my-70b"))
        assert place is not None
        run(spool_folder(place), NATIVE, ["my-70b"], ["gpt-4o"])
        return {url: run(folder / "pushed", NATIVE, ["my-70b"], ["gpt-4o"])}
    return {}


def run(output: Path, bench: str, models: Iterable[str], judges: Sequence[str] = ()) -> Path:
    """A finished run: answers of `models`, graded by `judges`; returns `output`."""
    first = own_questions()[0]["question_id"] if bench == NATIVE else 81
    with closing(RunStore(output)) as store:
        for model in models:
            for question in range(first, first + QUESTIONS):
                texts = [f"{model}의 {turn}번째 답변" for turn in (1, 2)]
                for turn in (1, 2):
                    about: dict[str, Any] = {"bench": bench, "question_id": question, "turn": turn}
                    answer = {
                        "model_id": model,
                        "text": texts[turn - 1],
                        "finish_reason": "stop",
                        "messages_sha256": "",
                    }
                    store.append(TurnRecord(**about, **answer, key=sha256_json([bench, model, question])))
                    for number, judge in enumerate(judges):
                        what = {"judge": [judge, "single-v1"], "prompt_set": "ko@1", "references": NO_REFERENCES}
                        said = {
                            "user_prompt": "",
                            "judgment": "",
                            "outcome": "scored",
                            "score": (question + turn) % 9 + 1,
                        }
                        made = {"key": sha256_json([bench, model, question, turn, judge, number])}
                        shown = {"model": model, "answers_sha256": sha256_json(texts[:turn])}
                        store.append(JudgmentRecord(**about, **what, **said, **made, **shown))
        store.write_views()
    return output


def votes(folder: Path) -> None:
    """FastChat's vote files, the data set's, and a judge's files beside them."""
    for name, lines in (("gpt4_judgments.json", GPT4), ("human_judgments.json", PEOPLE)):
        (folder / name).write_text(json.dumps(lines))
    shutil.copy(Path(__file__).with_name("votes") / "human.parquet", folder)
    write_lines(folder / "my-judge_pair.jsonl", pairs("my-judge", "gpt-4", "alpaca-13b"))
    grades = {"judge": ["my-judge", "single-v1"], "user_prompt": "", "judgment": "", "tstamp": 1}
    write_lines(
        folder / "my-judge_single.jsonl",
        [
            grades | {"question_id": number, "turn": turn, "model": model, "score": number % 7 + place}
            for number in (81, 82, 83)
            for turn in (1, 2)
            for place, model in enumerate(("gpt-4", "alpaca-13b"), start=1)
        ],
    )


def pairs(judge: str, one: str, two: str) -> list[dict[str, Any]]:
    """Lines of a judge's file of comparisons, as FastChat writes them."""
    games = {"g1_winner": "model_1", "g2_winner": "model_1", "g1_judgment": "[[A]]", "g2_judgment": "[[B]]"}
    about = {"judge": [judge, "pair-v2"], "model_1": one, "model_2": two, "tstamp": 1}
    return [about | games | {"question_id": number, "turn": turn} for number in (81, 82, 83) for turn in (1, 2)]
