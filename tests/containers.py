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
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts import Object, containers, of_kind, work
from conftest import REPOSITORY

from mtbench_ko.hashing import sha256_text

BASE = "localhost/mtbench-base:bookworm"
# Named after this checkout: podman's images are the machine's, and another checkout may be testing its own.
LIGHT, CPU = (f"localhost/mtbench-ko:{target}-{sha256_text(str(REPOSITORY))[:8]}" for target in ("light", "cpu"))
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
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    mirrors = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    mirror = next(each for each in mirrors if "security" not in each)
    packages = "--include=ca-certificates,python3,python3-venv"
    made = ["mmdebstrap", "--quiet", "--variant=minbase", packages, "bookworm", folder / "base.tar"]
    if subprocess.run([*made, f"deb {mirror} bookworm main"], capture_output=True).returncode:
        pytest.skip(f"no Debian from {mirror}: the network is needed once")
    podman("import", "-q", folder / "base.tar", BASE)
    (folder / "base.tar").unlink()


def need_running_containers() -> None:
    """Skip where this machine lets none run."""
    tried = podman("run", "--rm", "--network", "none", BASE, "true", check=False)
    if tried.returncode:
        pytest.skip(f"podman cannot run a container here: {tried.stderr[-300:]}")


def build(context: Path, target: str, image: str, ca: Path, *options: str) -> None:
    """Build `target` of the Dockerfile in `context` on the local base; layers that did not change are kept."""
    command = ["buildah", "bud", "--isolation", "chroot", "--pull-never", "--layers", "--target", target, "-t", image]
    command += ["--build-arg", f"PYTHON_IMAGE={BASE}", "--secret", f"id=ca,src={ca}", *options]
    built = subprocess.run(["nice", *command, context], text=True, capture_output=True)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-4000:]


def as_pod(objects: list[Object], template: Object, name: str, image: str, env: dict[str, str]) -> str:
    """What podman runs: ConfigMaps, claims, and a pod of `template` under `name`; `env` is what a cluster would add.

    Podman keeps emptyDirs and ConfigMaps as volumes of that name, which here are the pod's own, and mounts /dev/shm.
    """
    kept = [
        found for found in of_kind(objects, "PersistentVolumeClaim") if not volume(found["metadata"]["name"]).exists()
    ]
    for config in deepcopy(of_kind(objects, "ConfigMap")):
        config["metadata"]["name"] = f"{name}-{config['metadata']['name']}"
        kept.append(config)
    template = deepcopy(template)
    spec = template["spec"]
    spec["volumes"] = [source for source in spec["volumes"] if source["name"] != "shm"]
    for source in spec["volumes"]:
        source["name"] = f"{name}-{source['name']}"
        if "configMap" in source:
            source["configMap"]["name"] = f"{name}-{source['configMap']['name']}"
    for container in containers(spec):
        container |= {"image": image, "imagePullPolicy": "Never", "ports": []}  # podman would publish them
        container["env"] = [variable for variable in container.get("env", []) if variable["name"] not in env]
        container["env"] += [{"name": key, "value": value} for key, value in env.items()]
        container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] != "shm"]
        for mount in container["volumeMounts"]:
            mount["name"] = f"{name}-{mount['name']}"
    metadata = {"name": name, "labels": template["metadata"]["labels"]}
    return yaml.safe_dump_all([*kept, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}])


class Pod:
    """A pod of the chart that podman runs: the Job's, or that of `helm test`."""

    def __init__(
        self,
        objects: list[Object],
        name: str,
        *network: str,
        image: str = LIGHT,
        doctor: bool = False,
        env: dict[str, str] | None = None,
    ) -> None:
        self.container = f"{name}-{'doctor' if doctor else 'mtbench-ko'}"
        template = of_kind(objects, "Pod")[0] if doctor else work(objects)["spec"]["template"]
        podman(
            "play",
            "kube",
            *(network or ("--network", "host")),
            "-",
            text=as_pod(objects, template, name, image, env or {}),
        )

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
    """Where the volume of a claim lies on this machine, if it exists."""
    volumes = podman("volume", "ls", "--format", "{{.Name}} {{.Mountpoint}}").stdout.splitlines()
    return Path(dict(line.split(" ", 1) for line in volumes).get(name, "/nowhere"))
