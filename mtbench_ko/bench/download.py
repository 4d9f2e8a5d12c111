"""Getting one file from a server or a folder, with every way it can go wrong in words."""

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from mtbench_ko.urls import without_secrets

_QUIET_SECONDS = 30.0
_REDIRECTS = 5
_CHUNK = 64 * 1024
_MOST_BYTES = 512 * 2**20


class Unavailable(Exception):
    """The file could not be had from this place; the message says where and why."""


def mirrored(url: str, mirror: str | None) -> str:
    """`url` as the mirror has it: the same path below the mirror's own URL or folder."""
    if mirror is None:
        return url
    parts = urlsplit(url)
    if urlsplit(mirror).scheme in ("http", "https"):
        return f"{mirror.rstrip('/')}{parts.path}{f'?{parts.query}' if parts.query else ''}"
    return str(Path(mirror).expanduser() / unquote(parts.path).lstrip("/"))


def download(
    place: str, into: IO[bytes], *, length: int | None, seconds: float, advance: Callable[[int], object]
) -> str:
    """Write what lies at `place`, a URL or a path, and return its sha256 in hex.

    Proxies and certificates are those of the environment (HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR).

    Args:
        length: the number of bytes that it must have, if known.
        seconds: the longest it may take.
        advance: is told the number of bytes of each piece.

    Raises:
        Unavailable: anything went wrong; what was written is of no use.
    """
    digest, written = hashlib.sha256(), 0
    for piece in _over_http(place, seconds) if "://" in place else _from_folder(Path(place)):
        written += len(piece)
        if written > (length or _MOST_BYTES):
            raise Unavailable(f"{without_secrets(place)}: longer than the {length or _MOST_BYTES} bytes expected")
        digest.update(piece)
        into.write(piece)
        advance(len(piece))
    if length is not None and written < length:
        raise Unavailable(f"{without_secrets(place)}: ended after {written} of {length} bytes")
    return digest.hexdigest()


def read_json_text(place: str, seconds: float) -> bytes:
    """A small answer of an API, whole.

    Raises:
        Unavailable: it could not be had.
    """
    return b"".join(_over_http(place, seconds) if "://" in place else _from_folder(Path(place)))


def _from_folder(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            while piece := stream.read(_CHUNK):
                yield piece
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error


def _over_http(url: str, seconds: float) -> Iterator[bytes]:
    import httpx2

    shown = without_secrets(url)
    end = time.monotonic() + seconds
    quiet = min(_QUIET_SECONDS, seconds)
    try:
        with (
            httpx2.Client(follow_redirects=True, max_redirects=_REDIRECTS, timeout=quiet) as client,
            client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as reply,
        ):
            if not reply.is_success:
                raise Unavailable(f"{shown}: {reply.status_code} {reply.reason_phrase}")
            for piece in reply.iter_bytes():  # as it comes, so that a trickle meets the deadline
                yield piece
                if time.monotonic() > end:
                    raise Unavailable(f"{shown}: not done after {seconds:g} s (--data-timeout)")
    except httpx2.TooManyRedirects as error:
        raise Unavailable(f"{shown}: redirected more than {_REDIRECTS} times") from error
    except httpx2.TimeoutException as error:
        raise Unavailable(f"{shown}: nothing came for {quiet:g} s") from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Unavailable(f"{shown}: {error or type(error).__name__}") from error
