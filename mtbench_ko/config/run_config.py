"""Every setting, in one place: the flags, the YAML keys and the environment variables are made from `RunConfig`.

A flag wins over its environment variable (MTBENCH_KO_<NAME>), that over the YAML file, that over the default.
"""

import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from mtbench_ko.config.judge_settings import JudgeEntry, JudgeSettings
from mtbench_ko.config.keys import URLS, http_url, key_place, without_keys
from mtbench_ko.config.model_settings import Count, ModelEntry, ModelSettings, setting
from mtbench_ko.errors import UsageError
from mtbench_ko.records import kind_of
from mtbench_ko.urls import without_secrets

TABLE_FORMATS = ("table", "csv", "json", "markdown", "fastchat")


def _many(group: str, help: str) -> Any:
    return Field(default_factory=list, description=help, json_schema_extra={"group": group})


class RunConfig(ModelSettings, JudgeSettings):
    """The settings of one run. Those of `ModelSettings` hold for all its models, of `JudgeSettings` for all judges."""

    bench_name: str = setting("mt_bench_ko", "bench", "Question set: a registered name, or a folder when it holds a /.")
    question_begin: int | None = setting(None, "bench", "First question, as a position in the file from 0.")
    question_end: int | None = setting(None, "bench", "Position after the last question.")
    first_n: Count | None = setting(None, "bench", "Only the first N questions.")
    references: Literal["corrected", "upstream", "question", "none"] | None = setting(
        None,
        "bench",
        "References shown to the judge: the set's own (upstream), these with errata applied (corrected), the "
        "questions' own field (question), or none; default: corrected where errata fit, otherwise upstream.",
    )
    reference_model: str | None = setting(None, "bench", "Which file of reference_answer/ to use, if several.")
    data_cache: str | None = setting(
        None, "bench", "Folder for data sets that are fetched; default: mtbench-ko in the user's cache."
    )
    data_mirror: str | None = setting(
        None,
        "bench",
        "URL or folder to fetch data sets from, with the paths of their own URLs; default: the sources.",
    )
    data_timeout: float = setting(300.0, "bench", "Seconds that fetching one file may take.", gt=0)

    model_path: list[str] = _many("model", "Local weights: a folder or a hub id. Repeat for several models.")
    model_id: list[str] = _many("model", "Name of the model in files and tables; default: last part of its path.")
    model: str | None = setting(None, "model", "A model behind an OpenAI-compatible endpoint.")
    openai_api_base: str | None = setting(None, "model", "URL of the endpoint of --model; default: OpenAI.")
    openai_api_key: str | None = setting(
        None, "model", "Key of --model, env:NAME or file:PATH; for OpenAI: OPENAI_API_KEY."
    )
    models: list[ModelEntry] = _many("file", "The models under test, each with settings of its own.")
    num_gpus_total: Count | None = setting(None, "engine", "GPUs to use; default: all.")

    max_new_token: Count = setting(1024, "generation", "Tokens that a turn may take, thinking included.")
    num_choices: Count = setting(1, "generation", "Conversations per question.")
    force_temperature: float | None = setting(None, "generation", "One temperature for all categories.", ge=0)
    repetition_penalty: float = setting(1.0, "generation", "Repetition penalty; 1 is off.", gt=0)
    system_prompt: str | None = setting(None, "generation", "System prompt of every conversation.")
    answer_file: str | None = setting(None, "generation", "Write the answers here too, when the run ends.")
    parallel: Count = setting(50, "generation", "Calls in flight to the endpoint of --model.")

    model_list: list[str] = _many("answers", "Models to judge: a b c; default: all that have answers.")
    judge_model: list[str] = _many(
        "judge", "The judge: a model name of its API, or a name for local weights. Repeat for a panel."
    )
    judge_model_path: str | None = setting(None, "judge", "Weights of a judge that runs on this cluster.")
    judges: list[JudgeEntry] = _many("file", "The judges of a panel, each with settings of its own.")
    mode: Literal["single", "pairwise-baseline", "pairwise-all"] = setting(
        "single", "judge", "Grade each answer, compare each with the baseline's, or compare all pairs."
    )
    baseline_model: str | None = setting(None, "judge", "The model that pairwise-baseline compares with.")
    judge_file: str | None = setting(None, "judge", "A file of judge prompts in FastChat's format.")
    prompt_set: str | None = setting(
        None, "judge", "Judge prompts by name: this project's ko (default) or en, or a data set's, such as mt_bench."
    )

    max_cost: float | None = setting(
        None, "endpoint", "US dollars that calls of APIs may cost in this output; then the run stops, all saved.", gt=0
    )
    prices: str | None = setting(
        None, "endpoint", "YAML file of prices by model name, in US dollars per million tokens; goes before our own."
    )

    output: str = setting(
        "outputs", "output", "The run: a directory or s3://bucket/prefix. Started again on it, a run goes on."
    )
    max_failures: int = setting(0, "output", "Failed or unscored items that still count as success.", ge=0)
    retry_failed: bool = setting(False, "output", "Try items again that were set aside, such as context overflows.")
    adopt: bool = setting(False, "output", "Take answers that another program left under this model's name as done.")
    overwrite: bool = setting(False, "output", "Write over files that another program left in the output.")
    grace_seconds: float = setting(30.0, "output", "After SIGTERM, time for work in flight to finish.", ge=0)
    s3_endpoint_url: str | None = setting(
        None, "storage", "Server of an s3:// output; default: AWS, or AWS_ENDPOINT_URL_S3."
    )
    s3_encryption: Literal["AES256", "aws:kms"] | None = setting(
        None, "storage", "Server-side encryption of an s3:// output; default: what the bucket does."
    )
    s3_kms_key_id: str | None = setting(None, "storage", "Key of --s3-encryption aws:kms; default: the bucket's.")
    flush_seconds: float = setting(5.0, "storage", "Longest time between two parts sent to an s3:// output.", gt=0)
    single_writer: bool = setting(False, "storage", "Go on with a store that cannot keep a second writer out.")
    ray_address: str | None = setting(None, "output", "Address of a Ray cluster; default: RAY_ADDRESS, else our own.")
    no_report: bool = setting(False, "report", "Leave out the report that a run ends with.")
    dry_run: bool = setting(False, "output", "Show what would run, and stop.")

    _model_key_place = field_validator("openai_api_key")(key_place)
    _urls = field_validator("openai_api_base", "s3_endpoint_url")(http_url)

    @model_validator(mode="after")
    def _consistent(self) -> "RunConfig":
        if self.model and (self.model_path or self.models):
            raise ValueError("--model (an endpoint) and --model-path (local weights) exclude each other")
        if self.model_path and self.models:
            raise ValueError("--model-path and the list models: exclude each other; put all models into one of them")
        if self.judges and (self.judge_model or self.judge_model_path):
            raise ValueError(
                "--judge-model (or --judge-model-path) and the list judges: exclude each other; put all into the list"
            )
        if self.judge_model_path and len(self.judge_model) > 1:
            raise ValueError(
                "several --judge-model are APIs, and --judge-model-path is local; name both kinds in the list judges: "
                "of a --config file"
            )
        if self.judge_model_path and self.judge_api_base and not self.judges:
            raise ValueError("--judge-model-path and --judge-api-base exclude each other: the judge is local or an API")
        if self.judge_batch and self.judge_model_path:
            raise ValueError(
                "--judge-batch is for the API of --judge-model; a local judge (--judge-model-path) has none"
            )
        if sum(entry.judge_model_path is not None for entry in self.judges) > 1:
            raise ValueError("judges: only one of them can run on this cluster; the others must be APIs")
        if self.judge_file and self.prompt_set:
            raise ValueError("--judge-file and --prompt-set exclude each other: both name the judge's prompts")
        if self.adopt and self.overwrite:
            raise ValueError("--adopt and --overwrite exclude each other")
        if self.mode == "pairwise-baseline" and not self.baseline_model:
            raise ValueError("--mode pairwise-baseline needs --baseline-model NAME")
        if "://" in self.output and not re.fullmatch(r"s3://[^/]+(/.*)?", self.output):
            raise ValueError(f"--output {self.output}: a directory, or s3://bucket/prefix")
        judges = self.judge_names
        if len({name.replace("/", "__") for name in judges}) != len(judges):
            raise ValueError(f"two judges would share a name: {', '.join(judges)}; give each another judge_model")
        names = self.model_names
        if len(self.model_id) > max(1, len(self.model_path)):
            raise ValueError(f"{len(self.model_id)} --model-id for {len(self.model_path)} --model-path")
        if self.answer_file and len(names) > 1:
            raise ValueError(f"--answer-file holds the answers of one model, and there are {len(names)}")
        if len({name.replace("/", "__") for name in names}) != len(names):
            raise ValueError(f"two models would share a name: {', '.join(names)}; give each a --model-id")
        return self

    def public(self) -> dict[str, Any]:
        """The settings as they are saved beside the results: keys by their place only, no password in a URL."""
        settings = self.model_dump(mode="json")
        settings["models"] = [entry.model_dump(mode="json") for entry in self.entries] if self.models else []
        settings["judges"] = [entry.model_dump(mode="json") for entry in self.judge_entries] if self.judges else []
        for place in (settings, *settings["models"], *settings["judges"]):
            for name in place.keys() & URLS:
                if place[name]:
                    place[name] = without_secrets(place[name])
            for name in place.keys() & {"engine_arg", "judge_engine_arg"}:
                place[name] = without_keys(place[name])
        return settings

    @property
    def entries(self) -> list[ModelEntry]:
        """The local models under test, each with all its settings."""
        names = self.model_id + [""] * len(self.model_path)
        listed = self.models or [
            ModelEntry(model_path=path, model_id=name or None)
            for path, name in zip(self.model_path, names, strict=False)
        ]
        return [entry.over(self) for entry in listed]

    @property
    def model_names(self) -> list[str]:
        """The name of each model under test, in order."""
        if self.model:
            return [*self.model_id, self.model.rstrip("/").rpartition("/")[2]][:1]
        return [entry.name for entry in self.entries]

    @property
    def judgment_kind(self) -> Literal["judgment", "game"]:
        """The kind of record that the mode makes."""
        return kind_of(self.mode)

    @property
    def judge_entries(self) -> list[JudgeEntry]:
        """The judges, each with all its settings; none where none is named."""
        if self.judge_model_path:
            named = "".join(self.judge_model) or None
            listed = [JudgeEntry(judge_model=named, judge_model_path=self.judge_model_path)]
        else:
            listed = self.judges or [JudgeEntry(judge_model=name) for name in self.judge_model]
        return [entry.over(self) for entry in listed]

    @property
    def judge_names(self) -> list[str]:
        """The name of each judge in files and tables, in order."""
        return [entry.name for entry in self.judge_entries]


