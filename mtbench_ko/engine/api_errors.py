"""What the errors of the OpenAI SDK mean for an item, or for the whole run."""

import re
from typing import Any

from mtbench_ko.engine.base import Failure

QUOTA = "insufficient_quota"
CONTENT_FILTER = "content_filter"  # Azure's code for a prompt that its filter withholds
_FATAL_CODES = {QUOTA: "quota", "model_not_found": "unknown_model", "invalid_api_key": "wrong_key"}
_OVERFLOW = ("maximum context length", "context_length_exceeded", "longer than the maximum model length")


def classify(error: Any) -> Failure:
    """The failure that an SDK error is. Errors that every call would meet have the scope "run"."""
    import openai

    detail = f"{type(error).__name__}: {error}"
    code = getattr(error, "code", None)
    if code in _FATAL_CODES:
        return Failure(_FATAL_CODES[code], detail, scope="run")
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return Failure("wrong_key", detail, scope="run")
    if isinstance(error, openai.NotFoundError):
        return Failure("unknown_model", detail, scope="run")
    if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
        overflow = _overflow(error)
        return Failure("context_overflow" if overflow else "bad_request", detail, final=overflow)
    if isinstance(error, openai.RateLimitError):
        return Failure("rate_limited", detail)
    if isinstance(error, openai.APITimeoutError):
        return Failure("timeout", detail)
    if isinstance(error, openai.APIConnectionError):
        return Failure("connection", detail)
    return Failure("api_error", detail)


def refuses(error: Any, parameter: str) -> bool:
    """Whether a 400 says that the endpoint does not take `parameter`; merely echoing it is not enough."""
    if _overflow(error):
        return False
    if error.param:
        return str(error.param).partition(".")[0] == parameter
    no = r"(unsupported|not supported|does not support|unknown|unrecognized|unexpected|not permitted|invalid schema)"
    near = rf"{no}[^.]{{0,40}}\b{parameter}\b|\b{parameter}\b[^.]{{0,60}}{no}"
    return re.search(near, str(error), re.IGNORECASE) is not None


def _overflow(error: Any) -> bool:
    return any(phrase in str(error) for phrase in _OVERFLOW)
