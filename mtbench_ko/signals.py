"""SIGTERM, SIGINT and SIGUSR1: stop taking work, let what is in flight finish, then end."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from mtbench_ko.errors import Preempted

STOPPED = "stopped by a signal; everything finished is saved, the same command goes on from here"
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


def raise_on_signals() -> None:
    """Outside the event loop, where nothing is in flight, a signal ends the run at once with exit code 75."""
    for number in SIGNALS:
        signal.signal(number, _raise)


def _raise(number: int, frame: object) -> NoReturn:
    raise Preempted(STOPPED)


@contextmanager
def stop_signals(
    work: asyncio.Task[Any] | None, stop: Callable[[], None], grace: float
) -> Iterator[Callable[[], None]]:
    """On a signal call `stop`, and cancel `work` if it has not ended `grace` seconds later.

    A second signal ends the grace, for who knows that nothing in flight will come back; a third ends the process at
    once, and what is journaled outlives it. Yields a function that puts the handlers in place again, for after a
    library has put its own.
    """
    assert work is not None
    loop = asyncio.get_running_loop()
    signals = 0

    def handle() -> None:
        nonlocal signals
        signals += 1
        if signals == 1:
            stop()
            loop.call_later(grace, work.cancel)
        elif signals == 2:
            work.cancel()
        else:
            os._exit(Preempted.exit_code)

    def arm() -> None:
        for number in SIGNALS:
            loop.add_signal_handler(number, handle)

    arm()
    try:
        yield arm
    except asyncio.CancelledError:
        if not signals:
            raise
        work.uncancel()
        raise Preempted(STOPPED) from None
    finally:
        with suppress(ValueError):
            for number in SIGNALS:
                loop.remove_signal_handler(number)
        raise_on_signals()
