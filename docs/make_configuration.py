"""Writes docs/configuration.md, the reference of all settings, from the settings themselves.

Run it after a change of `RunConfig`: python docs/make_configuration.py
"""

import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mtbench_ko.config import JudgeEntry, ModelEntry, RunConfig

FILE = Path(__file__).with_name("configuration.md")
GROUPS = {
    "bench": "Question set",
    "model": "Models under test",
    "engine": "Engines",
    "generation": "Answers",
    "answers": "Which answers to judge or show",
    "judge": "Judges",
    "endpoint": "Endpoints",
    "output": "Output and course of a run",
    "storage": "Object storage",
    "report": "Report",
    "file": "In a file alone",
}
INTRODUCTION = """# Every setting

Made from the code by `python docs/make_configuration.py`. Each setting is a flag (`--max-new-token`), a key of
`--config run.yaml` (`max_new_token`) and an environment variable (`MTBENCH_KO_MAX_NEW_TOKEN`); a flag wins over the
environment, that over the file, that over the default. `mtbench-ko COMMAND --help` shows those that a command takes.
"""


def configuration() -> str:
    """The page, in Markdown."""
    parts = [INTRODUCTION]
    for group, title in GROUPS.items():
        rows = [_row(name, field) for name, field in RunConfig.model_fields.items() if _group(field) == group]
        parts.append(_section(title, rows))
    parts.append(_entries("models", ModelEntry))
    parts.append(_entries("judges", JudgeEntry))
    return "\n".join(parts)


def _section(title: str, rows: list[str]) -> str:
    return "\n".join([f"## {title}\n", "| setting | values | default | |", "| --- | --- | --- | --- |", *rows, ""])


def _entries(name: str, entry: type[BaseModel]) -> str:
    fields = ", ".join(f"`{field}`" for field in entry.model_fields)
    return f"## An entry of `{name}:`\n\n{fields}. What an entry does not say it takes from the settings above.\n"


def _row(name: str, field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    told = "" if default in (None, [], {}) else f"`{str(default).lower() if isinstance(default, bool) else default}`"
    text = (field.description or "").replace("|", "\\|")
    return f"| `{name}` | {_values(field.annotation)} | {told} | {text} |"


def _values(annotation: Any) -> str:
    """The values that a setting takes, in words."""
    if typing.get_origin(annotation) is typing.Literal:
        return ", ".join(f"`{value}`" for value in typing.get_args(annotation))
    if typing.get_origin(annotation) is list:
        return f"list of {_values(typing.get_args(annotation)[0])}"
    if typing.get_origin(annotation) is dict:
        return "names and values"
    if typing.get_origin(annotation) is typing.Annotated:
        return _values(typing.get_args(annotation)[0])
    if typing.get_args(annotation):
        return " or ".join(_values(part) for part in typing.get_args(annotation) if part is not type(None))
    names = {str: "text", int: "whole number", float: "number", bool: "`true`, `false`"}
    return names.get(annotation, f"{getattr(annotation, '__name__', '')} (below)")


def _group(field: FieldInfo) -> str:
    assert isinstance(field.json_schema_extra, dict)
    return str(field.json_schema_extra["group"])


if __name__ == "__main__":
    FILE.write_text(configuration(), encoding="utf-8")
