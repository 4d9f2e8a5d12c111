"""SIGTERM, SIGINT and SIGUSR1: stop taking work, let what is in flight finish, then end."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NoReturn

from mtbench_ko.errors import Preempted

STOPPED = "stopped by a signal; everything finished is saved, the same command goes on from here"
STUCK_SECONDS = 10.0
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

    A scheduler that ends the process may have ended Ray as well: then nothing in flight comes back, and calls into Ray
    block the event loop. So at a second signal, or when the loop stands still after one, `save` is called and the
    process ends at once. Yields a function that puts the handlers in place again, for after a library has put its own.
    """
    assert work is not None
    loop = asyncio.get_running_loop()
    stopping = over = False
    timers: list[asyncio.TimerHandle] = []

    def handle() -> None:
        nonlocal stopping
        if stopping:
            _save_and_exit(save)
        stopping = True
        stop()
        if not over:
            timers.append(loop.call_later(grace, work.cancel))

    def arm() -> None:
        for number in SIGNALS:
            signal.signal(number, _leave_it_to_the_thread)

    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    before = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(ear, loop, handle, partial(_save_and_exit, save)), daemon=True).start()
    arm()
    try:
        yield arm
    except asyncio.CancelledError:
        if not stopping:
            raise
        work.uncancel()
        raise Preempted(STOPPED) from None
    finally:
        over = True
        for timer in timers:
            timer.cancel()
        raise_on_signals()
        signal.set_wakeup_fd(before)
        mouth.close()


def _leave_it_to_the_thread(number: int, frame: object) -> None:
    """What Python wants to have, so that it writes the signal's number into the wakeup descriptor."""


def _listen(
    ear: socket.socket, loop: asyncio.AbstractEventLoop, handle: Callable[[], None], give_up: Callable[[], NoReturn]
) -> None:
    """In a thread, which hears signals even while the main one is blocked: have the loop `handle` them, and `give_up`
    if it stands still afterwards."""
    with ear, suppress(RuntimeError):  # the loop is closed
        heard = False
        while True:
            try:
                numbers = ear.recv(64)
            except TimeoutError:
                numbers = b"\0"
            if not numbers:
                return
            for _ in set(numbers).intersection(SIGNALS):
                heard = True
                ear.settimeout(1.0)
                loop.call_soon_threadsafe(handle)
            turned = threading.Event()
            loop.call_soon_threadsafe(turned.set)
            if heard and not turned.wait(STUCK_SECONDS) and not _closed(ear):
                give_up()


def _closed(ear: socket.socket) -> bool:
    """Whether the other end was closed: the work has ended."""
    ear.settimeout(0)
    try:
        return not ear.recv(64)
    except BlockingIOError:
        return False
    finally:
        ear.settimeout(1.0)


def _save_and_exit(save: Callable[[], None]) -> NoReturn:
    try:
        save()
    finally:
        os._exit(Preempted.exit_code)
