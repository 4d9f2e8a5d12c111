"""The lines of a batch: what goes into its input file, and what its output and error files say.

Source: https://platform.openai.com/docs/guides/batch
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from pydantic import BaseModel

from mtbench_ko.engine.base import Failure, Messages, Sampling
from mtbench_ko.hashing import sha256_json
from mtbench_ko.lines import well_formed_json

CALL: Final = "/v1/chat/completions"
MOST_LINES = 50_000
MOST_BYTES = 190_000_000  # the API takes 200 MB
EXPIRED = "batch_expired"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """One call of `model`, before it is known which parameters the endpoint takes."""

    model: str
    messages: Messages
    sampling: Sampling
    schema: dict[str, Any] | None

    @cached_property
    def key(self) -> str:
        """The same for the same call in another process: 32 hex digits."""
        fields = {"messages": self.messages, "sampling": self.sampling.describe(), "schema": self.schema}
        return sha256_json({"model": self.model, **fields})[:32]

    def line(self, custom_id: str, parameters: dict[str, Any]) -> bytes:
        """The line of the input file that asks it with `parameters`; ASCII, so that nobody sees more lines in it."""
        body = {"model": self.model, "messages": self.messages, **parameters}
        return json.dumps({"custom_id": custom_id, "method": "POST", "url": CALL, "body": body}).encode() + b"\n"


def key_of(custom_id: str) -> str:
    """The key of the request that a line asks."""
    return custom_id.partition("-")[0]


@dataclass(frozen=True)
class Said:
    """The reply to a line, as a call of its own would have brought it."""

    status: int
    body: Any


class _Response(BaseModel):
    status_code: int
    body: Any = None


class _Error(BaseModel):
    code: str | None = None
    message: str | None = None


class _Line(BaseModel):
    custom_id: str
    response: _Response | None = None
    error: _Error | None = None


def read_lines(data: bytes) -> Iterator[tuple[str, Said | Failure]]:
    """Custom id and outcome of each line of an output or error file; lines that cannot be read are left out."""
    for number, text in enumerate(data.split(b"\n"), start=1):
        if not text.strip():
            continue
        try:
            line = _Line.model_validate(well_formed_json(json.loads(text)))
        except (ValueError, RecursionError):
            log.warning("line %d of a batch's file cannot be read, and is asked again", number)
            continue
        if line.response is not None:
            yield line.custom_id, Said(line.response.status_code, line.response.body)
        else:
            error = line.error or _Error()
            reason = EXPIRED if error.code == EXPIRED else "api_error"
            yield line.custom_id, Failure(reason, f"{error.code}: {error.message}")
