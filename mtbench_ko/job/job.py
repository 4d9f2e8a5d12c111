"""One run from settings to results: what is owed, which engines it takes, and in what order they run."""

import asyncio
import logging
import time
from collections import Counter
from dataclasses import asdict
from functools import partial
from itertools import chain
from statistics import mean

from mtbench_ko.bench import Bench
from mtbench_ko.config import RunConfig, read_key
from mtbench_ko.costs import Apis, Spending, apis_of, load_prices
from mtbench_ko.engine import Sampling, alive_nodes, ray_cluster
from mtbench_ko.errors import INCOMPLETE, Preempted, Stopped, UsageError, first_error
from mtbench_ko.generate import Conversation, seed, temperature
from mtbench_ko.job.estimate import foresee
from mtbench_ko.job.foreign import settle_answers, settle_judgments
from mtbench_ko.job.placement_table import placement_table
from mtbench_ko.job.plan import (
    Contestant,
    Plan,
    find_contestants,
    find_panel,
    local_weights,
    make_matchmaker,
    make_plan,
)
from mtbench_ko.job.pools import Pools
from mtbench_ko.job.results import Results
from mtbench_ko.job.schedule import Schedule
from mtbench_ko.job.timeline import Timeline
from mtbench_ko.job.views import Views
from mtbench_ko.judge import Matchmaker
from mtbench_ko.pipeline import Counts, Pipeline
from mtbench_ko.progress import RunProgress
from mtbench_ko.signals import STOPPED, stop_signals
from mtbench_ko.store import (
    BatchBook,
    Output,
    RunStore,
    SavedAnswer,
    Tally,
    identities,
    saved_answers,
)

log = logging.getLogger(__name__)


