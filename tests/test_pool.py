"""The rules of a pool of replicas, in virtual time: who works on what, and what death, hanging or no GPUs cost."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from fake_replicas import DEAD, NODE_LOST, Cluster
from virtual_time import run

from mtbench_ko.engine import CompletionFailed, Failure, ReplicaPool, Sampling
from mtbench_ko.errors import ModelFailed

SAMPLING = Sampling(0.0, 16)
Outcome = list[str] | Failure


async def talk(pool: ReplicaPool, name: str, turns: int = 2) -> Outcome:
    """A conversation: the replies, or why there are none."""
    replies = []
    async with pool.conversation() as conversation:
        for turn in range(turns):
            try:
                reply = await conversation.complete([{"role": "user", "content": f"{name}.{turn + 1}"}], SAMPLING)
            except CompletionFailed as error:
                return error.failure
            replies.append(reply.text)
    return replies


async def talks(pool: ReplicaPool, count: int) -> list[Outcome]:
    return await asyncio.gather(*(talk(pool, f"{number}") for number in range(count)))


def complete(count: int) -> list[Outcome]:
    return [[f"re: {number}.1", f"re: {number}.2"] for number in range(count)]


def now() -> float:
    return asyncio.get_running_loop().time()


def on(cluster: Cluster, count: int, test: Any, **settings: Any) -> ReplicaPool:
    """Run `test(pool)` on a pool of `count` fake replicas; returns the pool after its end."""

    async def go() -> ReplicaPool:
        pool = ReplicaPool(cluster.replica, count, **settings)
        await pool.start()
        await test(pool)
        await pool.stop()
        assert all(replica.state == "gone" for replica in cluster.made)
        return pool

    return run(go())


def later(seconds: float, action: Any) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(seconds, action)


def test_first_replica_serves_at_once_and_later_ones_take_over_work_between_turns() -> None:
    cluster = Cluster(slots=100, load=lambda number: 10.0 + 5 * number, seconds=20)

    async def test(pool: ReplicaPool) -> None:
        assert (now(), len(pool.metrics())) == (10, 1)
        assert await talks(pool, 20) == complete(20)
        assert len(pool.metrics()) == 2

    on(cluster, 2, test)
    assert [len(replica.read) for replica in cluster.made] == [20 + 10, 10]  # all first turns, half of the second ones


def test_conversations_wait_for_room_in_order_and_keep_their_replica() -> None:
    cluster = Cluster(slots=4)

    async def test(pool: ReplicaPool) -> None:
        began = now()
        assert await talks(pool, 24) == complete(24)
        assert now() - began == pytest.approx(24 * 2 * 10 / 8)  # no slot was ever idle

    on(cluster, 2, test)
    for replica in cluster.made:
        firsts, seconds = ([int(text[:-2]) for text in replica.read if text.endswith(turn)] for turn in (".1", ".2"))
        assert set(firsts) == set(seconds)
        assert [number // 8 for number in firsts] == [0] * 4 + [1] * 4 + [2] * 4
        assert replica.most_at_once == 4


def test_whoever_stops_waiting_leaves_its_room_to_others() -> None:
    cluster = Cluster(slots=1)

    async def test(pool: ReplicaPool) -> None:
        tasks = [asyncio.create_task(talk(pool, str(number), 1)) for number in range(4)]
        await asyncio.sleep(1)
        tasks[0].cancel()  # has the room
        tasks[2].cancel()  # waits for it
        with suppress(asyncio.CancelledError):
            await tasks[0]
        assert await tasks[1] == ["re: 1.1"]
        assert await tasks[3] == ["re: 3.1"]

    on(cluster, 1, test)


def test_death_sends_conversations_elsewhere_and_the_replica_comes_back_with_its_resources() -> None:
    cluster = Cluster(gpus=2, slots=8)

    async def test(pool: ReplicaPool) -> None:
        later(15, lambda: cluster.made[1].die(NODE_LOST, takes_gpu=True))
        later(200, lambda: setattr(cluster, "gpus", cluster.gpus + 1))
        work = asyncio.create_task(talks(pool, 100))
        await asyncio.sleep(100)
        assert len(pool.metrics()) == 1  # it goes on with fewer
        assert await work == complete(100)
        assert len(pool.metrics()) == 2

    pool = on(cluster, 2, test)
    first_turns = [text for replica in cluster.made for text in replica.read if text.endswith(".1")]
    assert len(first_turns) == 100  # a saved turn is never asked again
    assert [line["died"] for line in pool.describe()] == [None, "node_lost: its node has died", None]  # 0, 1, 1
    assert sum(line["completions"] for line in pool.describe()) == 200


def test_item_that_kills_engines_is_set_aside_and_takes_nobody_along() -> None:
    cluster = Cluster(slots=8, poison={"5.2"})

    async def test(pool: ReplicaPool) -> None:
        outcomes = await talks(pool, 40)
        killer = outcomes.pop(5)
        assert isinstance(killer, Failure)
        assert (killer.reason, killer.final) == ("engine_died", True)
        assert "EngineCore is dead" in killer.detail
        assert outcomes == [done for number, done in enumerate(complete(40)) if number != 5]

    pool = on(cluster, 2, test)
    assert 2 <= sum(line["died"] is not None for line in pool.describe()) <= 3


def test_lost_nodes_are_nobodys_fault() -> None:
    cluster = Cluster(slots=1)

    async def test(pool: ReplicaPool) -> None:
        for seconds in (1, 20, 40, 60):
            later(seconds, lambda: cluster.running[0].die(NODE_LOST))
        assert await talks(pool, 1) == complete(1)

    on(cluster, 1, test)


def test_engine_that_hangs_is_noticed_and_one_that_is_idle_or_busy_is_not() -> None:
    cluster = Cluster(slots=4, seconds=50)

    async def test(pool: ReplicaPool) -> None:
        await asyncio.sleep(1000)
        later(30, lambda: setattr(cluster.made[0], "hangs", True))
        assert await talks(pool, 16) == complete(16)

    pool = on(cluster, 2, test, hang=60)
    deaths = [line["died"] for line in pool.describe() if line["died"]]
    assert len(deaths) == 1
    assert deaths[0].startswith("engine_hangs: no step for 6")


def test_engine_that_dies_idle_is_replaced_before_it_is_needed() -> None:
    cluster = Cluster()

    async def test(pool: ReplicaPool) -> None:
        cluster.made[0].die(DEAD)
        await asyncio.sleep(60)
        assert len(pool.metrics()) == 1

    on(cluster, 1, test)


def test_model_that_cannot_load_fails_with_the_engines_own_words() -> None:
    async def go() -> None:
        pool = ReplicaPool(cluster.replica, 3)
        with pytest.raises(ModelFailed, match="head dim 77 is not supported"):
            await pool.start()

    cluster = Cluster(broken="head dim 77 is not supported")
    run(go())
    assert {replica.state for replica in cluster.made} == {"gone"}
    assert len(cluster.made) == 3  # none was tried again


def test_place_where_the_model_does_not_load_is_tried_again_once_it_has_loaded_elsewhere() -> None:
    async def go() -> None:
        cluster = Cluster(load=lambda number: 10.0 * (1 + number), broken="GPU memory is taken")
        later(15, lambda: setattr(cluster, "broken", None))
        pool = ReplicaPool(cluster.replica, 2)
        await pool.start()
        assert (now(), len(pool.metrics())) == (20, 1)
        await asyncio.sleep(60)
        assert len(pool.metrics()) == 2
        await pool.stop()

    run(go())


def test_model_that_has_served_is_given_more_tries_to_load() -> None:
    cluster = Cluster(slots=8)

    async def test(pool: ReplicaPool) -> None:
        cluster.broken = "too little memory"
        later(5, lambda: cluster.made[0].die(DEAD))
        later(30, lambda: setattr(cluster, "broken", None))
        assert await talks(pool, 8) == complete(8)

    on(cluster, 1, test)


def test_calls_in_work_when_the_pool_is_stopped_fail_and_do_not_wait() -> None:
    async def go() -> None:
        cluster = Cluster(slots=2)
        pool = ReplicaPool(cluster.replica, 1)
        await pool.start()
        work = [asyncio.create_task(talk(pool, str(number))) for number in range(4)]
        await asyncio.sleep(1)
        await pool.stop()
        results = await asyncio.gather(*work, return_exceptions=True)
        assert [type(result) for result in results] == [ModelFailed] * 4
        assert pool.describe()[0]["died"] is None

    run(go())


@pytest.mark.parametrize("served", [False, True])
def test_want_of_resources_is_borne_for_a_while_and_said_in_words(served: bool) -> None:
    async def go() -> None:
        cluster = Cluster(gpus=int(served))
        pool = ReplicaPool(cluster.replica, 2, patience=600)
        words = "for 600 s: a replica needs 1 GPU, and the cluster has 0"
        if served:
            await pool.start()
            later(5, lambda: cluster.made[0].die(NODE_LOST, takes_gpu=True))
        with pytest.raises(ModelFailed, match=words):
            await (talk(pool, "0") if served else pool.start())
        assert now() < 700
        await pool.stop()

    run(go())


def test_engines_that_only_die_are_given_up() -> None:
    async def go() -> None:
        cluster = Cluster(slots=8, poison={f"{number}.1" for number in range(8)})
        pool = ReplicaPool(cluster.replica, 1)
        await pool.start()
        with pytest.raises(ModelFailed, match="died 5 times without a reply"):
            await asyncio.gather(*(_or_raise(pool, number) for number in range(8)))
        await pool.stop()

    run(go())


async def _or_raise(pool: ReplicaPool, number: int) -> None:
    await talk(pool, str(number))


def test_metrics_tell_what_every_replica_does() -> None:
    cluster = Cluster(slots=4, seconds=5)

    async def test(pool: ReplicaPool) -> None:
        work = asyncio.create_task(talks(pool, 8))
        await asyncio.sleep(7)
        assert pool.metrics() == [{"running": 4, "waiting": 0, "cache_hit_rate": 0.75}] * 2
        await work

    pool = on(cluster, 2, test)
    assert [line["generated_tokens"] for line in pool.describe()] == [80, 80]
