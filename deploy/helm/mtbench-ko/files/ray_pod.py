"""One pod of an Indexed Job that is a Ray cluster: index 0 is the head and runs the program, the others lend GPUs.

Workers hold a line to the head. When the head has ended for good (exit code 0, 2, 3 or 4) it says so there, and they
exit with 0. When the line breaks without a word, the head was lost or will be tried again, and they join the next
one: a worker that had exited with 0 would never be started again. Usage: ray_pod.py COMMAND...
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import FrameType

PORT, END_PORT = int(os.environ.get("RAY_PORT", "6379")), int(os.environ.get("END_PORT", "6380"))
HEAD, PODS = os.environ["RAY_HEAD"], int(os.environ["RAY_PODS"])
FINAL = (0, 2, 3, 4)
PREEMPTED = 75
WAIT_SECONDS = 1800.0
ENDED = b"ended"


class Stop:
    """SIGTERM and the like: remembered, and passed on to the driver, which gets each from here alone."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.driver: subprocess.Popen[bytes] | None = None
        self.passed_on = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, self._handle)

    def watch(self, driver: subprocess.Popen[bytes]) -> int:
        """The exit code of `driver`, in the end."""
        self.driver = driver
        if self.event.is_set() and not self.passed_on:  # it came between the driver's start and this
            driver.terminate()
        return driver.wait()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.event.set()
        if self.driver:
            self.driver.send_signal(number)
            self.passed_on = True


def start_ray(*where: str) -> subprocess.Popen[bytes]:
    """Ray's processes of this pod; they end with the one returned."""
    return subprocess.Popen(["ray", "start", "--block", f"--node-ip-address={os.environ['POD_IP']}", *where])


def stop_ray(ray: subprocess.Popen[bytes]) -> None:
    ray.terminate()
    with suppress(subprocess.TimeoutExpired):
        ray.wait(timeout=5)
    ray.kill()


def head(command: list[str], stop: Stop) -> int:
    """Start the head, wait for the workers, run `command`; returns its exit code."""
    lines: list[socket.socket] = []
    server = socket.create_server(("", END_PORT))
    threading.Thread(target=keep_lines, args=(server, lines), daemon=True).start()
    ray = start_ray("--head", f"--port={PORT}", "--include-dashboard=false")
    address = f"{os.environ['POD_IP']}:{PORT}"
    if not wait_for_workers(address, ray, stop):
        return PREEMPTED
    code = stop.watch(subprocess.Popen(command, env=os.environ | {"RAY_ADDRESS": address}, start_new_session=True))
    if code in FINAL:
        for line in lines:
            with suppress(OSError):
                line.sendall(ENDED)
    stop_ray(ray)
    return code if code >= 0 else 128 - code


def keep_lines(server: socket.socket, lines: list[socket.socket]) -> None:
    while True:
        lines.append(server.accept()[0])


def wait_for_workers(address: str, ray: subprocess.Popen[bytes], stop: Stop) -> bool:
    """Whether every pod's Ray is in the cluster; False when told to stop, or when they do not come."""
    count = f"import ray; ray.init({address!r}, log_to_driver=False); print(sum(n['Alive'] for n in ray.nodes()))"
    give_up = time.monotonic() + WAIT_SECONDS
    while not stop.event.wait(1):
        if ray.poll() is not None:
            raise SystemExit(f"ray_pod: Ray's head ended with {ray.returncode}")
        found = subprocess.run([sys.executable, "-c", count], capture_output=True, text=True)
        if found.returncode == 0 and int(found.stdout) >= PODS:
            print(f"ray_pod: {PODS} pods are a Ray cluster", file=sys.stderr)
            return True
        if time.monotonic() > give_up:
            print(f"ray_pod: not all of {PODS} pods came within {WAIT_SECONDS:.0f} s", file=sys.stderr)
            return False
    return False


def worker(stop: Stop) -> int:
    """Lend this pod's GPUs to one head after another, until one ends for good."""
    while not stop.event.is_set():
        try:
            line = socket.create_connection((HEAD, END_PORT), timeout=5)
        except OSError:
            stop.event.wait(1)
            continue
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15)
        with line:
            ray = start_ray(f"--address={HEAD}:{PORT}")
            said = listen(line, ray, stop)
            stop_ray(ray)
        if said == ENDED:
            return 0
        if said is None:
            return 128 + signal.SIGTERM
    return 128 + signal.SIGTERM


def listen(line: socket.socket, ray: subprocess.Popen[bytes], stop: Stop) -> bytes | None:
    """What the head says last, b"" if nothing; None when this pod must go. It stays for the grace period, in which the
    head saves what is in flight here."""
    leave = None
    line.settimeout(1)
    while leave is None or time.monotonic() < leave:
        with suppress(TimeoutError):
            try:
                return line.recv(len(ENDED))
            except ConnectionError:
                return b""
        if ray.poll() is not None:
            print(f"ray_pod: Ray ended with {ray.returncode}", file=sys.stderr)
            return b""
        if stop.event.is_set() and leave is None:
            leave = time.monotonic() + float(os.environ["GRACE_SECONDS"])
    return None


if __name__ == "__main__":
    told = Stop()
    sys.exit(head(sys.argv[1:], told) if os.environ["JOB_COMPLETION_INDEX"] == "0" else worker(told))
