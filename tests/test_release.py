"""What is released: one version everywhere, a wheel and an sdist that are whole, and a program that runs from them."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, Program
from packaging.metadata import Metadata

VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
"""The one source; the program has it from its own metadata."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", folder]
    result = subprocess.run(command, cwd=REPOSITORY, text=True, capture_output=True)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked where nothing of the source tree is; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", folder]
    subprocess.run([*command, *built.glob("*.whl")], check=True, capture_output=True)
    return folder


@pytest.fixture
def released(program: Program, installed: Path) -> Program:
    program.env |= {"PYTHONPATH": str(installed)}
    return program


def test_version_is_one(built: Path) -> None:
    chart = yaml.safe_load((REPOSITORY / "deploy/helm/mtbench-ko/Chart.yaml").read_text())
    values = yaml.safe_load((REPOSITORY / "deploy/helm/mtbench-ko/values.yaml").read_text())
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    (newest, *_) = re.findall(r"^## (\S+)", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert {
        "changelog": newest,
        "chart": chart["version"],
        "app": chart["appVersion"],
        "image tag": values["image"]["tag"] or chart["appVersion"],  # as the template has it
        "labels": ", ".join(sorted(set(re.findall(r"^ARG VERSION=(\S+)", dockerfile, re.MULTILINE)))),
    } == dict.fromkeys(("changelog", "chart", "app", "image tag", "labels"), VERSION)
    assert dockerfile.count('image.version="${VERSION}"') == dockerfile.count("ARG VERSION=") == 2
    assert {file.name for file in built.iterdir()} == {
        f"mtbench_ko-{VERSION}-py3-none-any.whl",
        f"mtbench_ko-{VERSION}.tar.gz",
    }


def test_metadata_is_what_an_index_takes(built: Path) -> None:
    with zipfile.ZipFile(*built.glob("*.whl")) as wheel:
        raw = wheel.read(f"mtbench_ko-{VERSION}.dist-info/METADATA")
        license_text = wheel.read(f"mtbench_ko-{VERSION}.dist-info/licenses/LICENSE")
    metadata = Metadata.from_email(raw, validate=True)
    assert (metadata.name, str(metadata.version)) == ("mtbench-ko", VERSION)
    assert metadata.description_content_type == "text/markdown"
    assert license_text == (REPOSITORY / "LICENSE").read_bytes()
    with tarfile.open(*built.glob("*.tar.gz")) as sdist:
        file = sdist.extractfile(f"mtbench_ko-{VERSION}/PKG-INFO")
        assert file is not None
        assert message_from_bytes(file.read()).items() == message_from_bytes(raw).items()


def test_sdist_holds_what_is_tracked_and_nothing_that_lies_about(built: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        text=True,
        capture_output=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    with tarfile.open(*built.glob("*.tar.gz")) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert names - set(listed.stdout.splitlines()) == {"PKG-INFO"}
    assert {"Makefile", "README.md", "tests/conftest.py", "data/prices.yaml"} <= names


def test_wheel_holds_the_package_and_its_data_alone(built: Path) -> None:
    with zipfile.ZipFile(*built.glob("*.whl")) as wheel:
        names = set(wheel.namelist())
    data = {
        f"mtbench_ko/_data/{path.relative_to(REPOSITORY / 'data')}" for path in (REPOSITORY / "data").rglob("*.jsonl")
    }
    assert data <= names
    assert {name.partition("/")[0] for name in names} == {"mtbench_ko", f"mtbench_ko-{VERSION}.dist-info"}
    assert not any(name.endswith((".pyc", ".key", ".pem", ".env")) or "/tests/" in name for name in names)


def test_installed_program_knows_its_version_and_its_data(released: Program, installed: Path) -> None:
    assert released("--version").stdout == f"mtbench-ko, version {VERSION}\n"
    checked = released("data", "check")
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stdout
    assert checked.stderr == "checked mt_bench_ko_native: 0 errors, 0 warnings\n"
    listed = released("data", "list")
    assert f"here: {installed}/mtbench_ko/_data/mt_bench_ko_native" in listed.stdout


def test_installed_doctor_says_what_a_first_run_lacks(released: Program) -> None:
    result = released("doctor")
    assert (result.returncode, "Traceback" in result.stderr) == (2, False), result.stderr
    for words in (
        "failed  questions: mt_bench_ko/question.jsonl could not be fetched",
        "failed  models: no model: say --model-path",
        "warning judge: none is named",
        "ok      output: ",
        "ok      Ray: 1 nodes with ",
    ):
        assert words in result.stdout
