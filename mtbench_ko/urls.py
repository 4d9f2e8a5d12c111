"""URLs as they may be shown."""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

_SHORTEST = 4  # characters: to hide less would make a message unreadable, and hides nothing
_USER = re.compile(r"(?<=://)[^/\s@'\"]+@")


def without_secrets(url: str) -> str:
    """`url` without user, password and query, in which people put keys."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def holds_secrets(url: str) -> bool:
    """Whether there is anything in `url` that is not to be shown."""
    return without_secrets(url) != urlunsplit(urlsplit(url)._replace(fragment=""))


def secrets_of(url: str | None) -> list[str]:
    """What may be a key in `url`: its user, its password and the values of its query, as typed and decoded."""
    parts = urlsplit(url or "")
    typed = parts.netloc.rpartition("@")[0].split(":") + [each.partition("=")[2] for each in parts.query.split("&")]
    decoded = [*map(unquote, typed), *(value for _, value in parse_qsl(parts.query))]
    return [*dict.fromkeys(filter(None, (*typed, *decoded)))]


def hidden(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without `secrets`, and without user and password in any URL."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, "***")
    return _USER.sub("", text)
