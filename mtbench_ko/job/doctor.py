"""What a run will need, looked at before GPU hours are spent: each check gives findings, and never stops the others."""

import asyncio
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from mtbench_ko.bench import bench_of
from mtbench_ko.config import RunConfig, read_key
from mtbench_ko.engine import Completion, EndpointSpec, Node, Replicas, Sampling, Weights, ask_once, render_template
from mtbench_ko.engine.survey import Survey, survey
from mtbench_ko.errors import MtBenchError, Preempted
from mtbench_ko.job.plan import Panelist, Plan, find_contestants, find_panel, make_plan
from mtbench_ko.store import find_place, probe_output, spool_folder
from mtbench_ko.terminal import printable

_GIB = 1 << 30
_LITTLE_DISK = _GIB  # an output of 100 models takes about a tenth of this
_LITTLE_SHARED_MEMORY = _GIB  # vLLM's workers of one replica pass messages through it
_FREE_SHARE = 0.85  # of a GPU: vLLM wants 0.9, less what the driver keeps
_UNREACHED = "is the URL right, and can this machine reach it?"
_TEXT = "안녕하세요. 1+1은 무엇인가요?"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, and what there is to say and to do."""

    level: Literal["ok", "warning", "failed"]
    what: str
    text: str

    def __str__(self) -> str:
        return printable(f"{self.level:8}{self.what}: {self.text}")


def examine_settings(config: RunConfig) -> Iterator[Finding]:
    """Questions, prompts, weights, chat templates, keys and the output: everything but the cluster."""
    yield from _guarded("questions", lambda: _questions(config))
    yield from _guarded("models", lambda: _models(config))
    yield from _guarded("judge", lambda: _judges(config))
    yield from _guarded("output", lambda: _output(config))


def examine_cluster(config: RunConfig, nodes: Sequence[Node]) -> tuple[list[Finding], Plan | None]:
    """The nodes and their GPUs, and how the models would lie on them."""
    gpus = sum(node.gpus for node in nodes)
    cores = sum(node.cpus for node in nodes)
    findings = [Finding("ok", "Ray", f"{len(nodes)} nodes with {gpus} GPUs and {cores} cores")]
    looks = survey(nodes)
    for node in nodes:
        findings += _node(node, looks[node.id])
    found: list[Plan] = []
    findings += _guarded("placement", lambda: _placement(config, nodes, looks, found))
    return findings, found[0] if found else None


def _guarded(what: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(check())
    except Preempted:
        raise
    except MtBenchError as error:
        return [Finding("failed", what, str(error))]


def _questions(config: RunConfig) -> Iterator[Finding]:
    bench = bench_of(config, judged=bool(config.judge_names))
    yield Finding(
        "ok", "questions", f"{bench.name}: {len(bench.questions)}, references: {bench.reference_source or 'none'}"
    )
    for note in bench.notes:
        yield Finding("warning", "questions", note)


def _models(config: RunConfig) -> Iterator[Finding]:
    for contestant in find_contestants(config):
        if contestant.weights is None:
            assert config.model is not None
            key = read_key(config.openai_api_key, config.openai_api_base, "--openai-api-key")
            yield _call(f"model {contestant.name}", config.model, config.openai_api_base, key)
        else:
            kwargs = contestant.subject.template_kwargs
            yield from _weights(f"model {contestant.name}", contestant.weights, config.system_prompt, kwargs)


def _weights(
    what: str, weights: Weights, system_prompt: str | None = None, kwargs: Mapping[str, object] | None = None
) -> Iterator[Finding]:
    missing, size = weights.missing_files(), weights.size()
    if missing and weights.revision is None:
        yield Finding("failed", what, f"{weights.path} lacks {', '.join(missing[:3])}, which its index names; copy it")
    elif missing:
        yield Finding("warning", what, "the weights are not in this machine's hub cache and will be downloaded first")
    else:
        yield Finding("ok", what, f"config and weights ({size / _GIB:.1f} GiB), {weights.identity[:24]}")
    messages = [
        {"role": "user", "content": _TEXT},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "왜요?"},
    ]
    system = [{"role": "system", "content": system_prompt}] if system_prompt else []
    try:
        prompt = render_template(weights.chat_template, system + messages, dict(kwargs or {}))
    except Exception as error:  # Jinja's errors and those that templates raise themselves
        yield Finding("failed", what, f"its chat template fails on two turns: {error}; pass another --chat-template")
        return
    lost = [each["content"] for each in system + messages if each["content"] not in prompt]
    if lost:
        yield Finding("warning", what, f"its chat template leaves out {lost[0]!r}; is it the right --chat-template?")
    else:
        yield Finding("ok", what, f"its chat template takes {'a system prompt and ' if system else ''}two turns")


def _judges(config: RunConfig) -> Iterator[Finding]:
    panel = find_panel(config)
    if not panel:
        yield Finding("warning", "judge", "none is named; 'run' needs --judge-model or --judge-model-path")
    for panelist in panel:
        what = "judge" if len(panel) == 1 else f"judge {panelist.name}"
        yield from _guarded(what, partial(_judge, what, panelist))


def _judge(what: str, panelist: Panelist) -> Iterator[Finding]:
    if panelist.weights:
        yield from _weights(what, panelist.weights)
    else:
        entry = panelist.entry
        key = read_key(entry.judge_api_key, entry.judge_api_base, "--judge-api-key")
        yield _call(what, panelist.name, entry.judge_api_base, key, entry.judge_api_version)


def _call(what: str, model: str, base_url: str | None, key: str, api_version: str | None = None) -> Finding:
    """One real call, of a few tokens: only that shows that key, model and quota are good."""
    spec = EndpointSpec(
        model, base_url, key, connections=1, timeout=60.0, deadline=90.0, tries=2, api_version=api_version
    )
    reply = asyncio.run(ask_once(spec, [{"role": "user", "content": _TEXT}], Sampling(0.0, max_tokens=16)))
    if isinstance(reply, Completion):
        tokens = reply.prompt_tokens + reply.completion_tokens
        return Finding("ok", what, f"{reply.model} answers (one call, which cost {tokens} tokens)")
    if reply.reason == "empty_reply":
        return Finding("ok", what, f"{model} answers, with nothing yet after 16 tokens (it may be thinking)")
    advice = {
        "wrong_key": "give the right key: env:NAME or file:PATH",
        "unknown_model": "check the name and the URL",
        "quota": "the account has no quota left",
        "connection": _UNREACHED,
        "timeout": _UNREACHED,
    }.get(reply.reason, "see the message")
    return Finding("failed", what, f"{reply.reason}: {reply.detail.splitlines()[0] if reply.detail else ''}; {advice}")


def _output(config: RunConfig) -> Iterator[Finding]:
    yield Finding("ok", "output", probe_output(config))
    place = find_place(config)
    folder = spool_folder(place) if place else Path(config.output).resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    level: Literal["ok", "warning"] = "ok" if free > _LITTLE_DISK else "warning"
    yield Finding(level, "disk", f"{free / _GIB:.0f} GiB free at {folder}")


def _node(node: Node, look: Survey | str) -> Iterator[Finding]:
    what = f"node {node.name}"
    if isinstance(look, str):
        yield Finding("failed", what, f"{look}; is this program installed there as here?")
        return
    if node.gpus and not look.gpus:
        yield Finding("warning", what, f"Ray was told of {node.gpus} GPUs, and nvidia-smi shows none")
    elif look.gpus:
        busy = [gpu for gpu in look.gpus if gpu.free < _FREE_SHARE * gpu.memory]
        kinds = ", ".join(sorted({gpu.name for gpu in look.gpus}))
        text = f"{node.gpus} GPUs for Ray of {len(look.gpus)} x {kinds}, {look.gpus[0].memory / 1024:.0f} GiB each"
        if busy:
            text += f"; {len(busy)} are in use by others, which leaves vLLM too little: free them, or --max-gpu-memory"
        yield Finding("warning" if busy else "ok", what, text)
    else:
        yield Finding("ok", what, f"{node.cpus} cores, no GPU")
    if look.vllm is None:
        yield Finding("warning", what, "no vLLM is installed there; it can serve no local weights")
    if look.shared_memory < _LITTLE_SHARED_MEMORY:
        yield Finding(
            "warning", what, f"/dev/shm has {look.shared_memory >> 20} MiB; tensor parallelism needs more (--shm-size)"
        )


def _placement(
    config: RunConfig, nodes: Sequence[Node], looks: Mapping[str, Survey | str], found: list[Plan]
) -> Iterator[Finding]:
    contestants = find_contestants(config)
    work = dict.fromkeys(contestants, len(bench_of(config, judged=False).questions) * config.num_choices)
    plan = make_plan(config, work, find_panel(config), nodes)
    found.append(plan)
    yield Finding("ok", "placement", plan.describe())
    memory = [gpu.memory for look in looks.values() if isinstance(look, Survey) for gpu in look.gpus]
    for contestant in contestants:
        if memory and contestant.weights:
            yield from _fits(contestant.name, contestant.weights, plan.asks[contestant.name].shape, min(memory) << 20)


def _fits(name: str, weights: Weights, shape: Replicas, memory: int) -> Iterator[Finding]:
    """Whether the weights leave room for a KV cache on GPUs of so much memory."""
    size, room = weights.size(), int(shape.gpus * memory * 0.9)
    if size > room:
        needed = -(-size // int(memory * 0.9))
        text = f"{size / _GIB:.0f} GiB of weights in {room / _GIB:.0f}; --num-gpus-per-model {needed} or more"
        yield Finding("failed", f"model {name}", text)
