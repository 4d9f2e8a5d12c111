"""Keeping keys out of the command line, which process lists show and Ray records."""

import os
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, NoReturn

from mtbench_ko.config import URLS
from mtbench_ko.urls import holds_secrets

_KEYS = ("openai_api_key", "judge_api_key")


def hide_literal_keys(given: MutableMapping[str, Any], argv: list[str]) -> None:
    """Turn literal keys in `given` into env: places; one that was typed costs a restart of the program.

    The restart happens before Ray is imported, with the key in the environment and the flag naming it. A URL with a
    user, a password or a query goes into the environment too, and its flag goes: the variable says the same.
    """
    kept = list(argv)
    for setting in _KEYS:
        key = given.get(setting)
        if key is not None and not key.startswith(("env:", "file:")):
            os.environ[_variable(setting)] = key
            given[setting] = f"env:{_variable(setting)}"
            kept = list(_without(kept, _flag(setting), given[setting]))
    for setting in URLS & given.keys():
        url = given[setting]
        if holds_secrets(url):
            os.environ[_variable(setting)] = url
            kept = list(_without(kept, _flag(setting)))
    if kept != argv:
        _restart(kept)


def _variable(setting: str) -> str:
    return f"MTBENCH_KO_{setting.upper()}"


def _flag(setting: str) -> str:
    return f"--{setting.replace('_', '-')}"


def _without(argv: Iterable[str], flag: str, place: str | None = None) -> Iterable[str]:
    """`argv` without what `flag` was given, however often; with `place` instead where there is one."""
    arguments = iter(argv)
    for argument in arguments:
        if argument != flag and not argument.startswith(f"{flag}="):
            yield argument
            continue
        if argument == flag:
            next(arguments, None)
        if place is not None:
            yield f"{flag}={place}"


def _restart(argv: list[str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "mtbench_ko", *argv[1:]])
