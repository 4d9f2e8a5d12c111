"""The placement of a plan as a table: which node's GPUs hold which stage of which replica of which model."""

from collections.abc import Iterator

from rich.table import Table

from mtbench_ko.engine import Node, Replicas
from mtbench_ko.job.plan import Plan

_WAITING = 20  # models that are shown with a row each


def placement_table(plan: Plan) -> Table:
    """A row for each part of a replica that lies on one node, for what idles there, and for models that wait."""
    unit = "GPUs" if any(node.gpus for node in plan.nodes) else "cores"
    table = Table("node", unit, "model", "replica", "part", title="Placement")
    placed = dict(plan.first())
    judge = plan.judge_replicas
    if judge and plan.judge == "beside":
        placed["judge"] = judge
    for node in plan.nodes:
        size = node.gpus if unit == "GPUs" else node.cpus
        taken = 0
        for name, replicas in placed.items():
            for count, number, part in _parts(replicas, node):
                table.add_row(node.name, _span(taken, count), name, f"{number} of {replicas.count}", part)
                taken += count
        if taken < size:
            table.add_row(node.name, _span(taken, size - taken), "", "", "free")
    waiting = list(plan.asks.items())[len(plan.first()) :]
    for name, ask in waiting[:_WAITING]:
        table.add_row("", str(ask.shape.gpus or ask.shape.cpus), name, f"{ask.wanted or 1}", "waits for its turn")
    if len(waiting) > _WAITING:
        table.add_row("", "", f"{len(waiting) - _WAITING} more", "", "wait for their turn")
    if judge and plan.judge == "after":
        table.add_row("", str(judge.gpus or judge.cpus), "judge", "1", "after the models")
    return table


def _parts(replicas: Replicas, node: Node) -> Iterator[tuple[int, int, str]]:
    """What lies on `node`: GPUs (or cores), number of the replica, and what it is of it."""
    for number, seat in enumerate(replicas.seats, start=1):
        if node.id not in seat:
            continue
        if not replicas.gpus:
            yield replicas.cpus, number, "engine on CPU"
            continue
        count, size = seat.count(node.id), replicas.tensor_parallel_size
        first = seat.index(node.id) // size + 1
        last = first + count // size - 1
        stages = f"stage {first}" if first == last else f"stages {first}-{last}"
        total = replicas.pipeline_parallel_size
        part = f"{stages} of {total}, tensor parallel {size}" if total > 1 else f"tensor parallel {size}"
        yield count, number, part


def _span(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}-{first + count - 1}"
