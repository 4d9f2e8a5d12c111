"""Ray: our own local cluster unless an address is given, with telemetry off."""

import logging
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from mtbench_ko.engine.placement import Node
from mtbench_ko.errors import MtBenchError, Preempted
from mtbench_ko.signals import STOPPED

QUIET_ENV = {
    "DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TOKENIZERS_PARALLELISM": "false",
}
_PASSED_ON = ("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "VLLM_")


@contextmanager
def ray_cluster(address: str | None) -> Iterator[list[Node]]:
    """Connect to `address` (or RAY_ADDRESS), else start a cluster of this machine alone; yield its nodes.

    A cluster of ours is stopped in the end and its temporary folder removed; one that was given is left running.
    `ray.init` without an address would join any cluster that happens to run here, so that is never called.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    _set_environment()
    logging.getLogger("ray").setLevel(logging.ERROR)
    if not address:
        _keep_to_ourselves()
    import ray

    where: dict[str, Any] = {"address": address}
    temporary = None
    try:
        if not address:
            temporary = Path(tempfile.mkdtemp(prefix="mtb-", dir="/tmp"))
            where = {"address": "local", "include_dashboard": False, "_temp_dir": str(temporary)}
        try:
            ray.init(**where, logging_level=logging.ERROR, log_to_driver=False)
            nodes = alive_nodes()
        except (SystemExit, Preempted) as error:  # the first is how Ray takes a SIGTERM from here on
            raise Preempted(STOPPED) from error
        except Exception as error:  # Ray raises this very class where a busy machine was too slow for it
            what = f"connect to Ray at {address}" if address else "start a local Ray cluster"
            raise MtBenchError(f"cannot {what}: {error}") from error
        yield nodes
    finally:
        ray.shutdown()
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _set_environment() -> None:
    """For Ray, which reads it when it is imported."""
    os.environ.update(QUIET_ENV)
    os.environ.setdefault("RAY_process_group_cleanup_enabled", "1")  # a killed actor's engine processes end with it
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 leaves an engine on CPU behind everything else
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # a late call would start a cluster of Ray's own, dashboard and all


def _keep_to_ourselves() -> None:
    """Others have no business in a cluster of ours: from elsewhere they do not reach it, and here they lack the token.

    Whoever reaches a Ray cluster runs code in it, and other users of this machine reach loopback.
    """
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray's name for "bind to loopback only"
    mode = os.environ.setdefault("RAY_AUTH_MODE", "token")
    if mode == "token" and "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", token_hex(32))


def alive_nodes() -> list[Node]:
    """The nodes of the cluster that are there now, by host name; those that share a host have their id's begin too."""
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    hosts = Counter(node["NodeManagerHostname"] for node in alive)
    return [
        Node(
            gpus=int(node["Resources"].get("GPU", 0)),
            cpus=int(node["Resources"].get("CPU", 0)),
            id=node["NodeID"],
            name=host if hosts[host] == 1 else f"{host}/{node['NodeID'][:6]}",
        )
        for node in alive
        for host in [node["NodeManagerHostname"]]
    ]


def worker_env() -> dict[str, str]:
    """Environment of engine actors: telemetry off, and the caller's settings of vLLM and the hub cache.

    No token is among them: Ray records this mapping.
    """
    passed = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_PASSED_ON) and not name.endswith(("TOKEN", "KEY"))
    }
    return {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_LOGGING_LEVEL": "WARNING"} | passed | QUIET_ENV
