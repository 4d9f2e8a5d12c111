"""The price of a model behind an API."""

from collections.abc import Mapping
from datetime import date

from pydantic import BaseModel, ConfigDict, Field

_MILLION = 1_000_000


class Price(BaseModel):
    """US dollars per million tokens. Without `cached_input` a cached prompt costs what any prompt does.

    `batch` is the share of the price that a batch API takes. `as_of` and `source` say when and where it was read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0, allow_inf_nan=False)
    cached_input: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)
    batch: float = Field(default=1.0, ge=0, le=1)
    as_of: date | str | None = None
    source: str | None = None

    def cost(self, usage: Mapping[str, int], batch: bool = False) -> float:
        """Dollars for `usage`, in which `prompt_tokens` count `cached_tokens` too, and `completion_tokens` thinking."""
        prompt, completion = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
        cached = min(usage.get("cached_tokens", 0), prompt)
        of_cached = self.input if self.cached_input is None else self.cached_input
        full = ((prompt - cached) * self.input + cached * of_cached + completion * self.output) / _MILLION
        return full * self.batch if batch else full
