"""Runs COMMAND once to its end: where an earlier attempt exited with 2, 3 or 4, a retry would do the same again.

KubeRay repeats a failed RayJob up to its backoffLimit whatever the exit code was. So such an end leaves a marker in the
output, `_state/ended-<RayJob>.json`, and the attempts after it stop there. Usage: once.py NAME SETTINGS COMMAND...
"""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

FINAL = (2, 3, 4)


def main(name: str, settings: dict[str, Any], command: list[str]) -> int:
    key = f"_state/ended-{name}.json"
    if found := read(settings, key):
        code = int(json.loads(found)["exit_code"])
        print(f"an attempt of {name} ended with exit code {code}, which a retry cannot change", file=sys.stderr)
        print(f"to run it again: helm upgrade with another value of rerun, or remove {key} there", file=sys.stderr)
        return code
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # Ray sends them to the command, too; this waits for its end
    code = subprocess.call(command)
    if code in FINAL:
        write(settings, key, json.dumps({"exit_code": code}).encode())
    return code


def read(settings: dict[str, Any], key: str) -> bytes | None:
    from mtbench_ko.store.objects import ObjectError

    try:
        return objects(settings).read(key) if in_bucket(settings) else path(settings, key).read_bytes()
    except (ObjectError, OSError):
        return None


def write(settings: dict[str, Any], key: str, body: bytes) -> None:
    from mtbench_ko.store.objects import ObjectError

    try:
        if in_bucket(settings):
            objects(settings).replace(key, body)
        else:
            path(settings, key).parent.mkdir(parents=True, exist_ok=True)
            path(settings, key).write_bytes(body)
    except (ObjectError, OSError) as error:
        print(f"no marker could be left ({error}): this will be tried again", file=sys.stderr)


def in_bucket(settings: dict[str, Any]) -> bool:
    return str(settings["output"]).startswith("s3://")


def path(settings: dict[str, Any], key: str) -> Path:
    return Path(settings["output"], key)


def objects(settings: dict[str, Any]) -> Any:
    from mtbench_ko.store.objects import Objects, Place

    places = ("output", "s3_endpoint_url", "s3_encryption", "s3_kms_key_id")
    return Objects(Place(*(settings.get(name) for name in places)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], yaml.safe_load(Path(sys.argv[2]).read_text(encoding="utf-8")), sys.argv[3:]))
