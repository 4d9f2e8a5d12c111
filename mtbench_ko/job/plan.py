"""What a run is made of: the models under test, the judges, and which of them runs where and when."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mtbench_ko.bench import Bench, DataCache
from mtbench_ko.config import JudgeEntry, ModelEntry, RunConfig
from mtbench_ko.engine import (
    Ask,
    JudgeTime,
    Node,
    Replicas,
    Room,
    Sampling,
    Weights,
    admit,
    find_shape,
    judge_time,
    place,
    refuse_leftovers,
    require_vllm,
    resolve_weights,
)
from mtbench_ko.errors import UsageError
from mtbench_ko.generate import Subject
from mtbench_ko.judge import (
    Judge,
    Matchmaker,
    PairwiseComparison,
    PromptSet,
    SingleGrading,
    all_pairs,
    baseline_pairs,
    load_prompts,
)

_NAMED = 3  # models that wait, in words


@dataclass(frozen=True, eq=False)
class Contestant:
    """A model under test. `weights` and `entry`, its settings, are None for an endpoint."""

    subject: Subject
    weights: Weights | None = None
    entry: ModelEntry | None = None

    @property
    def name(self) -> str:
        return self.subject.model_id

    def shares(self, judge_weights: Weights | None) -> bool:
        """Whether its engine is the judge's too."""
        return self.weights is not None and self.weights == judge_weights


@dataclass(frozen=True, eq=False)
class Panelist:
    """One of the judges. `weights` is None for an endpoint."""

    judge: Judge
    entry: JudgeEntry
    weights: Weights | None = None

    @property
    def name(self) -> str:
        return self.judge.name


def local_weights(panel: Iterable[Panelist]) -> Weights | None:
    """The weights of the judge that runs on the cluster: there is one at most."""
    return next((one.weights for one in panel if one.weights), None)


@dataclass(frozen=True)
class Plan:
    """What each local model asks for, by name and in order; what a local judge has; and when the judge runs.

    `judge` is of a panel when its local judge runs; the `endpoints` among its judges are there all the time.
    """

    nodes: Sequence[Node] = ()
    total: int | None = None
    asks: Mapping[str, Ask] = field(default_factory=dict)
    judge: JudgeTime = "none"
    judge_replicas: Replicas | None = None
    endpoints: int = 0

    def room(self, nodes: Sequence[Node], occupied: Iterable[Replicas] = ()) -> Room:
        """What models may take of `nodes`, given what is `occupied`; a judge beside them keeps its GPUs."""
        room = Room(nodes, self.total)
        beside = [self.judge_replicas] if self.judge_replicas and self.judge == "beside" else []
        for replicas in (*beside, *occupied):
            room.occupy(replicas)
        return room

    def first(self) -> dict[str, Replicas]:
        """The models that start at once, and where."""
        found = admit(self.room(self.nodes), list(self.asks.values()))
        return dict(zip(self.asks, found, strict=False))

    def describe(self) -> str:
        """The plan in words."""
        several = f"{self.endpoints} judges are endpoints, and grade" if self.endpoints > 1 else ""
        endpoints = f"{several or 'the judge is an endpoint, and grades'} each turn as it comes"
        judges = {
            "none": "no judge",
            "endpoint": endpoints,
            "shared": "the judge has the model's weights and shares its engine",
            "beside": "the judge runs beside the models, and grades each turn as it comes",
            "after": "the judge loads after the models have gone",
        }
        first = self.first()
        models = [f"{name}: {replicas.count} x {replicas}" for name, replicas in first.items()]
        waiting = [f"{name} waits for {ask.wanted or 1} x {ask.shape}" for name, ask in self.asks.items()][len(first) :]
        if len(waiting) > _NAMED:
            waiting = [*waiting[:_NAMED], f"{len(waiting) - _NAMED} more models wait"]
        others = [f"endpoints beside it: {self.endpoints}"] if self.endpoints and self.judge != "endpoint" else []
        return "; ".join([*models, *waiting, judges[self.judge], *others])

    def public(self) -> dict[str, Any]:
        """The plan as the manifest holds it."""
        return {
            "nodes": [asdict(node) for node in self.nodes],
            "models": {name: asdict(ask.shape) | {"wanted": ask.wanted or "auto"} for name, ask in self.asks.items()},
            "judge": self.judge,
            "judge_replicas": asdict(self.judge_replicas) if self.judge_replicas else None,
            "judge_endpoints": self.endpoints,
        }


def find_contestants(config: RunConfig) -> list[Contestant]:
    """The models that the settings put to the test, their weights looked at but not loaded.

    Raises:
        UsageError: no model, no engine for local weights, or not a model folder.
    """
    if config.model:
        return [Contestant(Subject(config.model_names[0], f"endpoint:{config.model}", None, config.system_prompt))]
    entries = config.entries
    if not entries:
        raise UsageError("no model: say --model-path FOLDER_OR_HUB_ID, or --model NAME --openai-api-base URL")
    require_vllm()
    contestants = []
    for entry in entries:
        weights = find_weights(entry)
        subject = Subject(
            entry.name, weights.identity, weights.template_sha256, config.system_prompt, entry.chat_template_kwargs
        )
        contestants.append(Contestant(subject, weights, entry))
    return contestants


def find_weights(entry: ModelEntry) -> Weights:
    """The weights of a model, looked at but not loaded.

    Raises:
        UsageError: not a model folder.
    """
    return resolve_weights(entry.model_path, entry.revision, entry.chat_template, entry.lora_path)


