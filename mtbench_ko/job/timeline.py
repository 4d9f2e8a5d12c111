"""What ran where and from when to when: the schedule and the engines in the manifest."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from mtbench_ko.engine import Pool, Replicas


@dataclass(eq=False)
class Stay:
    """The time of one model, or of the judge, on its engines.

    Attributes:
        marks: "loading", "ready", "answered" and "left", in seconds since the run began.
        engines: the replicas that served and what they did.
        failed: why it could not be served.
    """

    name: str
    kind: Literal["model", "judge"]
    replicas: Replicas | None
    timeline: "Timeline"
    marks: dict[str, float] = field(default_factory=dict)
    engines: list[dict[str, Any]] = field(default_factory=list)
    failed: str | None = None

    def mark(self, what: str) -> None:
        """This happens now."""
        self.marks[what] = round(self.timeline.clock() - self.timeline.began, 1)

    def read(self, pool: Pool) -> None:
        """Take down what the replicas did."""
        names = self.timeline.names
        self.engines = [each | {"node": names.get(each["node"], each["node"])} for each in pool.describe()]

    @property
    def where(self) -> list[dict[str, int]]:
        """For each replica its GPUs (or cores) by node."""
        if self.replicas is None:
            return []
        size = 1 if self.replicas.gpus else self.replicas.cpus
        return [
            {self.timeline.names.get(node, node): size * seat.count(node) for node in dict.fromkeys(seat)}
            for seat in self.replicas.seats
        ]

    @property
    def where_in_words(self) -> str:
        """Such as: 8 GPUs of a + 8 GPUs of b, 2 GPUs of c."""
        unit = "GPU" if self.replicas and self.replicas.gpus else "core"
        places = [
            " + ".join(f"{count} {unit}{'s' if count > 1 else ''} of {node}" for node, count in seat.items())
            for seat in self.where
        ]
        return ", ".join(places)

    def public(self) -> dict[str, Any]:
        """The line of the schedule."""
        unit = "gpus" if self.replicas is None or self.replicas.gpus else "cpus"
        return {"name": self.name, "kind": self.kind, unit: self.where, **self.marks, "failed": self.failed}


class Timeline:
    """All stays of a run. `names` are what people call the nodes, by id."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.began = clock()
        self.clock = clock
        self.names: dict[str, str] = {}
        self._stays: list[Stay] = []

    def enter(self, name: str, kind: Literal["model", "judge"], replicas: Replicas | None) -> Stay:
        """Engines are about to load."""
        stay = Stay(name, kind, replicas, self)
        stay.mark("loading")
        self._stays.append(stay)
        return stay

    def schedule(self) -> list[dict[str, Any]]:
        """Who was where, in the order of loading."""
        return [stay.public() for stay in self._stays]

    def hours(self) -> dict[str, float]:
        """What engines held, from loading until they left or until now: GPU hours, and hours of cores without GPUs."""
        held = {"gpu_hours": 0.0, "cpu_core_hours": 0.0}
        for stay in self._stays:
            if stay.replicas:
                seconds = stay.marks.get("left", self.clock() - self.began) - stay.marks["loading"]
                unit, size = ("gpu", stay.replicas.gpus) if stay.replicas.gpus else ("cpu_core", stay.replicas.cpus)
                held[f"{unit}_hours"] += stay.replicas.count * size * seconds / 3600
        return {name: round(hours, 4) for name, hours in held.items()}

    def engines(self) -> dict[str, Any]:
        """The replicas that served each model and the judge, and their totals."""
        return {
            stay.name if stay.kind == "model" else f"judge:{stay.name}": {"replicas": stay.engines} | _totals(stay)
            for stay in self._stays
            if stay.engines
        }


def _totals(stay: Stay) -> dict[str, Any]:
    seconds = stay.marks.get("answered", stay.marks.get("left", 0.0)) - stay.marks.get("ready", 0.0)
    tokens = sum(each["generated_tokens"] for each in stay.engines)
    rates = [each["cache_hit_rate"] for each in stay.engines if each["cache_hit_rate"] is not None]
    return {
        "seconds": round(seconds, 1),
        "tokens": tokens,
        "tokens_per_second": round(tokens / seconds, 1) if seconds > 0 else None,
        "cache_hit_rate": round(sum(rates) / len(rates), 3) if rates else None,
    }
