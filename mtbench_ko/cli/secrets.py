"""Keeping keys out of the command line, which process lists show and Ray records."""

import os
import sys
from collections.abc import MutableMapping
from itertools import pairwise
from typing import Any, NoReturn

_KEY_FLAGS = {"openai_api_key": "--openai-api-key", "judge_api_key": "--judge-api-key"}


def hide_literal_keys(given: MutableMapping[str, Any], argv: list[str]) -> None:
    """Turn literal keys in `given` into env: places; one that was typed costs a restart of the program.

    The restart happens before Ray is imported, with the key in the environment and the flag naming it.
    """
    replaced = list(argv)
    for setting, flag in _KEY_FLAGS.items():
        key = given.get(setting)
        if key is None or key.startswith(("env:", "file:")):
            continue
        variable = f"MTBENCH_KO_{setting.upper()}"
        os.environ[variable] = key
        given[setting] = f"env:{variable}"
        replaced = [
            _without(argument, before, flag, key, f"env:{variable}") for before, argument in pairwise(["", *replaced])
        ]
    if replaced != argv:
        _restart(replaced)


def _without(argument: str, before: str, flag: str, key: str, place: str) -> str:
    if (before, argument) == (flag, key):
        return place
    return f"{flag}={place}" if argument == f"{flag}={key}" else argument


def _restart(argv: list[str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "mtbench_ko", *argv[1:]])
