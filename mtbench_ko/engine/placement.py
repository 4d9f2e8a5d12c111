"""Which GPUs each replica of each model gets, and when the local judge runs. Pure arithmetic, no Ray.

A replica has TP x PP GPUs: PP stages of TP GPUs each, and a stage never leaves its node. A replica spans as few nodes
as can hold it. Models are served in order: each waiting one gets a replica before any gets a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mtbench_ko.errors import UsageError

JudgeTime = Literal["none", "endpoint", "shared", "beside", "after"]
Seat = tuple[str, ...]
"""The node of each GPU of one replica, in the order of its ranks: stage after stage. On CPU, of its cores at once."""


@dataclass(frozen=True)
class Node:
    """What Ray offers on one node. `id` is Ray's, `name` is what people call it."""

    gpus: int
    cpus: int
    id: str = ""
    name: str = ""


@dataclass(frozen=True)
class Replicas:
    """`count` equal replicas of one model, each of `gpus` = tensor x pipeline parallel GPUs, or of `cpus` cores.

    Attributes:
        nodes: how many nodes one replica spans.
        seats: where each of them sits; empty leaves that to Ray.
    """

    count: int
    gpus: int
    cpus: int
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    nodes: int = 1
    seats: tuple[Seat, ...] = ()

    def at(self, seats: Sequence[Seat]) -> "Replicas":
        """Replicas of this shape, one on each of the `seats`."""
        return replace(self, count=len(seats), seats=tuple(seats))

    @property
    def stages(self) -> tuple[int, int]:
        """How many stages, and the GPUs (or cores) of each."""
        return (self.pipeline_parallel_size, self.tensor_parallel_size) if self.gpus else (1, self.cpus)

    def __str__(self) -> str:
        """The shape of one replica in words."""
        if not self.gpus:
            return f"{self.cpus} CPU core{'s' if self.cpus > 1 else ''}"
        parallel = f"tensor parallel {self.tensor_parallel_size}, pipeline parallel {self.pipeline_parallel_size}"
        return f"{gpus(self.gpus)} ({parallel}{f', over {self.nodes} nodes' if self.nodes > 1 else ''})"


@dataclass(frozen=True)
class Ask:
    """What a model asks for: replicas of a shape, `wanted` of them, or None for as many as find room, up to `most`."""

    shape: Replicas
    wanted: int | None = None
    most: int = 1 << 30


