"""Writes the program's settings into the chart's values.schema.json, so that helm refuses a wrong one by its name.

Run it after a change of `RunConfig`: python deploy/helm/settings_schema.py
"""

import json
from pathlib import Path
from typing import Any

from mtbench_ko.config import RunConfig

FILE = Path(__file__).parent / "mtbench-ko" / "values.schema.json"
CHART_SETS = ("output", "ray_address")
NO_PASSWORD = r"^[a-z0-9+]+://[^/@]*(/.*)?$"


def settings_schema() -> dict[str, Any]:
    """JSON schema of the values' `config`: every setting but those that the chart itself sets."""
    properties = {}
    for name, field in RunConfig.model_json_schema()["properties"].items():
        if name in CHART_SETS:
            continue
        schema = {key: value for key, value in field.items() if key not in ("title", "group", "default")}
        schema.pop("description", None)
        if schema.get("type") == "array":
            schema = {"anyOf": [schema, {"type": "string"}]}  # YAML may give one value without a list
        if name.endswith("_api_key"):
            schema = {"type": "string", "pattern": "^(env|file):.+"}
        if name.endswith(("_api_base", "_endpoint_url")):
            schema = {"type": "string", "pattern": NO_PASSWORD}
        if name == "data_mirror":
            schema = {"type": "string", "pattern": f"{NO_PASSWORD}|^/"}
        properties[name] = schema
    return {"type": "object", "additionalProperties": False, "properties": properties}


if __name__ == "__main__":
    chart = json.loads(FILE.read_text(encoding="utf-8"))
    chart["properties"]["config"] = settings_schema()
    FILE.write_text(json.dumps(chart, indent=2) + "\n", encoding="utf-8")
