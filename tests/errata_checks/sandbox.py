"""Running the check of an erratum: in a process of its own, with limits, without network, in an empty folder."""

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CPU_SECONDS = 20
WALL_SECONDS = 120
MEMORY = 2 << 30
PROGRAM = """
import pathlib, re, sys
{block}
if __name__ == "__main__":
    sys.path.insert(0, {here!r})
    import oracles
    reference = pathlib.Path("reference.txt").read_text(encoding="utf-8")
    block = pathlib.Path("block.txt").read_text(encoding="utf-8")
    def stated(pattern):
        found = re.findall(pattern, reference, re.MULTILINE)
        assert len(found) == 1, f"{{pattern}} matches {{len(found)}} times"
        return found[0]
    exec(compile(pathlib.Path("check.py").read_text(encoding="utf-8"), "check.py", "exec"))
"""
LANGUAGES = {"reference_code": "python", "reference_cpp": "cpp", "reference_html": "html"}


def block_of(reference: str, kind: str) -> str:
    """The first block of code in the language of a check's `kind`; empty where it has none."""
    language = LANGUAGES.get(kind)
    if language is None:
        return ""
    found = re.search(rf"^```{language}\n(.*?)^```$", reference, re.MULTILINE | re.DOTALL)
    if not found:
        raise AssertionError(f"no {language} block")
    return found[1]


def fault(reference: str, check: dict[str, Any]) -> str | None:
    """What the check finds wrong with `reference`, None if nothing. Not for `reference_html`, which needs a browser."""
    with tempfile.TemporaryDirectory(prefix="erratum-") as name:
        folder = Path(name)
        try:
            block = block_of(reference, check["kind"])
        except AssertionError as error:
            return str(error)
        code = block.split("if __name__ ==")[0] if check["kind"] == "reference_code" else ""
        texts = {
            "main.py": PROGRAM.format(block=code, here=str(HERE)),
            "reference.txt": reference,
            "block.txt": block,
            "check.py": check["code"],
        }
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
        if check["kind"] == "reference_cpp":
            (folder / "main.cpp").write_text(block, encoding="utf-8")
            problem = _run(["g++", "-std=c++17", "-Wall", "-Werror", "-o", "main", "main.cpp"], folder)
            if problem:
                return problem
        return _run([sys.executable, "-s", "-B", "main.py"], folder)


def _run(command: list[str], folder: Path) -> str | None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    try:
        done = subprocess.run(
            [*no_network(), *command], cwd=folder, env=environment, capture_output=True, text=True,
            timeout=WALL_SECONDS, preexec_fn=_limit,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"not done after {WALL_SECONDS} s"
    return None if done.returncode == 0 else f"exit {done.returncode}: {done.stderr.strip()[-500:]}"


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 20, 16 << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@cache
def no_network() -> list[str]:
    """What to put before a command so that it has a network of its own, empty where this machine does not allow it."""
    unshare = shutil.which("unshare")
    if unshare and subprocess.run([unshare, "-rn", "true"], capture_output=True, check=False).returncode == 0:
        return [unshare, "-rn"]
    return []
