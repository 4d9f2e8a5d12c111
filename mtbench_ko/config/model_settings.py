"""How one model is loaded and placed: the settings that flags give all models alike, and `models:` in YAML each."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mtbench_ko.config.keys import no_key

GPU_MEMORY = r"^(0?\.\d+|1(\.0+)?|\d+ ?GiB)$"
Count = Annotated[int, Field(ge=1)]
_PLACED = {
    "model": "--model-path",
    "revision": "--revision",
    "tensor_parallel_size": "--num-gpus-per-model and --pipeline-parallel-size",
    "pipeline_parallel_size": "--pipeline-parallel-size",
    "data_parallel_size": "--replicas",
}


def setting(default: Any, group: str, help: str, **constraints: Any) -> Any:
    """A field whose flag stands in `group` and is explained by `help`."""
    return Field(default, description=help, json_schema_extra={"group": group}, **constraints)


def pairs(group: str, help: str) -> Any:
    """A field of names and values, which its flag takes one by one as K=V."""
    return Field(default_factory=dict, description=help, json_schema_extra={"group": group})


class ModelSettings(BaseModel):
    """How a model is loaded, and which GPUs it gets."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    num_gpus_per_model: Count | None = setting(
        None, "engine", "GPUs of one replica (tensor x pipeline parallel); default: 1."
    )
    pipeline_parallel_size: Count | None = setting(
        None, "engine", "Pipeline stages; divides --num-gpus-per-model. Default: the nodes that a replica must span."
    )
    replicas: Count | Literal["auto"] = setting(
        "auto", "engine", "Replicas of each model: a number, or as many as fit once every waiting model has one."
    )
    revision: str | None = setting(None, "engine", "Revision of a hub id.")
    dtype: str | None = setting(None, "engine", "vLLM's dtype; default: the model's own (float32 on older CPUs).")
    quantization: str | None = setting(None, "engine", "vLLM's quantization method; default: what the weights say.")
    max_model_len: Count | None = setting(
        None, "engine", "Longest context, prompt and answer, in tokens; default: the model's own (on CPU what fits)."
    )
    max_gpu_memory: str | None = setting(
        None, "engine", "GPU memory for vLLM: a share of it (0.9) or an amount (40GiB).", pattern=GPU_MEMORY
    )
    chat_template: str | None = setting(
        None, "engine", "Chat template instead of the model's own: vicuna, alpaca, llama-2, eeve, or a Jinja file."
    )
    chat_template_kwargs: dict[str, Any] = pairs(
        "engine", "A variable of the chat template, K=V, such as enable_thinking=false. Repeatable."
    )
    reasoning_parser: str | None = setting(None, "engine", "vLLM's parser that takes the thinking out of answers.")
    lora_path: str | None = setting(None, "engine", "Folder of a LoRA adapter to put over the weights.")
    trust_remote_code: bool = setting(False, "engine", "Run the Python code that a model repository brings.")
    engine_arg: dict[str, Any] = pairs(
        "engine", "An engine argument of vLLM, K=V; V is read as JSON where it can be. Repeatable."
    )

    _no_key = field_validator("engine_arg")(no_key)

    @field_validator("engine_arg")
    @classmethod
    def _not_placed(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in _PLACED.keys() & value.keys():
            raise ValueError(f"{name} is set with {_PLACED[name]}")
        return value

    @property
    def wanted_replicas(self) -> int | None:
        """None for as many as fit."""
        return None if self.replicas == "auto" else self.replicas

    @property
    def engine_args(self) -> dict[str, Any]:
        """What vLLM is told beside weights, adapter, parallelism and memory."""
        named = {name: getattr(self, name) for name in ("dtype", "quantization", "max_model_len", "reasoning_parser")}
        return {name: value for name, value in named.items() if value is not None} | self.engine_arg


class ModelEntry(ModelSettings):
    """One model under test. Of `models:` in YAML, an entry that is only a path may be written as such."""

    model_path: str
    model_id: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _only_a_path(cls, value: Any) -> Any:
        return {"model_path": value} if isinstance(value, str) else value

    @property
    def name(self) -> str:
        """Its name in files and tables: by default the last part of its path."""
        return self.model_id or self.model_path.rstrip("/").rpartition("/")[2]

    def over(self, shared: ModelSettings) -> "ModelEntry":
        """This entry with what it does not say taken from `shared`; engine arguments and the like add up."""
        said = {name: getattr(self, name) for name in self.model_fields_set}
        merged = {name: getattr(shared, name) for name in ModelSettings.model_fields} | said
        for name in ("engine_arg", "chat_template_kwargs"):
            merged[name] = getattr(shared, name) | getattr(self, name)
        return ModelEntry(**merged)