def load_config(given: dict[str, Any], file: str | None = None) -> RunConfig:
    """The settings of YAML `file` with those `given` (flags, environment) put over them.

    Raises:
        UsageError: unreadable YAML, an unknown key, or a value out of range; the message names the field.
    """
    settings = (_read_settings(Path(file)) if file else {}) | given
    lists = {name for name, field in RunConfig.model_fields.items() if field.annotation == list[str]}
    settings |= {name: [value] for name, value in settings.items() if name in lists and isinstance(value, str)}
    try:
        return RunConfig.model_validate(settings)
    except ValidationError as error:
        raise UsageError("; ".join(_fault(fault, file) for fault in error.errors())) from error


def read_yaml(path: Path, name: str) -> Any:
    """What a YAML file holds; errors call it `name`.

    Raises:
        UsageError: unreadable, or not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:  # its own words quote the line, on which a key may stand
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise UsageError(f"{name}{place}: not YAML: {error.problem or error.context}") from None
    except Exception as error:  # PyYAML's own, and Python's for what only looks like a date, a number or an end
        raise UsageError(f"{name}: not YAML: {error}") from error


def _read_settings(path: Path) -> dict[str, Any]:
    content = read_yaml(path, f"--config {path}")
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageError(f"--config {path}: the file must hold keys and values, such as 'model_path: [my-model]'")
    return content


def _fault(fault: Any, file: str | None) -> str:
    place = fault["loc"]
    name = str(place[0]) if place else ""
    if name in ("models", "judges") and len(place) > 1:
        name = f"{name}[{place[1]}]" + "".join(f".{part}" for part in place[2:3])
    if fault["type"] in ("extra_forbidden", "invalid_key"):
        return f"{file or 'settings'}: unknown key '{name}'"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{name}: {message}" if name else message
