"""Who kills the parts of a run, one after the other, in an order and at moments that a seed decides."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from conftest import kill
from fake_openai import FakeOpenAI, Fault
from real_nodes import Nodes, RealNode
from s3_server import S3Server

DECK = {"engine": 5, "replica": 4, "judge": 4, "node": 4, "store": 4, "driver": 4, "driver and spool": 3}
"""What is killed, and how often."""
_FAULTS: tuple[int | str, ...] = (429, 500, 503, "garbage", "empty", "truncated", "reset")
_FAULTY = 0.15  # of all calls to the judge


def grave_judge(body: dict[str, Any], number: int) -> str:
    """A judge whose rating depends on the messages alone."""
    shown = json.dumps(body["messages"], ensure_ascii=False, sort_keys=True)
    rating = hashlib.sha256(shown.encode()).digest()[0] % 10 + 1
    if "response_format" in body:
        return json.dumps({"explanation": "평가", "rating": rating}, ensure_ascii=False)
    return f"평가. 평점: [[{rating}]]"


def faulty_judge(seed: int) -> FakeOpenAI:
    """The same on a bad day."""
    draw = random.Random(seed)

    def reply(body: dict[str, Any], number: int) -> str | Fault:
        return Fault(draw.choice(_FAULTS)) if draw.random() < _FAULTY else grave_judge(body, number)

    return FakeOpenAI(reply=reply, latency=0.2)


@dataclass
class Chaos:
    """A run that goes on while its parts are killed.

    `start` starts the driver, given further arguments. `events` tell what was killed when, in seconds from the start.
    """

    nodes: Nodes
    store: S3Server
    judge: FakeOpenAI
    start: Callable[..., subprocess.Popen[str]]
    spool: Path
    draw: random.Random
    events: list[tuple[int, str]] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)

    def run(self, deadline: float) -> None:
        """Until the run is complete; a driver that ends with failed items is started with --retry-failed.

        Raises:
            RuntimeError: it ended in a way that nobody can want, or took longer than `deadline` seconds.
        """
        self._began, self._deadline = time.monotonic(), deadline
        self._process = self.start()
        deck = [what for what, count in DECK.items() for _ in range(count)]
        self.draw.shuffle(deck)
        while self.exits[-1:] != [0]:
            if not self._goes_on(self.draw.randint(1, 3) if deck else None):
                self.exits.append(self._process.wait())
                if self.exits[-1] not in (0, 3):
                    raise RuntimeError(f"the driver ended with {self.exits[-1]}")
                if self.exits[-1] == 3:
                    self._process = self.start("--retry-failed")
            elif deck:
                what = deck.pop()
                self.events.append((round(time.monotonic() - self._began), what))
                print(f"{self.events[-1][0]:5d} s  {what}", flush=True)
                getattr(self, f"_kill_{what.replace(' ', '_')}")()

    def end(self) -> None:
        self._process.kill()

    def _goes_on(self, calls: int | None) -> bool:
        """Whether the driver is there after so many more calls to the judge; None waits for its end."""
        until = float("inf") if calls is None else len(self.judge.requests) + calls
        while self._process.poll() is None and len(self.judge.requests) < until:
            time.sleep(0.1)
            if time.monotonic() - self._began > self._deadline:
                raise RuntimeError(f"not complete after {self._deadline:.0f} s")
        return self._process.poll() is None

    def _some_engine(self) -> RealNode | None:
        """None if the run ends before there is one."""
        while not (there := self.nodes.with_engines()) and self._process.poll() is None:
            time.sleep(0.2)
        return self.draw.choice(there) if there else None

    def _kill_engine(self) -> None:
        if chosen := self._some_engine():
            chosen.core.kill()

    def _kill_replica(self) -> None:
        if chosen := self._some_engine():
            with suppress(psutil.NoSuchProcess):
                chosen.core.parent().kill()  # type: ignore[union-attr]

    def _kill_judge(self) -> None:
        for _, pid in self.nodes.actors("EndpointReplica"):
            with suppress(ProcessLookupError):
                os.kill(pid, 9)

    def _kill_node(self) -> None:
        if chosen := self._some_engine():
            lost = self.nodes.kill(chosen)
            time.sleep(self.draw.uniform(0, 5))
            self.nodes.add(lost.gpus)

    def _kill_store(self) -> None:
        self.store.kill()
        time.sleep(self.draw.uniform(0, 5))
        self.store.start()

    def _kill_driver(self) -> None:
        kill(self._process)
        self._process = self.start()

    def _kill_driver_and_spool(self) -> None:
        kill(self._process)
        shutil.rmtree(self.spool)
        self._process = self.start()
