"""sha256 of texts and of JSON values in one canonical form."""

import hashlib
import json
from typing import Any


def sha256_text(text: str) -> str:
    """Hex sha256 of the UTF-8 bytes of `text`."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sha256_json(value: Any) -> str:
    """Hex sha256 of `value` as JSON with sorted keys and no spaces; equal values give equal hashes."""
    return sha256_text(json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")))
