"""What the errors of the OpenAI SDK mean for an item, or for the whole run."""

import re
from typing import Any

from mtbench_ko.engine.base import Failure
from mtbench_ko.lines import well_formed

QUOTA = "insufficient_quota"
CONTENT_FILTER = "content_filter"  # Azure's code for a prompt that its filter withholds
_FATAL_CODES = {
    QUOTA: "quota",
    "billing_hard_limit_reached": "quota",
    "billing_not_active": "quota",
    "model_not_found": "unknown_model",
    "invalid_api_key": "wrong_key",
}
_ABOUT_CONTENT = re.compile("flagged|moderation|content|policy|<html", re.IGNORECASE)
DETAIL = 2000  # characters: some servers echo the prompt
_OVERFLOW = ("maximum context length", "context_length_exceeded", "longer than the maximum model length")


def classify(error: Any, key: str) -> Failure:
    """The failure that an SDK error is, without the API's `key`. Errors that every call would meet have the scope
    "run"."""
    import openai

    detail = well_formed(f"{type(error).__name__}: {error}").replace(key, "***")[:DETAIL]  # no part of a key at the cut
    for code in (getattr(error, "code", None), getattr(error, "type", None)):
        if code in _FATAL_CODES:
            return Failure(_FATAL_CODES[code], detail, scope="run")
    if getattr(error, "status_code", None) == 402:
        return Failure("quota", detail, scope="run")
    if isinstance(error, openai.PermissionDeniedError) and (_ABOUT_CONTENT.search(detail) or not error.body):
        return Failure("forbidden", detail)  # a moderator or a firewall, which looks at what is said
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


def status_error(status: int, body: Any) -> Any:
    """The error that the SDK would have raised for a reply of `status`, of one that did not come over HTTP."""
    import httpx2
    import openai

    kinds = {
        400: openai.BadRequestError,
        401: openai.AuthenticationError,
        403: openai.PermissionDeniedError,
        404: openai.NotFoundError,
        422: openai.UnprocessableEntityError,
        429: openai.RateLimitError,
    }
    response = httpx2.Response(status, request=httpx2.Request("POST", "https://batch/"))
    told = body.get("error", body) if isinstance(body, dict) else body
    kind = kinds.get(status, openai.APIStatusError)
    return kind(f"Error code: {status} - {told}", response=response, body=told)


def refuses(error: Any, parameter: str) -> bool:
    """Whether a 400 says that the endpoint does not take `parameter`; merely echoing it is not enough."""
    if _overflow(error):
        return False
    if parameter == "top_k":  # ours alone: whatever is wrong with it, it can go
        return "top_k" in str(error)
    if error.param and str(error.param).partition(".")[0] != parameter:
        return False
    if error.param and str(error.code).startswith("unsupported"):
        return True
    no = (
        r"(unsupported|not supported|does not support|cannot both be|unknown|unrecognized|unexpected|not permitted"
        r"|invalid schema)"
    )
    near = rf"{no}[^.]{{0,40}}\b{parameter}\b|\b{parameter}\b[^.]{{0,60}}{no}"
    return re.search(near, str(error), re.IGNORECASE) is not None


def _overflow(error: Any) -> bool:
    return any(phrase in str(error) for phrase in _OVERFLOW)
