"""Which conversation goes to which replica, and which waits: pure bookkeeping of one event loop."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from mtbench_ko.engine.base import Replica, ReplicaInfo


@dataclass(eq=False)
class Talk:
    """A conversation. `deaths` counts the engines that died under it, `convicted` that it was why.

    An engine takes innocent conversations along when it dies. So those that saw one death go on beside each other;
    if an engine dies under several of them again, they go on one by one, at most one on a replica; and one that was
    the only such conversation on a dying engine is set aside.
    """

    host: "Host | None" = None
    seated: float | None = None
    deaths: int = 0
    convicted: bool = False

    @property
    def alone(self) -> bool:
        return self.deaths > 1


@dataclass(eq=False)
class Host:
    """A replica that serves, with the conversations on it."""

    number: int
    replica: Replica
    info: ReplicaInfo
    joined: float
    talks: set[Talk] = field(default_factory=set)

    def admits(self, talk: Talk) -> bool:
        if len(self.talks) >= self.info.slots:
            return False
        if not talk.deaths:
            return True
        suspects = [other for other in self.talks if other.deaths]
        return not suspects if talk.alone else not any(other.alone for other in suspects)


class Balance:
    """Gives every conversation a place at the replica with the fewest, or has it wait for one.

    Those that lost their replica come before those that have not begun, which come in the order of their calls.
    """

    def __init__(self) -> None:
        self.hosts: list[Host] = []
        self._moved: deque[tuple[Talk, asyncio.Future[Host]]] = deque()
        self._new: deque[tuple[Talk, asyncio.Future[Host]]] = deque()
        self._failure: BaseException | None = None

    def join(self, host: Host) -> None:
        """A replica can serve: conversations that wait go to it."""
        self.hosts.append(host)
        self._hand_out()

    def died(self, host: Host, blame: bool) -> None:
        """A replica serves no more; `blame` says whether a conversation can have been the reason."""
        self.hosts.remove(host)
        suspects = [talk for talk in host.talks if talk.deaths]
        for talk in host.talks:
            talk.host = None
            talk.convicted = blame and suspects == [talk]
            talk.deaths += blame
        host.talks.clear()

    def fail(self, failure: BaseException) -> None:
        """Nothing serves any more: all that wait and that come are told why, the first reason that there was."""
        self._failure = self._failure or failure
        for _, place in [*self._moved, *self._new]:
            if not place.done():
                place.set_exception(failure)

    async def seat(self, talk: Talk) -> Host:
        """Where the next turn of `talk` goes; waits for room if it has no place.

        It keeps its place, for the sake of the prefix cache, unless a replica that joined later has less to do.
        """
        if self._failure is not None:
            raise self._failure
        if talk.host is not None:
            assert talk.seated is not None
            later = [host for host in self.hosts if host.joined > talk.seated and host.admits(talk)]
            fewest = min(later, key=_load, default=talk.host)
            if _load(fewest) + 1 < _load(talk.host):
                self._place(talk, fewest)
            return talk.host
        place: asyncio.Future[Host] = asyncio.get_running_loop().create_future()
        (self._new if talk.seated is None else self._moved).append((talk, place))
        self._hand_out()
        try:
            return await place
        except asyncio.CancelledError:
            self.leave(talk)  # it may have got its place in the same moment
            raise

    def leave(self, talk: Talk) -> None:
        """`talk` has ended; its place goes to the next one."""
        if talk.host is not None:
            talk.host.talks.discard(talk)
            talk.host = None
            self._hand_out()

    def _hand_out(self) -> None:
        for queue in (self._moved, self._new):
            while queue:
                talk, place = queue[0]
                if not place.done():  # else its caller has gone
                    host = min((host for host in self.hosts if host.admits(talk)), key=_load, default=None)
                    if host is None:
                        break
                    self._place(talk, host)
                    place.set_result(host)
                queue.popleft()

    def _place(self, talk: Talk, host: Host) -> None:
        if talk.host is not None:
            talk.host.talks.discard(talk)
        host.talks.add(talk)
        talk.host = host
        talk.seated = asyncio.get_running_loop().time()


def _load(host: Host) -> int:
    return len(host.talks)
