"""What ends a RayJob for good: KubeRay repeats whatever failed, and the marker in the output stops it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from charts import CHART
from s3_server import S3Server


def attempt(settings: dict[str, str], folder: Path, code: int, env: dict[str, str] | None = None) -> tuple[int, bool]:
    """An attempt of RayJob `eval-1` whose program exits with `code`: its exit code, and whether the program ran."""
    ran = folder / "ran"
    ran.unlink(missing_ok=True)
    (folder / "run.yaml").write_text(yaml.safe_dump(settings))
    command = ["sh", "-c", f"touch {ran}; exit {code}"]
    result = subprocess.run(
        [sys.executable, CHART / "files" / "once.py", "eval-1", folder / "run.yaml", *command],
        env=os.environ | (env or {}),
        text=True,
        capture_output=True,
    )
    return result.returncode, ran.exists()


@pytest.mark.parametrize("final", [2, 3, 4])
def test_end_that_a_retry_cannot_change_is_not_repeated(tmp_path: Path, final: int) -> None:
    settings = {"output": str(tmp_path / "output")}
    for passing in (1, 75, 0):
        assert attempt(settings, tmp_path, passing) == (passing, True)
    assert attempt(settings, tmp_path, final) == (final, True)
    assert attempt(settings, tmp_path, 0) == (final, False)
    (marker,) = (tmp_path / "output" / "_state").iterdir()
    marker.unlink()
    assert attempt(settings, tmp_path, 0) == (0, True)


def test_marker_lies_in_the_bucket_of_the_output(tmp_path: Path, s3: S3Server, bucket: str) -> None:
    settings = {"output": f"s3://{bucket}/run", "s3_endpoint_url": s3.url}
    assert attempt(settings, tmp_path, 75, s3.env) == (75, True)
    assert attempt(settings, tmp_path, 4, s3.env) == (4, True)
    assert [entry["Key"] for entry in s3.client().list_objects_v2(Bucket=bucket)["Contents"]] == [
        "run/_state/ended-eval-1.json"
    ]
    assert attempt(settings, tmp_path, 0, s3.env) == (4, False)


def test_output_that_takes_no_marker_leaves_the_exit_code_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("a file")
    assert attempt({"output": str(tmp_path / "output")}, tmp_path, 2) == (2, True)
