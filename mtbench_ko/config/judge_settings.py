"""How one judge is reached and asked: the settings that flags give all judges alike, and `judges:` in YAML each."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from mtbench_ko.config.keys import http_url, key_place, no_key
from mtbench_ko.config.model_settings import Count, pairs, setting
from mtbench_ko.config.price import Price


class EndpointSettings(BaseModel):
    """What every endpoint is spared: rates and patience."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    rpm: Count | None = setting(None, "endpoint", "Requests a minute to keep to, for each endpoint.")
    tpm: Count | None = setting(None, "endpoint", "Tokens a minute to keep to, prompts and replies, likewise.")
    request_timeout: float = setting(600.0, "endpoint", "Seconds that an endpoint may take for one reply.", gt=0)


class JudgeSettings(EndpointSettings):
    """How a judge is reached, and how it is asked."""

    judge_api_base: str | None = setting(None, "judge", "URL of the judge's endpoint; default: OpenAI.")
    judge_api_key: str | None = setting(
        None, "judge", "Key of the judge, env:NAME or file:PATH; for OpenAI: OPENAI_API_KEY."
    )
    judge_api_version: str | None = setting(
        None,
        "judge",
        "Azure's dated API version, such as 2024-10-21; --judge-api-base is then the resource, --judge-model the "
        "deployment. Azure's v1 API needs none.",
    )
    judge_num_gpus: Count | None = setting(None, "judge", "GPUs of the local judge.")
    judge_batch: bool = setting(
        False, "judge", "Judge through OpenAI's Batch API: at half the price, with replies within a day."
    )
    judge_parallel: Count = setting(50, "judge", "Calls in flight to the judge's endpoint.")
    judge_attempts: Count = setting(3, "judge", "How often the judge is asked for a verdict that can be read.")
    judge_repeats: Count = setting(
        1, "judge", "Verdicts of the judge on each item; more than one show how far it agrees with itself."
    )
    judge_engine_arg: dict[str, Any] = pairs("judge", "An engine argument of the local judge, K=V. Repeatable.")
    judge_max_tokens: Count = setting(2048, "judge", "Tokens that a judgment may take.")

    _key_place = field_validator("judge_api_key")(key_place)
    _url = field_validator("judge_api_base")(http_url)
    _no_key_of_judge = field_validator("judge_engine_arg")(no_key)

    @model_validator(mode="after")
    def _azure(self) -> Self:
        if self.judge_api_version and not self.judge_api_base:
            raise ValueError("judge_api_version needs judge_api_base, the URL of the Azure resource")
        if self.judge_api_version and self.judge_batch:
            raise ValueError(
                "judge_batch goes with Azure's v1 API (judge_api_base …/openai/v1/), not a judge_api_version"
            )
        return self


class JudgeEntry(JudgeSettings):
    """One judge of a panel. Of `judges:` in YAML, an entry that is only the name of an API's model may be written as
    such. A judge with an endpoint of its own is never sent the key of the shared one."""

    judge_model: str | None = None
    judge_model_path: str | None = None
    price: Price | None = None

    @model_validator(mode="before")
    @classmethod
    def _only_a_name(cls, value: Any) -> Any:
        return {"judge_model": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_place(self) -> "JudgeEntry":
        if not self.judge_model and not self.judge_model_path:
            raise ValueError("needs judge_model (a model of an API) or judge_model_path (weights on this cluster)")
        if self.judge_model_path and self.judge_api_base:
            raise ValueError("judge_model_path and judge_api_base exclude each other: the judge is local or an API")
        if self.judge_model_path and self.judge_batch:
            raise ValueError("judge_batch is for the API of a judge_model; a local judge has none")
        return self

    @property
    def name(self) -> str:
        """Its name in files and tables."""
        if self.judge_model:
            return self.judge_model
        assert self.judge_model_path is not None
        return self.judge_model_path.rstrip("/").rpartition("/")[2]

    def over(self, shared: JudgeSettings) -> "JudgeEntry":
        """This entry with what it does not say taken from `shared`; engine arguments add up."""
        said = {name: getattr(self, name) for name in self.model_fields_set}
        merged = {name: getattr(shared, name) for name in JudgeSettings.model_fields}
        if "judge_api_base" in said or self.judge_model_path:
            merged |= {"judge_api_base": None, "judge_api_key": None, "judge_api_version": None}
        if self.judge_model_path:
            merged["judge_batch"] = False
        merged |= said
        merged["judge_engine_arg"] = shared.judge_engine_arg | self.judge_engine_arg
        return JudgeEntry(**merged)
