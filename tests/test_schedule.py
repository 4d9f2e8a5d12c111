"""The scheduler's guarantees, in virtual time: real pools, pipeline, journal and schedule; only the engines sleep."""

import asyncio
import contextlib
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from scaling import Measurement, Setting, measure
from simulated import QUESTIONS, SimulatedReplica, conversations, seconds
from virtual_time import run

from mtbench_ko.engine import Ask, Completion, Messages, Node, ReplicaInfo, ReplicaPool, Replicas, Sampling
from mtbench_ko.errors import ModelFailed, MtBenchError
from mtbench_ko.generate import Conversation, Subject, longest_first, seed
from mtbench_ko.job.plan import Contestant, Plan
from mtbench_ko.job.schedule import Schedule
from mtbench_ko.job.timeline import Timeline
from mtbench_ko.lines import Question
from mtbench_ko.pipeline import Pipeline
from mtbench_ko.progress import RunProgress
from mtbench_ko.store import RunStore


@pytest.mark.parametrize("setting", [Setting(1, 1, 2), Setting(1, 8, 16), Setting(3, 3, 2)])
def test_slots_never_idle_while_conversations_wait(setting: Setting) -> None:
    one: Measurement = measure(setting)
    assert one.makespan <= one.total / one.slots + one.longest  # Graham's bound for any work-conserving order
    if one.conversations / one.slots >= 32:
        assert one.over_bound <= 1.05


def test_long_answers_are_begun_first_and_ties_keep_their_order() -> None:
    ordered = longest_first(conversations(1))
    categories = list(dict.fromkeys(talk.question.category for talk in ordered))
    assert (categories[0], categories[-1]) == ("humanities", "math")
    assert [talk.question.question_id for talk in ordered[:3]] == [151, 152, 153]


def test_seed_follows_from_question_and_choice_alone() -> None:
    seeds = {seed(question, choice) for question in QUESTIONS for choice in range(3)}
    assert len(seeds) == 3 * len(QUESTIONS)
    assert all(0 <= each < 1 << 31 for each in seeds)
    assert seed(QUESTIONS[0], 0) == 331626780  # changing it would change every sampled answer


def test_keys_of_saved_answers_hold_whatever_the_seed() -> None:
    """The key that this conversation had before there were seeds and template variables."""
    question = Question(question_id=81, category="writing", turns=["가", "나"])
    talk = Conversation("b", question, 1, Subject("m", "sha256:x", "t", "짧게"), Sampling(0.7, 1024, seed=7))
    assert talk.key == "8dd8d862335e5ac6d1c46a1f2660455d7c52a2c0d6549ab25ce2379d256bfad0"
    assert replace(talk, subject=replace(talk.subject, template_kwargs={"enable_thinking": False})).key != talk.key


class Watched(SimulatedReplica):
    """Notes how many tasks of the program there are, and which replica each turn of a conversation went to."""

    seen: dict[str, set[int]]
    tasks: list[int]

    async def complete(self, messages: Messages, sampling: Sampling, schema: object) -> Completion:
        self.seen.setdefault(messages[0]["content"] + messages[1]["content"], set()).add(self._number)
        self.tasks.append(len(asyncio.all_tasks()))
        return await super().complete(messages, sampling, schema)


def test_tasks_are_as_many_as_slots_and_turn_two_stays_at_its_prefix_cache(tmp_path: Path) -> None:
    Watched.seen, Watched.tasks = {}, []
    talks = conversations(5)

    async def answer() -> None:
        pool = ReplicaPool(lambda number: Watched(number, 4), 3, look=1e9)
        await pool.start()
        async with asyncio.TaskGroup() as group:
            await Pipeline(store, (), quiet(), group).answer(talks, pool)
        await pool.stop()

    store = RunStore(tmp_path)
    run(answer())
    store.close()
    assert len(Watched.seen) == len(talks)
    assert all(len(replicas) == 1 for replicas in Watched.seen.values())
    assert max(Watched.tasks) < 3 * 4 + 12  # the slots, the one that waits, and the pool's own


def quiet() -> RunProgress:
    with contextlib.redirect_stderr(io.StringIO()):
        return RunProgress(0, 0)


def test_progress_shows_each_of_few_replicas_and_many_in_sum(capsys: pytest.CaptureFixture[str]) -> None:
    replicas = [{"running": 3 + n, "waiting": n, "cache_hit_rate": 0.25 * n} for n in range(5)]
    for shown in (replicas[:2], replicas):
        with RunProgress(8, 0) as progress:
            progress.engines({"m": shown})
    few, many = capsys.readouterr().err.splitlines()
    assert "m: 3+4 running, 0+1 waiting, cache hits 0%/25%" in few
    assert "m: 25 running, 10 waiting, cache hits 50%" in many