class Room:
    """The GPUs (without any: the cores) of `nodes` that are free, at most `total` of them in all."""

    def __init__(self, nodes: Sequence[Node], total: int | None = None) -> None:
        self._on_gpus = any(node.gpus for node in nodes)
        self._free = {node.id: node.gpus if self._on_gpus else node.cpus for node in nodes}
        self._left = sum(self._free.values()) if total is None else total

    @property
    def free(self) -> int:
        """GPUs or cores that may still be taken."""
        return min(self._left, sum(self._free.values()))

    def take(self, shape: Replicas) -> Seat | None:
        """Seat one replica of `shape`, on the node that it leaves least of, else on as few as can hold it.

        None if there is no room now.
        """
        count, size = shape.stages
        if count * size > self._left:
            return None
        stages = self._on_one_node(count, size) or self._on_several(count, size, shape.nodes)
        if not stages:
            return None
        for node in stages:
            self._free[node] -= size
        self._left -= count * size
        return tuple(node for node in stages for _ in range(size)) if shape.gpus else tuple(stages)

    def take_all(self, shape: Replicas, count: int) -> list[Seat]:
        """Seat `count` replicas, or none."""
        seats: list[Seat] = []
        while len(seats) < count and (seat := self.take(shape)):
            seats.append(seat)
        if len(seats) < count:
            self.give_back(shape, seats)
            return []
        return seats

    def occupy(self, replicas: Replicas) -> None:
        """Replicas sit there already; nodes that have gone do not count."""
        size = 1 if replicas.gpus else replicas.cpus
        for node in (node for seat in replicas.seats for node in seat):
            if node in self._free:
                self._free[node] -= size
                self._left -= size

    def give_back(self, shape: Replicas, seats: Sequence[Seat]) -> None:
        """The replicas of `shape` that sat on `seats` have gone."""
        size = 1 if shape.gpus else shape.cpus
        for seat in seats:
            for node in seat:
                self._free[node] += size
            self._left += size * len(seat)

    def _on_one_node(self, count: int, size: int) -> list[str]:
        """The node of each stage, all the same; empty if none holds them all."""
        fitting = [node for node, free in self._free.items() if free >= count * size]
        return [min(fitting, key=self._free.__getitem__)] * count if fitting else []

    def _on_several(self, count: int, size: int, most: int) -> list[str]:
        """The node of each stage, those with most room first, at most `most` of them; empty if that is not enough."""
        stages: list[str] = []
        for node in sorted(self._free, key=self._free.__getitem__, reverse=True)[:most]:
            stages += [node] * min(self._free[node] // size, count - len(stages))
        return stages if len(stages) == count else []


def admit(room: Room, asks: Sequence[Ask]) -> list[Replicas]:
    """Seat the first of `asks`, in their order and up to the one that finds no room; later ones do not overtake it.

    Each gets what it wants, or one replica; when all have, those that want as many as possible take the rest by turns.
    """
    given: list[list[Seat]] = []
    for ask in asks:
        seats = room.take_all(ask.shape, ask.wanted or 1)
        if not seats:
            break
        given.append(seats)
    growing = [(ask, seats) for ask, seats in zip(asks, given, strict=False) if ask.wanted is None]
    while growing and len(given) == len(asks):
        for entry in list(growing):
            ask, seats = entry
            seat = room.take(ask.shape) if len(seats) < ask.most else None
            if seat is None:
                growing.remove(entry)
            else:
                seats.append(seat)
    return [ask.shape.at(seats) for ask, seats in zip(asks, given, strict=False)]


def find_shape(
    nodes: Sequence[Node],
    *,
    gpus_per_model: int | None = None,
    pipeline_parallel_size: int | None = None,
    replicas: int | None = None,
    total: int | None = None,
) -> Replicas:
    """The shape of one replica (with `count` 0) that `nodes` can hold.

    Without a GPU and with none asked for, a replica is an engine on CPU cores of one node.

    Raises:
        UsageError: the shape is impossible; the message says which number to change.
    """
    available = sum(node.gpus for node in nodes)
    if available == 0 and gpus_per_model is None and total is None:
        return _on_cpu(nodes, replicas or 1)
    wanted = 1 if gpus_per_model is None else gpus_per_model
    if wanted > available:
        raise UsageError(f"--num-gpus-per-model {wanted}, and the cluster has {gpus(available)}")
    if total is not None and total > available:
        raise UsageError(f"--num-gpus-total {total}, and the cluster has {gpus(available)}")
    if total is not None and wanted > total:
        raise UsageError(f"--num-gpus-per-model {wanted} is more than --num-gpus-total {total}")
    stages = pipeline_parallel_size or _fewest_stages(nodes, wanted)
    if wanted % stages:
        raise UsageError(f"--pipeline-parallel-size {stages} does not divide --num-gpus-per-model {wanted}")
    size = wanted // stages
    spanned = _nodes_spanned(nodes, stages, size)
    if spanned is None:
        raise UsageError(_impossible(nodes, wanted, pipeline_parallel_size))
    return Replicas(0, wanted, 1, size, stages, spanned)


def place(nodes: Sequence[Node], shape: Replicas, *, wanted: int | None = None, room: Room | None = None) -> Replicas:
    """Seat the `wanted` replicas, or as many as fit, in the `room` that is left of `nodes`.

    Raises:
        UsageError: they do not fit.
    """
    room = room or Room(nodes)
    found = admit(room, [Ask(shape, wanted)])
    if not found:
        fitting = [each.count for each in admit(room, [Ask(shape)])]
        raise UsageError(f"--replicas {wanted or 1} of {shape} do not fit: there is room for {sum(fitting)}")
    return found[0]


def refuse_leftovers(nodes: Sequence[Node], replicas: Replicas, total: int | None) -> None:
    """See that a model that is alone, and has all that fit, leaves nothing idle.

    Raises:
        UsageError: it does; the message says what to ask for.
    """
    used = replicas.count * replicas.gpus
    offered = sum(node.gpus for node in nodes) if total is None else total
    if replicas.gpus and used < offered:
        raise UsageError(
            f"{gpus(offered)} cannot be shared out into replicas of {replicas}: {offered - used} would idle. "
            f"Say --replicas {replicas.count}, or --num-gpus-total {used}"
        )


def judge_time(nodes: Sequence[Node], shapes: Sequence[Replicas], judge: Replicas, total: int | None) -> JudgeTime:
    """Whether a local judge of other weights runs "beside" the models, on GPUs to spare, or "after" them."""
    for shape in shapes:
        room = Room(nodes, total)
        if not judge.gpus or room.take(judge) is None or room.take(shape) is None:
            return "after"
    return "beside"


def gpus(count: int) -> str:
    return f"{count} GPU" if count == 1 else f"{count} GPUs"


def _fewest_stages(nodes: Sequence[Node], wanted: int) -> int:
    """One stage for each node that a replica has to span; those of a node hold equally many GPUs."""
    for stages in range(1, len(nodes) + 1):
        if wanted % stages == 0 and sum(node.gpus >= wanted // stages for node in nodes) >= stages:
            return stages
    raise UsageError(_impossible(nodes, wanted, None))


def _nodes_spanned(nodes: Sequence[Node], stages: int, size: int) -> int | None:
    """How few nodes hold the stages, None if all do not."""
    for count, node in enumerate(sorted(nodes, key=lambda node: node.gpus, reverse=True), start=1):
        stages -= node.gpus // size
        if stages <= 0:
            return count
    return None


def _impossible(nodes: Sequence[Node], wanted: int, stages: int | None) -> str:
    """Why no replica of `wanted` GPUs fits, and what would."""
    has = ", ".join(str(node.gpus) for node in nodes)
    said = f"--num-gpus-per-model {wanted}" + (f" --pipeline-parallel-size {stages}" if stages else "")
    why = (
        f"{stages} stages of {gpus(wanted // stages)}, each on one node"
        if stages
        else "equal parts of it, each on a node of its own"
    )
    fitting = [n for n in range(1, wanted + 1) if wanted % n == 0 and _nodes_spanned(nodes, n, wanted // n)]
    smaller = max(node.gpus for node in nodes)
    advice = f"--pipeline-parallel-size {fitting[0]} fits" if fitting else f"--num-gpus-per-model {smaller} fits a node"
    return f"{said}: the nodes have {has} GPUs, which cannot hold {why}. {advice}"


def _on_cpu(nodes: Sequence[Node], count: int) -> Replicas:
    """A replica with as many cores as `count` of them can have."""
    for cores in range(max(node.cpus for node in nodes), 0, -1):
        if sum(node.cpus // cores for node in nodes) >= count:
            return Replicas(0, 0, cores)
    cores = sum(node.cpus for node in nodes)
    raise UsageError(f"--replicas {count}: an engine on CPU needs a core, and there are {cores}")
