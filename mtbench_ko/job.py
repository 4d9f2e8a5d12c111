"""One run from settings to results: what is owed, which engines it takes, and in what order they run."""

import asyncio
import logging
import time
from collections import Counter
from dataclasses import asdict
from functools import partial
from itertools import chain
from statistics import mean
from typing import Any

from mtbench_ko.bench import Bench, DataCache
from mtbench_ko.config import RunConfig, read_key
from mtbench_ko.engine import Sampling, alive_nodes, ray_cluster
from mtbench_ko.errors import INCOMPLETE, Preempted, UsageError, first_error
from mtbench_ko.foreign import settle_answers, settle_judgments
from mtbench_ko.generate import Conversation, seed, temperature
from mtbench_ko.judge import Matchmaker
from mtbench_ko.pipeline import Counts, Pipeline
from mtbench_ko.placement_table import placement_table
from mtbench_ko.plan import (
    Contestant,
    Plan,
    find_contestants,
    find_judge_weights,
    make_judge,
    make_matchmaker,
    make_plan,
)
from mtbench_ko.pools import Pools
from mtbench_ko.progress import RunProgress
from mtbench_ko.report import Scoreboard, gather, open_questions, read_scoreboard, write_report
from mtbench_ko.schedule import Schedule
from mtbench_ko.signals import STOPPED, stop_signals
from mtbench_ko.store import (
    BatchBook,
    Output,
    RunStore,
    SavedAnswer,
    failures_path,
    judgment_path,
    saved_answers,
    update_manifest,
)
from mtbench_ko.timeline import Timeline

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
        self.judge_weights = find_judge_weights(config) if judge else None
        self.judge = make_judge(config, self.judge_weights) if judge else None
        self.keys = {
            "model": read_key(config.openai_api_key, config.openai_api_base, "--openai-api-key")
            if generate and config.model
            else "",
            "judge": read_key(config.judge_api_key, config.judge_api_base, "--judge-api-key")
            if judge and not self.judge_weights
            else "",
        }
        # The model that shares the judge's weights goes last, so that its engine can grade the others' answers.
        self.contestants.sort(key=lambda contestant: contestant.shares(self.judge_weights))
        self.plan = Plan()
        self.timeline = Timeline()
        self.report: str | None = None
        self._with_report = report
        self._counts = Counts()
        self._began = time.time()
        self._judgments_due = 0.0
        self._conversations = {contestant: self._hold_with(contestant) for contestant in self.contestants}
        # Only now, with all else in order: opening an output in a bucket stops whoever writes it.
        self._output = output
        output.open(write=not config.dry_run)
        self.store = store = RunStore(output.folder)
        self._files = [settle_answers(config, store, conversations) for conversations in self._conversations.values()]
        if self.judge:
            self._files.append(settle_judgments(config, store, bench.name, self.judge.name))
        self._write_views()  # a run that was killed left them as they were
        self._answers = self._saved_answers() if self.judge else []
        self._matchmaker = self._find_matches() if self.judge else None

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
        judgments = self._matchmaker.expected(turns) if self._matchmaker else 0
        with RunProgress(own, judgments) as progress:
            try:
                pipeline = asyncio.run(self._stream(progress))
            except BaseExceptionGroup as group:
                raise first_error(group) from group
            finally:
                self._write_views()
                self._write_manifest(progress)
        if self.config.dry_run:
            return 0
        counts = pipeline.counts
        if pipeline.stopping:
            raise Preempted(STOPPED)
        if self._with_report:
            self._write_report()
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
    def results(self) -> str:
        """Where the results lie."""
        return f"{self._output.name}/{self.bench.name}"

    def scoreboard(self) -> Scoreboard:
        """The scores that this run's judge has given with its prompts and references."""
        assert self.judge is not None
        return read_scoreboard(
            [judgment_path(self.store.output, self.bench.name, self.judge.name, self.config.judgment_kind)],
            mode=self.config.mode,
            baseline=self.config.baseline_model if self.config.mode == "pairwise-baseline" else None,
            bench=self.bench.name,
            prompt_set=self.judge.prompts.name,
            references=self.bench.reference_source,
            failures=[failures_path(self.store.output)],
            categories={question.question_id: question.category for question in self.bench.questions.values()},
        )

    async def _stream(self, progress: RunProgress) -> Pipeline:
        async with asyncio.TaskGroup() as group:
            pipeline = Pipeline(self.store, self._matchmaker, progress, group)
            self._counts = pipeline.counts
            owed = {
                contestant: pipeline.take_up(talks, self.config.retry_failed)
                for contestant, talks in self._conversations.items()
            }
            for answer in self._answers:
                pipeline.take_up_answer(*answer, retry=self.config.retry_failed)
            if not any(owed.values()) and not pipeline.judgments_waiting:
                if not self.config.dry_run:
                    pipeline.close_matches()
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
                self.plan = make_plan(self.config, owing, self.judge, self.judge_weights, nodes)
                progress.say(self.plan.describe())
                if self.config.dry_run:
                    progress.show(placement_table(self.plan))
                else:
                    batches = BatchBook(self.store, self._output)
                    pools = Pools(self.config, self.judge, self.judge_weights, self.keys, batches, progress.say)
                    name = self.judge.name if self.judge else None
                    schedule = Schedule(self.plan, pools, name, self.judge_weights, self.timeline, alive_nodes)
                    finished = partial(self._model_finished, pipeline, progress)
                    await schedule.run(pipeline, owed, progress, group, finished)
                    pipeline.close_matches()
                sending.cancel()
        return pipeline

    def _save(self, progress: RunProgress) -> None:
        """Put what is finished into the files."""
        if not self.config.dry_run:
            self._write_views()
            self._write_manifest(progress)
            self._output.try_to_send()

    def _model_finished(self, pipeline: Pipeline, progress: RunProgress, model: str) -> None:
        """Put a model's results where they can be seen while the others go on."""
        self._write_views(model)
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

    def _find_matches(self) -> Matchmaker:
        tested = [contestant.subject.model_id for contestant in self.contestants]
        models = list(dict.fromkeys(tested + [model for model, *_ in self._answers]))
        assert self.judge is not None
        return make_matchmaker(self.config, self.bench, self.judge, models, tested or models)

    def _expected_turns(self) -> Counter[str]:
        """How many turns of each model there will be when nothing fails."""
        turns = Counter({contestant.subject.model_id: 0 for contestant in self.contestants})
        for contestant, talks in self._conversations.items():
            turns[contestant.subject.model_id] += sum(len(talk.question.turns) for talk in talks)
        for model, _, _, texts in self._answers:
            turns[model] += len(texts)
        return turns

    def _write_views(self, model: str | None = None) -> None:
        """Rebuild FastChat's files; for one `model`, its own, and those that have all models if that is due."""
        if self.config.dry_run:
            return
        began = time.monotonic()
        due = began > self._judgments_due
        try:
            self.store.write_views(replace=self._files, model=model, judgments=model is None or due)
        except OSError as error:  # a full disk; the journal is whole, and the next start tries again
            log.warning("FastChat's files could not be rebuilt from the journal: %s", error)
        if due:  # at most 2 % of the time goes into files that grow with the number of models
            self._judgments_due = time.monotonic() + 50 * (time.monotonic() - began)

    def _write_report(self) -> None:
        """Put the report beside the results; `report` says where it is."""
        assert self.judge is not None
        try:
            report = gather(
                {self._output.name: self.store.output},
                open_questions(self.config.bench_name, DataCache.of(self.config), bench=self.bench),
                judge=self.judge.name,
                baseline=self.config.baseline_model if self.config.mode == "pairwise-baseline" else None,
                prompt_set=self.judge.prompts.name,
                references=self.bench.reference_source,
            )
            write_report(report, self.store.output / self.bench.name / "report")
        except Preempted:
            raise
        except Exception as error:  # whatever is wrong with the picture, the results are whole and must be committed
            log.warning("the report could not be written; 'mtbench-ko report' tries again. %r", error)
        else:
            self.report = f"{self.results}/report/index.html"

    def _write_manifest(self, progress: RunProgress) -> None:
        """Put this run's facts beside those of earlier runs on the same output, once it has any."""
        if self.config.dry_run or self._counts == Counts():
            return
        judge: dict[str, Any] = {}
        if self.judge:
            mine = self.store.judged(self.config.judgment_kind, self.bench.name, self.judge.name)
            judge[self.judge.name] = {
                "identity": self.judge.identity,
                "sampling": self.judge.sampling.describe(),
                "reported": sorted({row.judge_reported for row in mine if row.judge_reported}),
                "prompt_set": self.judge.prompts.name,
                "references": self.bench.reference_source,
            }
        update_manifest(
            self.store.output,
            self.bench.name,
            facts={
                "bench": {"name": self.bench.name, "questions": len(self.bench.questions), "sha256": self.bench.hashes},
                "models": {one.name: asdict(one.subject) for one in self.contestants},
                "judges": judge,
            },
            run={
                "started": self._began,
                "seconds": round(time.time() - self._began, 1),
                "counts": self._counts.describe(),
                "tokens_generated": progress.tokens,
                "engines": self.timeline.engines(),
                "placement": self.plan.public(),
                "schedule": self.timeline.schedule(),
                "config": self.config.public(),
            },
        )


def _tally(reasons: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items(), key=lambda item: -item[1]))
