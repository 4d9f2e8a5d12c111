"""What a run says while it works: live bars on a terminal, one line now and then elsewhere. All of it on stderr."""

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

_LINE_SECONDS = 10.0
_FEW = 4  # replicas that are shown one by one


class RunProgress:
    """Counts answered and judged turns, tokens generated in this run, and items without a result.

    `money` is what the output has cost so far, "" where it costs none.
    """

    def __init__(self, turns: int, judgments: int) -> None:
        self._console = Console(stderr=True)
        self._totals = {"answered": turns, "judged": judgments}
        self._done = dict.fromkeys(self._totals, 0)
        self._missed: dict[str, int] = {}
        self._engines = ""
        self.tokens = 0
        self.money = ""
        self._said = time.monotonic()
        self.restart_clock()
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        if self._console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description:9}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(),
                console=self._console,
            )

    def __enter__(self) -> "RunProgress":
        if self._bars:
            self._bars.start()
            self._tasks = {
                name: self._bars.add_task(name, total=total, note="") for name, total in self._totals.items() if total
            }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()
        self._line()

    def say(self, text: str) -> None:
        """One line of news."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def answered(self, tokens: int = 0) -> None:
        """A turn is answered; `tokens` were generated for it in this run."""
        self._step("answered", tokens)

    def judged(self, tokens: int = 0) -> None:
        """A judgment is there; `tokens` were generated for it in this run."""
        self._step("judged", tokens)

    def missed(self, kind: str) -> None:
        """An item ended without a result: "failed" or "unscored"."""
        self._missed[kind] = self._missed.get(kind, 0) + 1
        self._show()

    def engines(self, metrics: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """What the replicas of each model do at present, as their pool tells it."""
        self._engines = "; ".join(filter(None, (_engines(name, each) for name, each in metrics.items())))
        self._show()

    def show(self, table: RenderableType) -> None:
        """Something larger to look at."""
        self._console.print(table)

    def restart_clock(self) -> None:
        """Engines are ready: speeds and times left count from here."""
        self._began = time.monotonic()
        self._before = sum(self._done.values()), self.tokens

    def _step(self, what: str, tokens: int) -> None:
        self.tokens += tokens
        self._done[what] += 1
        if self._bars:
            self._bars.update(self._tasks[what], completed=self._done[what])
        self._show()

    def _show(self) -> None:
        if self._bars:
            for task in self._tasks.values():
                self._bars.update(task, note=self._rates())
        elif time.monotonic() - self._said >= _LINE_SECONDS:
            self._line()

    def _rates(self) -> str:
        speed = (self.tokens - self._before[1]) / max(1e-9, time.monotonic() - self._began)
        parts = [f"{speed:.0f} tok/s", *([self.money] if self.money else [])]
        counts = ", ".join([*parts, *(f"{count} {kind}" for kind, count in self._missed.items())])
        return f"{counts}; {self._engines}" if self._engines else counts

    def _line(self) -> None:
        self._said = time.monotonic()
        done = sum(self._done.values())
        total = sum(self._totals.values())
        seconds = self._said - self._began
        fresh = done - self._before[0]
        left = f", about {seconds / fresh * (total - done):.0f} s left" if fresh and done < total else ""
        counts = ", ".join(f"{name} {self._done[name]}/{total}" for name, total in self._totals.items() if total)
        print(f"{counts}, {self._rates()}{left}", file=sys.stderr, flush=True)


def _engines(name: str, replicas: Sequence[Mapping[str, Any]]) -> str:
    """Requests and cache hits of a model's replicas: each where they are few, else in sum; "" for an endpoint."""
    if not any(each["cache_hit_rate"] is not None or each["running"] for each in replicas):
        return ""
    running, waiting = ([each[what] for each in replicas] for what in ("running", "waiting"))
    rates = [each["cache_hit_rate"] or 0.0 for each in replicas]
    if len(replicas) <= _FEW:
        shown = "+".join(map(str, running)), "+".join(map(str, waiting)), "/".join(f"{rate:.0%}" for rate in rates)
    else:
        shown = str(sum(running)), str(sum(waiting)), f"{sum(rates) / len(rates):.0%}"
    return f"{name}: {shown[0]} running, {shown[1]} waiting, cache hits {shown[2]}"