def find_panel(config: RunConfig) -> list[Panelist]:
    """The judges with their prompts, at FastChat's temperature of 0; none where the settings name none.

    Raises:
        UsageError: no such prompts, no engine for local weights, or not a model folder.
    """
    entries = config.judge_entries
    if not entries:
        return []
    prompts = load_prompts(
        config.judge_file, config.prompt_set, pairwise=config.mode != "single", cache=DataCache.of(config)
    )
    return [_panelist(config, entry, prompts) for entry in entries]


def _panelist(config: RunConfig, entry: JudgeEntry, prompts: PromptSet) -> Panelist:
    weights = _judge_weights(config, entry)
    identity = f"{weights.identity} template:{weights.template_sha256}" if weights else f"endpoint:{entry.name}"
    judge = Judge(
        name=entry.name,
        identity=identity,
        prompts=prompts,
        sampling=Sampling(temperature=0.0, max_tokens=entry.judge_max_tokens),
        attempts=entry.judge_attempts,
        repeats=entry.judge_repeats,
    )
    return Panelist(judge, entry, weights)


def _judge_weights(config: RunConfig, judge: JudgeEntry) -> Weights | None:
    """Where the judge's path is a model's too, it has that one's revision and chat template, and shares its engine."""
    if judge.judge_model_path is None:
        return None
    require_vllm()
    for entry in config.entries:
        if entry.model_path == judge.judge_model_path:
            return find_weights(entry)
    return resolve_weights(judge.judge_model_path)


def make_matchmaker(
    config: RunConfig, bench: Bench, judge: Judge, models: Collection[str], tested: Collection[str]
) -> Matchmaker:
    """What `--mode` asks about the answers of `models`; each pair has one of the `tested`.

    Raises:
        UsageError: there is nothing to compare.
    """
    if config.mode == "single":
        return SingleGrading(bench, judge)
    baseline = config.baseline_model if config.mode == "pairwise-baseline" else None
    if baseline and baseline not in models:
        raise UsageError(f"--baseline-model {baseline} has no answers; there are those of {', '.join(models)}")
    pairs = baseline_pairs(models, baseline) if baseline else all_pairs(models)
    pairs = [pair for pair in pairs if not set(pair).isdisjoint(tested)]
    if not pairs:
        raise UsageError(f"--mode {config.mode} compares two models, and there is {', '.join(models)} alone")
    return PairwiseComparison(bench, judge, pairs)


def make_plan(
    config: RunConfig, contestants: Mapping[Contestant, int], panel: Sequence[Panelist], nodes: Sequence[Node]
) -> Plan:
    """Give every model its GPUs (or cores), and the judge its time. `contestants` have so many conversations to hold.

    Raises:
        UsageError: a shape that the nodes or the model cannot have.
    """
    local = {one: one.entry for one in contestants if one.entry}
    shapes = {one: find_shape(nodes, **_parallel(entry), total=config.num_gpus_total) for one, entry in local.items()}
    for contestant, shape in shapes.items():
        assert contestant.weights is not None
        check_shape(contestant.weights, shape)
    when: JudgeTime = "endpoint" if panel else "none"
    judge_shape = None
    for panelist in panel:
        if panelist.weights is None:
            continue
        judge_shape = find_shape(nodes, gpus_per_model=panelist.entry.judge_num_gpus)
        check_shape(panelist.weights, judge_shape)
        if any(contestant.shares(panelist.weights) for contestant in contestants):
            when, judge_shape = "shared", None
        elif local:
            when = judge_time(nodes, list(shapes.values()), judge_shape, config.num_gpus_total)
        else:
            when = "beside"
    asks = {
        one.name: Ask(shape, local[one].wanted_replicas, most=max(1, contestants[one]) if shape.gpus else 1)
        for one, shape in shapes.items()
    }
    seated = judge_shape and place(nodes, judge_shape, wanted=1)
    endpoints = sum(panelist.weights is None for panelist in panel)
    plan = Plan(nodes, config.num_gpus_total, asks, when, seated, endpoints)
    for name, ask in asks.items():
        try:
            alone = place(nodes, ask.shape, wanted=ask.wanted, room=plan.room(nodes))
        except UsageError as error:
            raise UsageError(f"{name}: {error}" if len(asks) > 1 else str(error)) from error
        if len(asks) == 1 and when != "beside" and ask.wanted is None:
            refuse_leftovers(nodes, alone, config.num_gpus_total)
    return plan


def check_shape(weights: Weights, shape: Replicas) -> None:
    """See that the model can be cut into such parts.

    Raises:
        UsageError: it has not as many heads or layers.
    """
    heads, layers = (weights.config.get(name) for name in ("num_attention_heads", "num_hidden_layers"))
    size, stages = shape.tensor_parallel_size, shape.pipeline_parallel_size
    if heads and heads % size:
        raise UsageError(
            f"--num-gpus-per-model {shape.gpus}: {weights.path} has {heads} attention heads, which tensor parallel "
            f"{size} does not divide; choose a number that does"
        )
    if layers and stages > layers:
        raise UsageError(f"--pipeline-parallel-size {stages}: {weights.path} has {layers} layers")


def _parallel(entry: ModelEntry) -> dict[str, int | None]:
    return {
        "gpus_per_model": entry.num_gpus_per_model,
        "pipeline_parallel_size": entry.pipeline_parallel_size,
        "replicas": entry.wanted_replicas,
    }