class Broken(SimulatedReplica):
    async def start(self) -> ReplicaInfo:
        await asyncio.sleep(30)
        raise ModelFailed("its weights are not what its config says")


class SimulatedPools:
    """In the place of `Pools`: models called broken cannot load."""

    def for_model(self, contestant: Contestant, replicas: Replicas) -> ReplicaPool:
        kind = Broken if contestant.name.startswith("broken") else SimulatedReplica
        return ReplicaPool(lambda number: kind(number, 16, 60.0), replicas.count, look=1e9)


def schedule(
    store: RunStore, asks: dict[str, Ask], nodes: Sequence[Node], finished: list[str]
) -> tuple[Timeline, Pipeline]:
    """Run one conversation set for each of `asks`."""

    async def everything() -> tuple[Timeline, Pipeline]:
        timeline = Timeline(asyncio.get_running_loop().time)
        async with asyncio.TaskGroup() as group:
            pipeline = Pipeline(store, (), quiet(), group)
            plan = Plan(nodes, None, asks)
            owed = {Contestant(talks[0].subject): talks for talks in map(talks_of, asks)}
            await Schedule(plan, SimulatedPools(), (), timeline, lambda: nodes).run(  # type: ignore[arg-type]
                pipeline, owed, quiet(), group, finished.append
            )
        return timeline, pipeline

    return run(everything())


def talks_of(name: str) -> list[Conversation]:
    subject = replace(conversations(1)[0].subject, model_id=name, identity=name, system_prompt=name)
    return [replace(talk, subject=subject) for talk in conversations(1)]


def test_models_wait_in_order_for_gpus_and_never_share_one(tmp_path: Path) -> None:
    one, four, eight = Ask(Replicas(0, 1, 1)), Ask(Replicas(0, 4, 1, 4)), Ask(Replicas(0, 8, 1, 8))
    asks = {"a": four, "b": one, "c": eight, "d": one, "e": four}
    finished: list[str] = []
    store = RunStore(tmp_path)
    timeline, pipeline = schedule(store, asks, [Node(8, 64, "id", "node")], finished)
    store.close()
    stays = {stay["name"]: stay for stay in timeline.schedule()}
    assert list(stays) == list(asks)
    assert sorted(finished) == sorted(asks)
    assert pipeline.counts.answered == 160 * len(asks)
    assert stays["b"]["loading"] == 0.0  # beside a
    assert stays["c"]["loading"] >= max(stays["a"]["left"], stays["b"]["left"])  # all GPUs
    assert stays["d"]["loading"] >= stays["c"]["left"]  # d would have had room before, and did not overtake
    for moment in sorted({stay["loading"] for stay in stays.values()}):
        present = [stay for stay in stays.values() if stay["loading"] <= moment < stay["left"]]
        assert sum(seat["node"] for stay in present for seat in stay["gpus"]) <= 8
    assert stays["a"]["gpus"] == [{"node": 4}]
    assert (len(stays["d"]["gpus"]), len(stays["e"]["gpus"])) == (4, 1)  # one each, then what is left


def test_model_that_cannot_load_is_recorded_and_the_others_go_on(tmp_path: Path) -> None:
    asks = {name: Ask(Replicas(0, 8, 1, 8)) for name in ("fine", "broken", "also-fine")}
    finished: list[str] = []
    store = RunStore(tmp_path)
    timeline, pipeline = schedule(store, asks, [Node(8, 64, "id", "node")], finished)
    failures = list(store.failures())
    store.close()
    assert finished == ["fine", "also-fine"]
    assert (pipeline.counts.answered, pipeline.counts.failed) == (320, 80)
    assert pipeline.counts.reasons == {"model_failed": 80}
    assert {failure.model for failure in failures} == {"broken"}
    assert not any(failure.final for failure in failures)  # the next run tries again
    assert "not what its config says" in timeline.schedule()[1]["failed"]


def test_run_fails_when_no_model_can_load(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    asks = {name: Ask(Replicas(0, 8, 1, 8)) for name in ("broken-1", "broken-2")}
    with pytest.raises(BaseExceptionGroup) as caught:
        schedule(store, asks, [Node(8, 64, "id", "node")], [])
    store.close()
    assert caught.group_contains(MtBenchError, match="broken-1: .*; broken-2: ")


def test_lengths_are_the_same_wherever_they_are_drawn() -> None:
    assert seconds(QUESTIONS[3], "m") == seconds(QUESTIONS[3], "m") != seconds(QUESTIONS[3], "other")
