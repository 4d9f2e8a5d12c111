"""The Dockerfile and the pinned dependencies of the images."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import REPOSITORY
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

COMPANIONS = {"torch"}  # the Dockerfile's own line


def test_dockerfile_passes_hadolint() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("needs hadolint: make install")
    command = [hadolint, "--failure-threshold", "info", REPOSITORY / "Dockerfile"]
    result = subprocess.run(command, text=True, capture_output=True)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("lock", "extras"), [("light", []), ("cpu", ["cpu", "kuberay"]), ("gpu", ["kuberay"])], ids=lambda value: str(value)
)
def test_lock_pins_what_the_program_requires(lock: str, extras: list[str]) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [line for extra in extras for line in project["optional-dependencies"][extra]]
    lines = (REPOSITORY / "requirements" / f"{lock}.txt").read_text().splitlines()
    pinned = dict(line.removesuffix(" \\").split("==") for line in lines if "==" in line and not line.startswith(" "))
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        if name not in COMPANIONS:
            assert requirement.specifier.contains(pinned.get(name, "0")), f"{requirement}: run 'make lock'"
    assert sum("--hash=sha256:" in line for line in lines) > len(pinned)
