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
    work: asyncio.Task[Any] | None, stop: Callable[[], None], grace: float, save: Callable[[], None]
) -> Iterator[Callable[[], None]]:
    """On a signal call `stop`, and cancel `work` if it has not ended `grace` seconds later.

    A second signal calls `save` and ends the process at once, whatever engines do: when a scheduler ends Ray too,
    nothing that is in flight will come back. Yields a function that puts the handlers in place again, for after a
    library has put its own.
    """
    assert work is not None
    loop = asyncio.get_running_loop()
    stopping = False

    def handle() -> None:
        nonlocal stopping
        if stopping:
            try:
                save()
            finally:
                os._exit(Preempted.exit_code)
        stopping = True
        stop()
        loop.call_later(grace, work.cancel)

    def arm() -> None:
        for number in SIGNALS:
            loop.add_signal_handler(number, handle)

    arm()
    try:
        yield arm
    except asyncio.CancelledError:
        if not stopping:
            raise
        work.uncancel()
        raise Preempted(STOPPED) from None
    finally:
        with suppress(ValueError):
            for number in SIGNALS:
                loop.remove_signal_handler(number)
        raise_on_signals()
