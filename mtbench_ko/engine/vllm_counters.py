"""What a vLLM engine does, counted step by step in its actor, and exported through Ray's Prometheus endpoint."""

from dataclasses import asdict, fields
from typing import Any

from mtbench_ko.engine.base import Counters

_NOW = ("running", "waiting", "cache_usage")  # the others only grow


class StepCounters:
    """A stat logger of vLLM (StatLoggerBase): `AsyncLLM(..., stat_loggers=[counters.attach])`."""

    def __init__(self, model: str) -> None:
        self._totals: dict[str, Any] = asdict(Counters())
        self._model = model
        self._metrics: dict[str, Any] = {}
        self._exported = Counters()

    def attach(self, vllm_config: Any, engine_index: int = 0) -> "StepCounters":
        """What vLLM calls to get its logger."""
        return self

    def record(
        self, scheduler_stats: Any, iteration_stats: Any, mm_cache_stats: Any = None, engine_idx: int = 0
    ) -> None:
        """One step of the engine; vLLM calls it in the actor's event loop."""
        totals = self._totals
        if (now := scheduler_stats) is not None:
            totals["running"] = now.num_running_reqs
            totals["waiting"] = now.num_waiting_reqs + getattr(now, "num_skipped_waiting_reqs", 0)
            totals["cache_usage"] = now.kv_cache_usage
            totals["cache_queries"] += now.prefix_cache_stats.queries  # in tokens, since the last step
            totals["cache_hits"] += now.prefix_cache_stats.hits
        if (step := iteration_stats) is not None:
            totals["steps"] += 1
            totals["prompt_tokens"] += step.num_prompt_tokens
            totals["generated_tokens"] += step.num_generation_tokens
            totals["preemptions"] += step.num_preempted_reqs

    def log(self) -> None: ...

    def log_engine_initialized(self) -> None: ...

    def record_sleep_state(self, is_awake: int, level: int) -> None: ...

    def read(self) -> Counters:
        """The present counters; what Prometheus is shown is brought up to them."""
        counters = Counters(**self._totals)
        self._export(counters)
        return counters

    def _export(self, counters: Counters) -> None:
        from ray.util import metrics

        for field in fields(Counters):
            value, before = getattr(counters, field.name), getattr(self._exported, field.name)
            kind = metrics.Gauge if field.name in _NOW else metrics.Counter
            if field.name not in self._metrics:
                name = f"mtbench_ko_engine_{field.name}"
                self._metrics[field.name] = kind(name, description=f"vLLM engine: {field.name}", tag_keys=("model",))
                self._metrics[field.name].set_default_tags({"model": self._model})
            if field.name in _NOW:
                self._metrics[field.name].set(value)
            elif value > before:
                self._metrics[field.name].inc(value - before)
        self._exported = counters
