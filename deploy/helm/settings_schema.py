"""Writes the program's settings into the chart's values.schema.json, so that helm refuses a wrong one by its name.

Run it after a change of `RunConfig`: python deploy/helm/settings_schema.py
"""

import json
from pathlib import Path
from typing import Any

from mtbench_ko.config import RunConfig

FILE = Path(__file__).parent / "mtbench-ko" / "values.schema.json"
CHART_SETS = ("output", "ray_address")
UNSAID = ("title", "description", "group", "default")
NO_PASSWORD = r"^[a-z0-9+]+://[^/@]*(/.*)?$"


def settings_schema() -> dict[str, Any]:
    """JSON schema of the values' `config`: every setting but those that the chart itself sets."""
    schema = RunConfig.model_json_schema()
    shapes = schema.get("$defs", {})
    fields = {name: field for name, field in schema["properties"].items() if name not in CHART_SETS}
    return _object(fields, shapes)


def _object(fields: dict[str, Any], shapes: dict[str, Any]) -> dict[str, Any]:
    properties = {name: _field(name, field, shapes) for name, field in fields.items()}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _field(name: str, field: dict[str, Any], shapes: dict[str, Any]) -> dict[str, Any]:
    if name.endswith("_api_key"):
        return {"type": "string", "pattern": "^(env|file):.+"}
    if name.endswith(("_api_base", "_endpoint_url")):
        return {"type": "string", "pattern": NO_PASSWORD}
    if name == "data_mirror":
        return {"type": "string", "pattern": f"{NO_PASSWORD}|^/"}
    schema: dict[str, Any] = _plain(field, shapes)
    if schema.get("items") == {"type": "string"}:
        return {"anyOf": [schema, {"type": "string"}]}  # YAML may give one value without a list
    return schema


def _plain(schema: Any, shapes: dict[str, Any]) -> Any:
    """A field's schema without its documentation, with the shapes that it refers to in place."""
    if isinstance(schema, list):
        return [_plain(part, shapes) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        shape = shapes[schema["$ref"].rpartition("/")[2]]
        return _object(shape["properties"], shapes) | {"required": shape.get("required", [])}
    return {key: _plain(value, shapes) for key, value in schema.items() if key not in UNSAID}


if __name__ == "__main__":
    chart = json.loads(FILE.read_text(encoding="utf-8"))
    chart["properties"]["config"] = settings_schema()
    FILE.write_text(json.dumps(chart, indent=2) + "\n", encoding="utf-8")