class Job:
    """Everything found out before any engine starts; `run` does the work.

    Raises:
        UsageError: from the constructor, for whatever is wrong with settings or input files.
    """

    def __init__(
        self, config: RunConfig, bench: Bench, output: Output, *, generate: bool, judge: bool, report: bool = False
    ) -> None:
        self.config = config
        self.bench = bench
        self.contestants = find_contestants(config) if generate else []
        self.panel = find_panel(config) if judge else []
        if judge and not self.panel:
            raise UsageError("no judge: say --judge-model NAME (an API) or --judge-model-path FOLDER (on this cluster)")
        self._model_key = ""
        if generate and config.model:
            self._model_key = read_key(config.openai_api_key, config.openai_api_base, "--openai-api-key")
        self._judge_keys = {
            one.name: read_key(one.entry.judge_api_key, one.entry.judge_api_base, "--judge-api-key")
            for one in self.panel
            if one.weights is None
        }
        # The model that shares the judge's weights goes last, so that its engine can grade the others' answers.
        self.contestants.sort(key=lambda contestant: contestant.shares(local_weights(self.panel)))
        self.plan = Plan()
        self.timeline = Timeline()
        self.report: str | None = None
        self._with_report = report
        self._counts = Counts()
        self._began = time.time()
        own = {one.name: one.entry.price for one in self.panel if one.entry.price}
        self._prices = load_prices(config.prices, own)
        Spending(Tally(), self._prices, {}, config.max_cost).require_prices(self._apis())
        self._conversations = {contestant: self._hold_with(contestant) for contestant in self.contestants}
        # Only now, with all else in order: opening an output in a bucket stops whoever writes it.
        self._output = output
        output.open(write=not config.dry_run)
        self.store = store = RunStore(output.folder)
        self.results = Results(config, bench, self.panel, store, output.name)
        apis = self._apis()
        cap = config.max_cost if any(apis.values()) else None  # who calls no API can spend no more
        self.spending = Spending(store.tally, self._prices, apis_of(identities(store.output)) | apis, cap)
        files = [settle_answers(config, store, conversations) for conversations in self._conversations.values()]
        files += [settle_judgments(config, store, bench.name, one.name) for one in self.panel]
        self._views = Views(store, files, config.answer_file if self.contestants else None)
        if not config.dry_run:
            self._views.write()  # a run that was killed left them as they were
        self._answers = self._saved_answers() if self.panel else []
        self._matchmakers = self._find_matches()

    def _apis(self) -> Apis:
        """The names by which APIs know this run's models and judges, None for weights of our own."""
        apis: Apis = {
            ("model", contestant.name): None if contestant.weights else self.config.model
            for contestant in self.contestants
        }
        for one in self.panel:
            apis["judge", one.name] = None if one.weights else one.name
        return apis

    def _hold_with(self, contestant: Contestant) -> list[Conversation]:
        return [
            Conversation(
                bench=self.bench.name,
                question=question,
                choice=choice,
                subject=contestant.subject,
                sampling=Sampling(
                    temperature=temperature(question, self.config.force_temperature),
                    max_tokens=self.config.max_new_token,
                    repetition_penalty=self.config.repetition_penalty,
                    seed=seed(question, choice),
                ),
            )
            for question in self.bench.questions.values()
            for choice in range(self.config.num_choices)
        ]

    def run(self) -> int:
        """Do what is owed, write the results, and return the exit code."""
        for note in self.bench.notes:
            log.warning("%s", note)
        turns = self._expected_turns()
        own = sum(turns[contestant.subject.model_id] for contestant in self.contestants)
        judgments = sum(matchmaker.expected(turns) for matchmaker in self._matchmakers)
        with RunProgress(own, judgments) as progress:
            try:
                pipeline = asyncio.run(self._stream(progress))
            except BaseExceptionGroup as group:
                raise first_error(group) from group
            finally:
                self._write_files(progress)
        if self.config.dry_run:
            return 0
        counts = pipeline.counts
        if pipeline.stopping:
            raise Stopped(self.spending.why_stopped) if self.spending.reached else Preempted(STOPPED)
        if self._with_report:
            self.report = self.results.write_report()
        self._output.commit()
        missed = counts.failed + counts.unscored
        if missed:
            progress.say(f"{counts.failed} failed, {counts.unscored} unscored: {_tally(counts.reasons)}")
        return INCOMPLETE if missed > self.config.max_failures else 0

    def close(self) -> None:
        """Let go of the output, after sending what it does not have yet if it takes it."""
        self.store.close()
        if not self.config.dry_run:
            self._output.try_to_send()

    @property
    def cost(self) -> str:
        """What the output has cost so far, and which GPUs this run has held; "" where neither is known of."""
        hours = self.timeline.hours()
        held = [f"{hours['gpu_hours']:.2f} GPU hours in this run"] if hours["gpu_hours"] else []
        return "; ".join(filter(None, [self.spending.describe(), *held]))

    async def _stream(self, progress: RunProgress) -> Pipeline:
        async with asyncio.TaskGroup() as group:
            pipeline = Pipeline(self.store, self._matchmakers, progress, group, self.spending)
            self._counts = pipeline.counts
            owed = {
                contestant: pipeline.take_up(talks, self.config.retry_failed)
                for contestant, talks in self._conversations.items()
            }
            for answer in self._answers:
                pipeline.take_up_answer(*answer, retry=self.config.retry_failed)
            if not any(owed.values()) and not pipeline.judgments_waiting():
                if self.config.dry_run:
                    progress.say("everything is there: no call is due")
                else:
                    pipeline.close_matches()
                return pipeline
            if self.config.dry_run:
                for line in foresee(self.store, self.spending, owed, pipeline.waiting, self._matchmakers, self.panel):
                    progress.say(line)
                if not local_weights(self.panel) and not any(contestant.weights for contestant in owed):
                    progress.say(make_plan(self.config, {}, self.panel, ()).describe())
                    return pipeline  # nothing to place, so no cluster to ask
            elif not pipeline.may_go_on():
                return pipeline
            with (
                stop_signals(
                    asyncio.current_task(), pipeline.stop, self.config.grace_seconds, partial(self._save, progress)
                ) as arm,
                ray_cluster(self.config.ray_address) as nodes,
            ):
                arm()  # ray.init puts a SIGTERM handler of its own
                sending = group.create_task(self._output.keep_sending())
                owing = {contestant: len(talks) for contestant, talks in owed.items()}
                self.plan = make_plan(self.config, owing, self.panel, nodes)
                progress.say(self.plan.describe())
                if self.config.dry_run:
                    progress.show(placement_table(self.plan))
                else:
                    batches = BatchBook(self.store, self._output)
                    pools = Pools(self.config, self._model_key, self._judge_keys, batches, progress.say)
                    schedule = Schedule(self.plan, pools, self.panel, self.timeline, alive_nodes)
                    finished = partial(self._model_finished, pipeline, progress)
                    await schedule.run(pipeline, owed, progress, group, finished)
                    pipeline.close_matches()
                sending.cancel()
        return pipeline

    def _save(self, progress: RunProgress) -> None:
        """Send what is finished, and put it into the files."""
        if not self.config.dry_run:
            self._output.try_to_send()
            self._write_files(progress)
            self._output.try_to_send()

    def _model_finished(self, pipeline: Pipeline, progress: RunProgress, model: str) -> None:
        """Put a model's results where they can be seen while the others go on."""
        self._views.write(model)
        turns = pipeline.scores.get(model, {})
        means = [f"turn {turn} {mean(grades):.2f}" for turn, grades in sorted(turns.items())]
        score = f": {mean(chain(*turns.values())):.2f} ({', '.join(means)})" if turns else ""
        progress.say(f"{model} is through{score}")

    def _saved_answers(self) -> list[SavedAnswer]:
        """The answers to judge that lie in the output: all, or beside models under test those to compare them with."""
        config = self.config
        tested = {contestant.subject.model_id for contestant in self.contestants}
        names = list(config.model_list)
        if config.mode == "pairwise-baseline" and config.baseline_model and (tested or names):
            names.append(config.baseline_model)
        names = [name for name in dict.fromkeys(names) if name not in tested]
        if tested and config.mode != "pairwise-all" and not names:
            return []
        found = [
            (model, question_id, choice, turns[: len(self.bench.questions[question_id].turns)])
            for model, question_id, choice, turns in saved_answers(self.store.output, self.bench.name, names or None)
            if question_id in self.bench.questions and model not in tested
        ]
        if not found and not tested:
            raise UsageError(f"{self.store.output}/{self.bench.name}/model_answer: no answers to judge")
        return found

    def _find_matches(self) -> list[Matchmaker]:
        """What each judge is asked."""
        tested = [contestant.subject.model_id for contestant in self.contestants]
        models = list(dict.fromkeys(tested + [model for model, *_ in self._answers]))
        return [make_matchmaker(self.config, self.bench, one.judge, models, tested or models) for one in self.panel]

    def _expected_turns(self) -> Counter[str]:
        """How many turns of each model there will be when nothing fails."""
        turns = Counter({contestant.subject.model_id: 0 for contestant in self.contestants})
        for contestant, talks in self._conversations.items():
            turns[contestant.subject.model_id] += sum(len(talk.question.turns) for talk in talks)
        for model, _, _, texts in self._answers:
            turns[model] += len(texts)
        return turns

    def _write_files(self, progress: RunProgress) -> None:
        """Rebuild FastChat's files, and put this run's facts beside those of earlier runs once it has any."""
        if self.config.dry_run:
            return
        self._views.write()
        if self._counts == Counts():
            return
        self.results.write_manifest(
            {"models": {one.name: asdict(one.subject) for one in self.contestants}},
            self.spending.facts(self.bench.name),
            {
                "started": self._began,
                "seconds": round(time.time() - self._began, 1),
                "counts": self._counts.describe(),
                "tokens_generated": progress.tokens,
                "cost": self.spending.of_this_run(),
                **self.timeline.hours(),
                "engines": self.timeline.engines(),
                "placement": self.plan.public(),
                "schedule": self.timeline.schedule(),
            },
        )


def _tally(reasons: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items(), key=lambda item: -item[1]))
