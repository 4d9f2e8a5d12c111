"""Where API keys may stand, and where they may not."""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mtbench_ko.errors import UsageError
from mtbench_ko.urls import hidden

URLS = frozenset({"openai_api_base", "judge_api_base", "data_mirror", "s3_endpoint_url"})
"""Settings that are URLs, in which keys may stand."""
_SECRET_NAME = re.compile("(token|key|secret|password)$", re.IGNORECASE)


def key_place(value: str | None) -> str | None:
    """A setting that says where an API key is.

    Raises:
        ValueError: it is the key itself.
    """
    if value is not None and not value.startswith(("env:", "file:")):
        raise ValueError("a key does not belong in a file; name its place: env:NAME or file:PATH")
    if value is not None and value.startswith("env:") and not re.fullmatch(r"[A-Za-z_]\w*", value[4:], re.ASCII):
        raise ValueError("after env: comes the name of a variable, not what it holds: env:OPENAI_API_KEY, without a $")
    return value


def http_url(value: str | None) -> str | None:
    """The URL of a server.

    Raises:
        ValueError: it is none; the message does not repeat it, since keys may stand in it.
    """
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        well = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # of a port or an address
        well = False
    if not well:
        raise ValueError("not the URL of a server, such as https://host:8000/v1")
    return value


def no_key(value: dict[str, Any]) -> dict[str, Any]:
    """Engine arguments, among which no key stands.

    Raises:
        ValueError: the hub's token is.
    """
    if isinstance(value.get("hf_token"), str):
        raise ValueError("hf_token: a key does not belong here; set the environment variable HF_TOKEN")
    return value


def without_keys(value: Any) -> Any:
    """Engine arguments with those that are named like a key, at any depth, and users and passwords in URLs left out."""
    if isinstance(value, dict):
        return {k: "***" if _SECRET_NAME.search(str(k)) and v else without_keys(v) for k, v in value.items()}
    if isinstance(value, list):
        return [without_keys(each) for each in value]
    return hidden(value) if isinstance(value, str) else value


def read_key(place: str | None, base_url: str | None, flag: str) -> str:
    """The API key that `place` (env:NAME, file:PATH) names; for OpenAI itself OPENAI_API_KEY by default.

    Another endpoint (`base_url`) may need no key, and is never sent OpenAI's unasked.

    Raises:
        UsageError: no key for OpenAI itself, or nothing at `place`.
    """
    if place is None and base_url is not None:
        return "not-needed"
    kind, _, name = (place or "env:OPENAI_API_KEY").partition(":")
    try:
        key = (os.environ.get(name, "") if kind == "env" else Path(name).read_text(encoding="utf-8")).strip()
    except OSError as error:
        raise UsageError(f"{flag} {place}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{flag} {place}: cannot be read: {error}; save the key alone, as UTF-8") from error
    if key.isascii() and key.isprintable() and key:
        return key
    if key:
        raise UsageError(f"{flag}: what stands in {_shown(place)} is no API key: it has other than ASCII letters")
    where = f"{_shown(place)} is not set" if kind == "env" else f"{place} is empty"
    raise UsageError(f"{flag}: the endpoint needs a key, and {where}; set it, or pass {flag} env:NAME or file:PATH")


def _shown(place: str | None) -> str:
    """`place`, unless it may be the key itself, which a shell puts in for env:$NAME: names are in capitals."""
    if place is None:
        return "OPENAI_API_KEY"
    name = place.removeprefix("env:")
    return place if place == name or name in os.environ or name.isupper() else "the variable that it names"
