"""What a run is made of: the models under test, the judge, and which of them runs where and when."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mtbench_ko.bench import Bench, DataCache
from mtbench_ko.config import RunConfig
from mtbench_ko.engine import (
    JudgeTime,
    Node,
    Replicas,
    Sampling,
    Weights,
    judge_time,
    place,
    require_vllm,
    resolve_weights,
)
from mtbench_ko.errors import UsageError
from mtbench_ko.generate import Subject
from mtbench_ko.judge import (
    Judge,
    Matchmaker,
    PairwiseComparison,
    SingleGrading,
    all_pairs,
    baseline_pairs,
    load_prompts,
)


@dataclass(frozen=True)
class Contestant:
    """A model under test. `weights` is None for an endpoint."""

    subject: Subject
    weights: Weights | None

    def shares(self, judge_weights: Weights | None) -> bool:
        """Whether its engine is the judge's too."""
        return self.weights is not None and self.weights == judge_weights


@dataclass(frozen=True)
class Plan:
    """Which GPUs each model gets, and when the judge runs."""

    models: Replicas | None
    judge: JudgeTime
    judge_replicas: Replicas | None

    def describe(self) -> str:
        """The plan in words."""
        judges = {
            "none": "no judge",
            "endpoint": "the judge is an endpoint, and grades each turn as it comes",
            "shared": "the judge has the model's weights and shares its engine",
            "beside": "the judge runs beside the models, and grades each turn as it comes",
            "after": "the judge loads after the models have gone",
        }
        if not self.models:
            return judges[self.judge]
        shape = self.models
        on = f"{shape.gpus} GPUs" if shape.gpus else f"{shape.cpus} CPU cores"
        parallel = f"tensor parallel {shape.tensor_parallel_size}, pipeline parallel {shape.pipeline_parallel_size}"
        return f"each model: {shape.count} x {on} ({parallel}); {judges[self.judge]}"


def find_contestants(config: RunConfig) -> list[Contestant]:
    """The models that the settings put to the test, their weights looked at but not loaded.

    Raises:
        UsageError: no model, no engine for local weights, or not a model folder.
    """
    if config.model:
        return [
            Contestant(Subject(config.model_names[0], f"endpoint:{config.model}", None, config.system_prompt), None)
        ]
    if not config.model_path:
        raise UsageError("no model: say --model-path FOLDER_OR_HUB_ID, or --model NAME --openai-api-base URL")
    require_vllm()
    contestants = []
    for name, path in zip(config.model_names, config.model_path, strict=True):
        weights = resolve_weights(path, config.revision, config.chat_template)
        subject = Subject(name, weights.identity, weights.template_sha256, config.system_prompt)
        contestants.append(Contestant(subject, weights))
    return contestants


def find_judge_weights(config: RunConfig) -> Weights | None:
    """The weights of a judge that runs on the cluster, None for an endpoint.

    Where the judge's path is a model's too, it has that one's revision and chat template, and shares its engine.
    """
    if config.judge_model_path is None:
        return None
    require_vllm()
    same_place = config.judge_model_path in config.model_path
    return resolve_weights(
        config.judge_model_path,
        config.revision if same_place else None,
        config.chat_template if same_place else None,
    )


def make_judge(config: RunConfig, weights: Weights | None) -> Judge:
    """The judge with its prompts, at FastChat's temperature of 0."""
    if config.judge_name is None:
        raise UsageError("no judge: say --judge-model NAME (an API) or --judge-model-path FOLDER (on this cluster)")
    identity = f"{weights.identity} template:{weights.template_sha256}" if weights else f"endpoint:{config.judge_name}"
    return Judge(
        name=config.judge_name,
        identity=identity,
        prompts=load_prompts(
            config.judge_file, config.prompt_set, pairwise=config.mode != "single", cache=DataCache.of(config)
        ),
        sampling=Sampling(temperature=0.0, max_tokens=config.judge_max_tokens),
        attempts=config.judge_attempts,
    )


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
    config: RunConfig,
    contestants: Sequence[Contestant],
    judge: Judge | None,
    judge_weights: Weights | None,
    nodes: Sequence[Node],
) -> Plan:
    """Give every model its GPUs (or cores), and the judge its time.

    Raises:
        UsageError: a shape that the nodes cannot hold.
    """
    local = any(contestant.weights for contestant in contestants)
    gpus = sum(node.gpus for node in nodes)
    judge_gpus = (config.judge_num_gpus or 1) if gpus else config.judge_num_gpus
    when: JudgeTime = "endpoint" if judge else "none"
    if judge_weights:
        if any(contestant.shares(judge_weights) for contestant in contestants):
            when = "shared"
        elif local:
            when = judge_time(nodes, config.num_gpus_per_model, config.num_gpus_total, judge_gpus)
        else:
            when = "beside"
    models = judge_replicas = None
    if local:
        models = place(
            nodes,
            gpus_per_model=config.num_gpus_per_model,
            gpus_total=config.num_gpus_total,
            pipeline_parallel_size=config.pipeline_parallel_size,
            replicas=config.replicas,
            reserved=(judge_gpus or 0) if when == "beside" else 0,
        )
    if when in ("beside", "after"):
        judge_replicas = place(nodes, gpus_per_model=judge_gpus, replicas=1)
    return Plan(models, when, judge_replicas)
