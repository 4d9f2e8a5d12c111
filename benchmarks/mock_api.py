"""An OpenAI chat-completions endpoint on loopback that costs next to nothing, paces its replies and fails on request.

    python benchmarks/mock_api.py --port 0 --latency 2.0 --p-500 0.01 --rpm 1200

prints the port it listens on, then serves until it is killed. `POST /v1/chat/completions` is answered with a Korean
judge's reply of about 1.3 KB; `GET /stats` gives the counters since the last `/reset`, which also starts the draws of
latencies and faults from the seed again: every client that is measured meets the same sequence.

HTTP/1.1 by hand on `asyncio.Protocol` (with uvloop where it is installed), since a web framework would take a
noticeable part of the machine that the client under test runs on.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import cast

_SENTENCE = "답변은 질문이 요구한 바를 빠짐없이 다루고 있으며, 설명의 순서가 자연스럽고 사실에도 큰 잘못이 없습니다. "
RATING = "평점: [[8]]"
REPLY = _SENTENCE * 9 + "다만 둘째 문단의 예시는 조금 더 구체적이면 좋겠습니다.\n\n" + RATING
_QUICK = 0.005  # seconds to a 429
_STRATA = 80
_REASONS = {200: "OK", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}


@dataclass(frozen=True)
class Behaviour:
    """How to answer: `latency` in seconds, each drawn from latency ± `jitter` (a share); `p_` are probabilities."""

    latency: float = 2.0
    jitter: float = 0.1
    p_429: float = 0.0
    p_500: float = 0.0
    p_malformed: float = 0.0
    p_reset: float = 0.0
    rpm: float = 0.0  # requests a minute, with one second's worth at once; 0: no limit
    warm_up: int = 0  # calls at the very start that are answered at once and well
    seed: int = 1

    @property
    def faults(self) -> tuple[tuple[str, float], ...]:
        return (
            ("429", self.p_429),
            ("500", self.p_500),
            ("malformed", self.p_malformed),
            ("reset", self.p_reset),
        )

    def latencies(self) -> Iterator[float]:
        """The seconds that calls take, in the order in which they come."""
        for draw in _draws(self.seed):
            yield self.latency * (1 + self.jitter * (2 * draw - 1))

    def fates(self) -> Iterator[str | None]:
        """The fault that calls meet, mostly None, in the order in which they come."""
        for draw in _draws(self.seed + 1):
            yield self._fate(draw)

    def _fate(self, draw: float) -> str | None:
        for fault, probability in self.faults:
            if draw < probability:
                return fault
            draw -= probability
        return None


def _draws(seed: int) -> Iterator[float]:
    """Uniform in [0, 1), one of each of 80 equal strata in every 80: short runs meet the same shares as long ones."""
    generator = random.Random(seed)
    strata = list(range(_STRATA))
    while True:
        generator.shuffle(strata)
        for stratum in strata:
            yield (stratum + generator.random()) / _STRATA


@dataclass
class Counters:
    """What has happened since the last reset. `served_seconds` sums the time that calls were being worked on."""

    requests: int = 0
    completions: int = 0
    limited: int = 0  # 429s of the rate limit
    faults: dict[str, int] = field(default_factory=lambda: {"429": 0, "500": 0, "malformed": 0, "reset": 0})
    abandoned: int = 0  # the client went away first
    in_flight: int = 0
    max_in_flight: int = 0
    served_seconds: float = 0.0
    cpu_seconds: float = 0.0


class _Bucket:
    """Tokens of a rate limit: one second's worth at most."""

    def __init__(self, per_minute: float) -> None:
        self._rate = per_minute / 60
        self._tokens = self._size = max(1.0, self._rate)
        self._at = time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._tokens = min(self._size, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def _response(status: int, body: bytes, extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{extra}\r\n".encode() + body


def _error(status: int, message: str, extra: str = "") -> bytes:
    body = {"error": {"message": message, "type": "mock", "code": None}}
    return _response(status, json.dumps(body).encode(), extra)


def _completion() -> bytes:
    body = {
        "id": "chatcmpl-mock",
        "object": "chat.completion",
        "created": 1_750_000_000,
        "model": "judge",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": REPLY, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 1400, "completion_tokens": 420, "total_tokens": 1820},
    }
    return _response(200, json.dumps(body, ensure_ascii=False).encode(), "x-request-id: req-mock\r\n")


_COMPLETION = _completion()
_LIMITED = _error(429, "rate limit reached", "Retry-After: 1\r\n")
_FAULTS: dict[str, bytes | None] = {
    "429": _LIMITED,
    "500": _error(500, "injected"),
    "malformed": _response(200, b'{"id": "chatcmpl-mock", "choices": [{"ind'),
    "reset": None,
}


class Endpoint:
    """What all connections share."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._warm_up = behaviour.warm_up
        self.counters = Counters()
        self.reset()

    def reset(self) -> None:
        """Zero the counters, fill the bucket, and draw from the seed again."""
        in_flight = self.counters.in_flight
        self.counters = Counters(in_flight=in_flight, max_in_flight=in_flight)
        self._cpu_before = time.process_time()
        self._latencies, self._fates = self._behaviour.latencies(), self._behaviour.fates()
        self._bucket = _Bucket(self._behaviour.rpm) if self._behaviour.rpm else None

    def stats(self) -> bytes:
        self.counters.cpu_seconds = time.process_time() - self._cpu_before
        return _response(200, json.dumps(asdict(self.counters)).encode())

    def answer(self) -> tuple[float, bytes | None]:
        """Seconds from now and what to send then; None: reset the connection."""
        if self._warm_up:
            self._warm_up -= 1
            return 0.0, _COMPLETION
        if self._bucket and not self._bucket.take():
            self.counters.limited += 1
            return _QUICK, _LIMITED
        latency, fault = next(self._latencies), next(self._fates)
        if fault is None:
            self.counters.completions += 1
            return latency, _COMPLETION
        self.counters.faults[fault] += 1
        return _QUICK if fault == "429" else latency, _FAULTS[fault]

    def began(self) -> None:
        counters = self.counters
        counters.requests += 1
        counters.in_flight += 1
        counters.max_in_flight = max(counters.max_in_flight, counters.in_flight)

    def ended(self, seconds: float) -> None:
        self.counters.in_flight -= 1
        self.counters.served_seconds += seconds


class Connection(asyncio.Protocol):
    """One keep-alive connection; its requests are answered one after the other."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._end()
            self._endpoint.counters.abandoned += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def _next(self) -> None:
        while self._timer is None and (request := self._request()) is not None:
            self._handle(request)

    def _request(self) -> bytes | None:
        """The request line of the next whole request, None if there is none yet."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self._buffer[:end])
        _, _, rest = head.lower().partition(b"content-length:")
        length = int(rest.partition(b"\r\n")[0]) if rest else 0
        if len(self._buffer) < end + 4 + length:
            return None
        del self._buffer[: end + 4 + length]
        return head.partition(b"\r\n")[0]

    def _handle(self, request: bytes) -> None:
        if b"/chat/completions" in request:
            self._endpoint.began()
            self._since = self._loop.time()
            seconds, reply = self._endpoint.answer()
            self._timer = self._loop.call_later(seconds, self._reply, reply)
        elif b" /stats" in request:
            self._transport.write(self._endpoint.stats())
        elif b" /reset" in request:
            self._endpoint.reset()
            self._transport.write(self._endpoint.stats())
        else:
            self._transport.write(_error(404, "no such path"))

    def _reply(self, reply: bytes | None) -> None:
        self._end()
        if reply is None:
            self._transport.abort()
            return
        self._transport.write(reply)
        self._next()

    def _end(self) -> None:
        self._timer = None
        self._endpoint.ended(self._loop.time() - self._since)


async def serve(port: int, behaviour: Behaviour) -> None:
    """Serve on 127.0.0.1; print the port once it listens."""
    endpoint = Endpoint(behaviour)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(endpoint), "127.0.0.1", port, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    for option in fields(Behaviour):
        parser.add_argument(f"--{option.name.replace('_', '-')}", type=type(option.default), default=option.default)
    arguments = vars(parser.parse_args())
    try:
        import uvloop
    except ImportError:
        run = asyncio.run
    else:
        run = uvloop.run
    run(serve(arguments.pop("port"), Behaviour(**arguments)))


if __name__ == "__main__":
    main()
