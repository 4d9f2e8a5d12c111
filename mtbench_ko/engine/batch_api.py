"""OpenAI's Files and Batches endpoints: every call is tried until it is through, and no batch is made twice."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from mtbench_ko.engine.api_errors import classify
from mtbench_ko.engine.base import CompletionFailed, Failure
from mtbench_ko.engine.batch_lines import CALL
from mtbench_ko.engine.endpoint import EndpointSpec
from mtbench_ko.errors import Stopped
from mtbench_ko.urls import without_secrets

if TYPE_CHECKING:
    from openai.types import Batch

MARK = "mtbench_ko"  # the key in a batch's metadata under which our id stands
_CLOCKS = 3600.0  # seconds by which the API's clock may be behind ours
_UNSEEN = 5  # tries while a file that was just written is not found
_PASSING = ("rate_limited", "timeout", "connection", "api_error")
log = logging.getLogger(__name__)
T = TypeVar("T")


class BatchApi:
    """A client; `start` it in the event loop that uses it."""

    def __init__(self, spec: EndpointSpec, pause: float, patience: float) -> None:
        """A call that fails for a passing reason is made again after `pause` seconds, for `patience` seconds."""
        self._spec = spec
        self._pause, self._patience = pause, patience
        self.base_url = without_secrets(spec.base_url or "https://api.openai.com/v1")

    async def start(self) -> None:
        """Connect.

        Raises:
            Stopped: the key is refused, or there is no Batch API.
            CompletionFailed: it cannot be reached.
        """
        import openai

        self._client = openai.AsyncOpenAI(
            base_url=self._spec.base_url,
            api_key=self._spec.api_key,
            max_retries=2,
            timeout=self._spec.timeout,
        )
        await self._patiently(lambda: self._client.batches.list(limit=1))

    async def close(self) -> None:
        await self._client.close()

    async def upload(self, lines: bytes) -> str:
        """Make an input file; returns its id."""
        file = ("mtbench-ko.jsonl", lines)
        return (await self._patiently(lambda: self._client.files.create(file=file, purpose="batch"))).id

    async def create(self, input_file_id: str, mark: str, since: float) -> "Batch":
        """Make the batch with `mark`. After a call that may have come through all the same (the reply was lost), it is
        looked for first: two batches would be paid twice."""
        import openai

        tried: list[bool] = []
        unseen = _UNSEEN

        async def once() -> "Batch":
            nonlocal unseen
            if tried and (found := await self._look_for(mark, since)):
                return found
            tried.append(True)
            try:
                return await self._client.with_options(max_retries=0).batches.create(
                    input_file_id=input_file_id,
                    endpoint=CALL,
                    completion_window="24h",
                    metadata={MARK: mark},
                )
            except openai.BadRequestError as error:  # a file is not always seen at once
                unseen -= 1
                if unseen and input_file_id in str(error):
                    raise openai.APIConnectionError(message=str(error), request=error.request) from error
                raise

        return await self._patiently(once)

    async def find(self, mark: str, since: float) -> "Batch | None":
        """The batch with `mark`, made after the Unix time `since`."""
        return await self._patiently(lambda: self._look_for(mark, since))

    async def retrieve(self, batch_id: str) -> "Batch":
        """The batch as it is now.

        Raises:
            Stopped: it is not there: it may belong to another key.
        """
        what = f"batch {batch_id} of this run (with another project's key? without --judge-batch it is not asked for)"
        return await self._patiently(lambda: self._client.batches.retrieve(batch_id), what)

    async def download(self, file_id: str) -> bytes | None:
        """A file's content; None when it is gone: files of batches are kept for a time only."""
        import openai

        async def once() -> bytes | None:
            try:
                return (await self._client.files.content(file_id)).content
            except openai.NotFoundError:
                return None

        for _ in range(_UNSEEN):
            content = await self._patiently(once)
            if content is not None:
                return content
            await asyncio.sleep(self._pause)
        return None

    async def _look_for(self, mark: str, since: float) -> "Batch | None":
        async for batch in self._client.batches.list(limit=100):  # the newest first
            if (batch.metadata or {}).get(MARK) == mark:
                return batch
            if batch.created_at < since - _CLOCKS:
                return None
        return None

    async def _patiently(self, call: Callable[[], Awaitable[T]], what: str = "Batch API") -> T:
        """Call until it is through; `what` is not there if a 404 comes.

        Raises:
            Stopped: no other call would be.
            CompletionFailed: it is not for `patience` seconds.
        """
        import openai

        clock = asyncio.get_running_loop().time
        until = clock() + self._patience
        while True:
            try:
                return await call()
            except openai.NotFoundError as error:
                raise Stopped(f"{self.base_url} has no {what}: {self.failure(error).detail}") from error
            except openai.OpenAIError as error:
                failure = self.failure(error)
            except ValueError as error:  # a 200 that is not JSON
                failure = Failure("api_error", f"a reply that is not JSON: {error}")
            if failure.reason not in _PASSING:
                raise Stopped(f"the Batch API refuses: {failure.reason}: {failure.detail}")
            if clock() > until:
                raise CompletionFailed(Failure("connection", f"no Batch API for {self._patience:.0f} s; {failure}"))
            log.warning("the Batch API is asked again: %s: %s", failure.reason, failure.detail)
            await asyncio.sleep(self._pause)

    def failure(self, error: Exception) -> Failure:
        """What an error of the SDK means, without the key."""
        return classify(error, self._spec.api_key)
