"""A real Ray cluster of several nodes on this machine, its GPUs made up, on which vLLM for CPU runs."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import OUR_RAY, joined

PLUGINS = Path(__file__).parent / "vllm_plugins"
# As the program does by itself without GPUs, and here they are made up: else each engine of one GPU has a worker
# beside its core, which spin for each other, and with three such pairs on two cores other processes waited minutes.
NO_WORKERS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
_STORE = 100 << 20  # bytes of a node's object store: what we send is small


@dataclass(frozen=True)
class RealNode:
    """A node, and the core of an engine on it."""

    id: str
    gpus: int
    core: psutil.Process


class Nodes:
    """The cluster: a head without GPUs, and nodes that come and go."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        (folder / "ray").mkdir()
        head = {"num_cpus": 4, "num_gpus": 0, "include_dashboard": False, "temp_dir": str(folder)}
        self._cluster = Cluster(initialize_head=True, head_node_args=head | {"object_store_memory": _STORE})
        self._nodes: dict[str, tuple[Any, int]] = {}

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add(self, gpus: int) -> None:
        node = self._cluster.add_node(num_cpus=gpus, num_gpus=gpus, object_store_memory=_STORE)
        self._nodes[node.node_id] = node, gpus
        self._cluster.wait_for_nodes()

    def actors(self, kind: str) -> list[tuple[str, int]]:
        """Node and pid of the actors of this class that are there."""
        from ray._private.state import actors

        return [
            (actor["Address"]["NodeID"], actor["Pid"])
            for actor in actors().values()
            if actor["State"] == "ALIVE" and actor["ActorClassName"] == kind
        ]

    def with_engines(self) -> list[RealNode]:
        """Nodes on which engines run, the one that has computed most first."""
        found: list[tuple[float, RealNode]] = []
        for node, pid in self.actors("VllmReplica"):
            with suppress(psutil.NoSuchProcess, StopIteration, KeyError):  # it ends, or has no engine yet
                core = core_of(pid)
                found.append((core.cpu_times().user, RealNode(node, self._nodes[node][1], core)))
        return [node for _, node in sorted(found, key=lambda one: -one[0])]

    def kill(self, node: RealNode) -> RealNode:
        """As when the power goes: nothing on it has a chance to say anything."""
        self._cluster.remove_node(self._nodes.pop(node.id)[0], allow_graceful=False)
        return node

    def stop(self) -> None:
        self._cluster.shutdown()


@contextmanager
def ray_nodes() -> Iterator[Nodes]:
    """A head to which nodes can be added; this process is its driver."""
    folder = Path(tempfile.mkdtemp(prefix="nodes-", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in OUR_RAY.items():
            patch.setenv(name, value)
        patch.setenv("RAY_TMPDIR", str(folder))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(PLUGINS)))))
        nodes = Nodes(folder)
        try:
            with joined(nodes.address):
                yield nodes
        finally:
            nodes.stop()
            shutil.rmtree(folder, ignore_errors=True)


def core_of(actor: int) -> psutil.Process:
    """vLLM's EngineCore below the process with this pid."""
    return next(each for each in psutil.Process(actor).children(recursive=True) if "EngineCore" in title(each))


def title(process: psutil.Process) -> str:
    try:
        return "".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
