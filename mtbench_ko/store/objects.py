"""One prefix of an S3 bucket: objects that are created once, and verified by our own sha256.

Of the S3 API only what every server has: GET, PUT, PUT with If-None-Match: *, LIST and DELETE. ETags mean different
things to different servers and encryptions, and are never looked at.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mtbench_ko.errors import MtBenchError, UsageError
from mtbench_ko.hashing import sha256_bytes
from mtbench_ko.urls import hidden

_EXISTS = (409, 412)
_RACES = 5


@dataclass(frozen=True)
class Place:
    """Where objects lie and how they are written. Credentials come from the usual AWS chain.

    `url` is s3://bucket/prefix. `encryption` is "AES256" (SSE-S3) or "aws:kms", then with `kms_key` or the bucket's.
    """

    url: str
    endpoint_url: str | None = None
    encryption: str | None = None
    kms_key: str | None = None

    @property
    def bucket(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def prefix(self) -> str:
        return urlsplit(self.url).path.strip("/")


class ObjectError(MtBenchError):
    """The store refused, cannot be reached, or gave back other bytes than were written. The message names it."""


class Conflict(ObjectError):
    """An object that was to be created exists already, with other content."""


class Objects:
    """The objects at a `Place`, under keys relative to its prefix. May be used by several threads."""

    def __init__(self, place: Place) -> None:
        if not place.bucket:
            raise UsageError(f"--output {place.url}: no bucket; write s3://bucket/prefix")
        self._place = place
        self._made: Any = None

    def create(self, key: str, body: bytes) -> None:
        """Create `key`. Doing it twice with the same body is once: the first reply may have been lost.

        Raises:
            Conflict: it exists with another body.
        """
        for attempt in range(_RACES):
            try:
                self._put(key, body, IfNoneMatch="*")
            except ObjectError as error:
                if _status(error.__cause__) not in _EXISTS:
                    raise
                there = self._sha256(key)
                if there == sha256_bytes(body):
                    return
                if there is not None:
                    raise Conflict(f"{self.url(key)} exists already, with other content") from error
                time.sleep(0.1 * 2**attempt)  # 409: another request is creating it at this moment
            else:
                return
        raise ObjectError(f"{self.url(key)}: the server refuses to create it, and it is not there")

    def replace(self, key: str, body: bytes) -> None:
        """Write `key`, whether or not it exists."""
        self._put(key, body)

    def read(self, key: str) -> bytes:
        """The content of `key`.

        Raises:
            ObjectError: it is not what was written.
        """
        with self._named(key):
            reply = self._client.get_object(Bucket=self._place.bucket, Key=self._full(key))
            body: bytes = reply["Body"].read()
        written = reply["Metadata"].get("sha256")
        found = sha256_bytes(body)
        if written not in (None, found):
            raise ObjectError(
                f"{self.url(key)} is damaged: its sha256 is {found}, and {written} was written. Nothing was "
                f"changed. Delete the object to do its items again, or restore it from a backup"
            )
        return body

    def keys(self, folder: str, after: str = "") -> Iterator[str]:
        """Keys under `folder` in order, those after the key `after`."""
        cut = len(self._full(""))
        since = {"StartAfter": self._full(after)} if after else {}
        with self._named(folder):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._place.bucket, Prefix=self._full(folder), **since):
                for entry in page.get("Contents", []):
                    yield entry["Key"][cut:]

    def delete(self, key: str) -> None:
        with self._named(key):
            self._client.delete_object(Bucket=self._place.bucket, Key=self._full(key))

    def creates_once(self) -> bool:
        """Whether the server refuses to create an object twice; some accept the condition and ignore it.

        Raises:
            UsageError: the bucket cannot be written.
        """
        key = f"_state/probe-{os.urandom(8).hex()}"
        try:
            self.create(key, b"1")
            try:
                self.create(key, b"2")
            except Conflict:
                return True
            finally:
                self.delete(key)
        except ObjectError as error:
            raise UsageError(f"--output {self._place.url}: {error}") from error
        return False

    def url(self, key: str) -> str:
        return f"s3://{self._place.bucket}/{self._full(key)}"

    def renew(self) -> None:
        """Forget the connection and its credentials: temporary ones may have been replaced."""
        self._made = None

    @property
    def _client(self) -> Any:
        if self._made is None:
            import boto3
            from botocore.config import Config

            custom = self._place.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3")
            self._made = boto3.session.Session().client(
                "s3",
                endpoint_url=self._place.endpoint_url,
                config=Config(
                    s3={"addressing_style": "path" if custom else "auto"},
                    connect_timeout=5,
                    read_timeout=30,
                    max_pool_connections=16,
                    tcp_keepalive=True,
                    retries={"mode": "standard", "total_max_attempts": 4},
                ),
            )
        return self._made

    def _put(self, key: str, body: bytes, **condition: str) -> None:
        encryption = {"ServerSideEncryption": self._place.encryption, "SSEKMSKeyId": self._place.kms_key}
        with self._named(key):
            self._client.put_object(
                Bucket=self._place.bucket,
                Key=self._full(key),
                Body=body,
                Metadata={"sha256": sha256_bytes(body)},
                **{name: value for name, value in encryption.items() if value},
                **condition,
            )

    def _sha256(self, key: str) -> str | None:
        """The digest that `key` was written with, "" without one; None if there is no such object."""
        try:
            with self._named(key):
                reply = self._client.head_object(Bucket=self._place.bucket, Key=self._full(key))
        except ObjectError as error:
            if _status(error.__cause__) == 404:
                return None
            raise
        return str(reply["Metadata"].get("sha256", ""))

    def _full(self, key: str) -> str:
        return f"{self._place.prefix}/{key}" if self._place.prefix else key

    def _named(self, key: str) -> "_Named":
        return _Named(self.url(key))


class _Named:
    """Turns boto3's errors into one that names the object."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, ClientError):
            code = error.response.get("Error", {}).get("Code") or "?"
            raise ObjectError(
                f"{self._url}: {_MEANINGS.get(code, hidden(str(error)))} ({code}, HTTP {_status(error)})"
            ) from error
        if isinstance(error, BotoCoreError | Boto3Error):
            raise ObjectError(f"{self._url}: {hidden(str(error))}") from error


_MEANINGS = {
    "NoSuchBucket": "there is no such bucket; it is not created for you",
    "AccessDenied": "these credentials may not do that",
    "InvalidAccessKeyId": "the server does not know this access key",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "ExpiredToken": "the session token has expired",
    "RequestTimeTooSkewed": "this machine's clock is more than 15 minutes off the server's; set it right",
}


def _status(error: BaseException | None) -> int | None:
    response: dict[str, Any] = getattr(error, "response", {})
    status: int | None = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status
