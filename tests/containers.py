"""The image, built with buildah on a Debian base of this machine, and pods of the chart, run with podman.

Podman runs as root, with runc and a shim that asks for no higher limits, which a container may not raise here.
"""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts import Object
from conftest import REPOSITORY

BASE, LIGHT = "localhost/mtbench-base:bookworm", "localhost/mtbench-ko:test"
CA_BUNDLE = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
TOOLS = ("buildah", "podman", "runc", "mmdebstrap", "catatonit")
_SHIM = """#!/usr/bin/env python3
import json, os, sys
arguments = sys.argv[1:]
if "create" in arguments:
    bundle = arguments[arguments.index("--bundle") + 1]
    with open(bundle + "/config.json") as file:
        config = json.load(file)
    config["process"].pop("rlimits", None)
    with open(bundle + "/config.json", "w") as file:
        json.dump(config, file)
os.execvp("runc", ["runc", *arguments])
"""


def need_containers() -> None:
    """Skip where images cannot be built or containers not run."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(missing) or 'nothing else'}: make system-packages")


def podman(*arguments: object, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    shim = REPOSITORY / ".cache" / "runc-without-limits"
    if not shim.exists():
        shim.parent.mkdir(exist_ok=True)
        shim.write_text(_SHIM)
        shim.chmod(0o755)
    command = ["podman", "--runtime", str(shim), *map(str, arguments)]
    result = subprocess.run(command, input=text, text=True, capture_output=True)
    assert not check or result.returncode == 0, f"{command}: {result.stdout[-2000:]}{result.stderr[-4000:]}"
    return result


def make_base(folder: Path) -> None:
    """A Debian with Python, from the mirror that this machine itself uses; made once and kept."""
    if podman("image", "exists", BASE, check=False).returncode == 0:
        return
    sources = [*Path("/etc/apt/sources.list.d").glob("*.sources")]
    mirror = next(line.split()[1] for file in sources for line in file.read_text().splitlines() if line[:5] == "URIs:")
    packages = "--include=ca-certificates,python3,python3-venv"
    made = ["mmdebstrap", "--quiet", "--variant=minbase", packages, "bookworm", folder / "base.tar"]
    subprocess.run([*made, f"deb {mirror} bookworm main"], check=True)
    podman("import", "-q", folder / "base.tar", BASE)
    (folder / "base.tar").unlink()


def build(context: Path, target: str, image: str, ca: Path, *options: str) -> None:
    """Build `target` of the Dockerfile in `context` on the local base; unchanged layers are taken from the last build."""
    command = ["buildah", "bud", "--isolation", "chroot", "--pull-never", "--layers", "--target", target, "-t", image]
    command += ["--build-arg", f"PYTHON_IMAGE={BASE}", "--secret", f"id=ca,src={ca}", *options]
    built = subprocess.run(["nice", *command, context], text=True, capture_output=True)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-4000:]


def as_pod(objects: list[Object], name: str, image: str = LIGHT) -> str:
    """What podman runs of rendered objects: ConfigMaps, claims, and the Job's or RayJob's pod under `name`."""
    kept = [found for found in objects if found["kind"] in ("ConfigMap", "PersistentVolumeClaim")]
    job = next(found for found in objects if found["kind"] == "Job")
    template = job["spec"]["template"]
    for container in [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]:
        container |= {"image": image, "imagePullPolicy": "Never"}
    metadata = {"name": name, "labels": template["metadata"]["labels"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    return yaml.safe_dump_all([*kept, pod])


class Pod:
    """A pod of the chart that podman runs; its one container is `<name>-mtbench-ko`."""

    def __init__(self, objects: list[Object], name: str, network: str) -> None:
        self.container = f"{name}-mtbench-ko"
        podman("play", "kube", "--network", network, "-", text=as_pod(objects, name))

    def running(self) -> bool:
        return podman("inspect", "-f", "{{.State.Running}}", self.container).stdout.strip() == "true"

    def terminate(self) -> None:
        podman("kill", "--signal", "TERM", self.container)

    def wait(self) -> int:
        return int(podman("wait", self.container).stdout)

    def logs(self) -> str:
        result = podman("logs", self.container)
        return result.stdout + result.stderr

    def inspect(self) -> Any:
        return json.loads(podman("inspect", self.container).stdout)[0]


@contextmanager
def cluster(name: str, secrets: dict[str, dict[str, str]]) -> Iterator[None]:
    """Podman with `secrets` for pods whose names begin with `name`; everything of that name is removed in the end."""
    for secret, content in secrets.items():
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in content.items()}
        podman("secret", "create", f"{name}-{secret}", "-", text=json.dumps(encoded))
    try:
        yield
    finally:
        for kind in ("pod", "volume", "secret"):
            listed = podman(kind, "ls", "--format", "{{.Name}}").stdout.split()
            mine = [found for found in listed if found.startswith(name)]
            force = () if kind == "secret" else ("-f",)
            for found in mine:
                podman(kind, "rm", *force, found, check=False)


def volume(name: str) -> Path:
    """Where the volume of a claim lies on this machine."""
    return Path(podman("volume", "inspect", "-f", "{{.Mountpoint}}", name).stdout.strip())
