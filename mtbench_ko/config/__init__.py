"""All settings of a run, from defaults, a YAML file, the environment and flags."""

from mtbench_ko.config.judge_settings import EndpointSettings, JudgeEntry, JudgeSettings
from mtbench_ko.config.keys import URLS, read_key
from mtbench_ko.config.model_settings import ModelEntry
from mtbench_ko.config.price import Price
from mtbench_ko.config.run_config import TABLE_FORMATS, RunConfig, load_config, read_yaml

__all__ = [
    "TABLE_FORMATS",
    "URLS",
    "EndpointSettings",
    "JudgeEntry",
    "JudgeSettings",
    "ModelEntry",
    "Price",
    "RunConfig",
    "load_config",
    "read_key",
    "read_yaml",
]
