"""The memory of a process."""

from pathlib import Path


def peak_mb() -> float:
    """This process's largest resident memory so far, in MB (/proc/self/status, VmHWM).

    `getrusage` would also count what the process that started this one had at that moment: it is kept over exec.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6
