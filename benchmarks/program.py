"""The installed program, as a user starts it."""

import os
import subprocess
import sys


def program(*arguments: object) -> None:
    """The installed program, which must succeed.

    Raises:
        RuntimeError: it did not.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "OPENAI_"))}
    command = [sys.executable, "-m", "mtbench_ko", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment | {"HF_HUB_OFFLINE": "1"}
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-4000:]}")
