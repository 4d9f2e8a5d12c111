"""Which GPUs each replica of each model gets: arithmetic alone, over many shapes of clusters."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtbench_ko.engine import Ask, Node, Replicas, Room, admit, find_shape, judge_time, place, refuse_leftovers
from mtbench_ko.errors import UsageError

ALIKE = settings(deadline=None, derandomize=True, database=None)


def cluster(*gpus: int, cpus: int = 64) -> list[Node]:
    return [Node(count, cpus, f"id{number}", f"node{number}") for number, count in enumerate(gpus)]


def fit(nodes: list[Node], wanted: int | None = None, total: int | None = None, **shape: int | None) -> Replicas:
    found = place(nodes, find_shape(nodes, total=total, **shape), wanted=wanted, room=Room(nodes, total))
    if wanted is None:
        refuse_leftovers(nodes, found, total)
    return found


@pytest.mark.parametrize(
    ("nodes", "asked", "count", "parallel", "spanned"),
    [
        ((8,), {}, 8, (1, 1), 1),
        ((8,), {"gpus_per_model": 4}, 2, (4, 1), 1),
        ((8,), {"gpus_per_model": 4, "pipeline_parallel_size": 2, "wanted": 1}, 1, (2, 2), 1),
        ((8,), {"gpus_per_model": 2, "total": 4}, 2, (2, 1), 1),
        ((8, 8), {"gpus_per_model": 16}, 1, (8, 2), 2),  # a 405B over two nodes
        ((8, 8, 8, 8), {"gpus_per_model": 16}, 2, (8, 2), 2),
        ((8, 8), {"gpus_per_model": 12, "wanted": 1}, 1, (6, 2), 2),
        ((8, 8), {"gpus_per_model": 16, "pipeline_parallel_size": 4}, 1, (4, 4), 2),
        ((8, 4), {"gpus_per_model": 12, "pipeline_parallel_size": 3}, 1, (4, 3), 2),  # two stages on one node
        ((8, 4), {"gpus_per_model": 4}, 3, (4, 1), 1),
        ((0, 8), {"gpus_per_model": 8}, 1, (8, 1), 1),  # a head node without GPUs
    ],
)
def test_replicas_fill_the_nodes_and_span_as_few_as_can_hold_them(
    nodes: tuple[int, ...], asked: dict[str, int], count: int, parallel: tuple[int, int], spanned: int
) -> None:
    replicas = fit(cluster(*nodes), **asked)
    assert (replicas.count, replicas.nodes) == (count, spanned)
    assert (replicas.tensor_parallel_size, replicas.pipeline_parallel_size) == parallel


@pytest.mark.parametrize(
    ("nodes", "asked", "words"),
    [
        ((8,), {"gpus_per_model": 9}, "the cluster has 8 GPUs"),
        ((8,), {"total": 16}, "--num-gpus-total 16"),
        ((8,), {"gpus_per_model": 4, "total": 2}, "more than --num-gpus-total 2"),
        ((8,), {"gpus_per_model": 3}, "2 would idle. Say --replicas 2, or --num-gpus-total 6"),
        ((8, 4), {"gpus_per_model": 8}, "4 would idle. Say --replicas 1"),
        ((8, 4), {"gpus_per_model": 3}, "3 would idle. Say --replicas 3"),
        ((8,), {"gpus_per_model": 4, "pipeline_parallel_size": 3}, "does not divide"),
        ((8,), {"gpus_per_model": 4, "wanted": 3}, "room for 2"),
        ((8, 4), {"gpus_per_model": 12}, "the nodes have 8, 4 GPUs.*--pipeline-parallel-size 3 fits"),
        ((8, 8), {"gpus_per_model": 16, "pipeline_parallel_size": 1}, "each on one node. --pipeline-parallel-size 2"),
        ((4, 4), {"gpus_per_model": 7}, "cannot hold.*--pipeline-parallel-size 7 fits"),
    ],
)
def test_impossible_shapes_and_leftovers_are_explained(
    nodes: tuple[int, ...], asked: dict[str, int], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        fit(cluster(*nodes), **asked)


def test_without_gpus_replicas_share_the_cores_of_all_nodes() -> None:
    nodes = [Node(0, 8, "a"), Node(0, 8, "b")]
    assert fit(nodes).cpus == 8
    assert fit(nodes, wanted=2, replicas=2).cpus == 8
    assert fit(nodes, wanted=4, replicas=4).cpus == 4
    with pytest.raises(UsageError, match="needs a core"):
        fit([Node(0, 2, "a")], wanted=3, replicas=3)


def test_every_waiting_model_gets_a_replica_before_any_gets_a_second() -> None:
    nodes = cluster(8)
    small, large = find_shape(nodes), find_shape(nodes, gpus_per_model=4)
    counts = lambda *asks: [each.count for each in admit(Room(nodes), asks)]  # noqa: E731
    assert counts(Ask(small), Ask(large)) == [4, 1]
    assert counts(Ask(small), Ask(small), Ask(small)) == [3, 3, 2]
    assert counts(Ask(large), Ask(large), Ask(small)) == [1, 1]  # the third waits
    assert counts(Ask(large), Ask(find_shape(nodes, gpus_per_model=8)), Ask(small)) == [1]  # and is not overtaken
    assert counts(Ask(small, wanted=2), Ask(small, most=3)) == [2, 3]


def test_local_judge_runs_beside_the_models_only_on_gpus_to_spare() -> None:
    nodes = cluster(8)
    half, whole, one = (find_shape(nodes, gpus_per_model=count) for count in (4, 8, 1))
    assert judge_time(nodes, [half, one], half, None) == "beside"
    assert judge_time(nodes, [half, whole], one, None) == "after"
    assert judge_time(nodes, [half], half, 6) == "after"
    alone = [Node(0, 64, "a")]
    assert judge_time(alone, [find_shape(alone)], find_shape(alone), None) == "after"


@st.composite
def shapes(draw: st.DrawFn) -> tuple[list[Node], int, int | None]:
    nodes = cluster(*draw(st.lists(st.integers(0, 8), min_size=1, max_size=6).filter(any)))
    stages = draw(st.none() | st.integers(1, 4))
    return nodes, draw(st.integers(1, 16)), stages


@ALIKE
@given(shapes())
def test_what_is_placed_holds_and_what_is_refused_could_not(drawn: tuple[list[Node], int, int | None]) -> None:
    nodes, wanted, stages = drawn
    try:
        shape = find_shape(nodes, gpus_per_model=wanted, pipeline_parallel_size=stages)
    except UsageError:
        whole = [n for n in ([stages] if stages else range(1, len(nodes) + 1)) if wanted % n == 0]
        assert not any(  # one stage for each node without being told; more of them where that was asked for
            sum(min(node.gpus // (wanted // n), wanted if stages else 1) for node in nodes) >= n for n in whole
        )
        return
    assert shape.tensor_parallel_size * shape.pipeline_parallel_size == shape.gpus == wanted
    replicas = place(nodes, shape)
    taken = {node.id: sum(seat.count(node.id) for seat in replicas.seats) for node in nodes}
    assert all(taken[node.id] <= node.gpus for node in nodes)
    size = shape.tensor_parallel_size
    for seat in replicas.seats:
        assert len(seat) == wanted
        assert len(set(seat)) <= shape.nodes
        assert all(len(set(seat[first : first + size])) == 1 for first in range(0, wanted, size))
    if shape.nodes == 1:  # no replica more would have fitted
        assert replicas.count == sum(node.gpus // wanted for node in nodes)


@ALIKE
@given(shapes(), st.data())
def test_room_given_back_is_room_again(drawn: tuple[list[Node], int, int | None], data: st.DataObject) -> None:
    nodes, wanted, stages = drawn
    room = Room(nodes)
    free = room.free
    shape = Replicas(0, wanted, 1, wanted // (stages or 1), stages or 1, data.draw(st.integers(1, 4)))
    seats = []
    while seat := room.take(shape):
        seats.append(seat)
    again = Room(nodes)
    again.occupy(shape.at(seats))
    assert again.free == room.free
    room.give_back(shape, seats)
    assert room.free == free
