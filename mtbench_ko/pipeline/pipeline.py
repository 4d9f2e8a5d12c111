"""Questions -> answers -> judgments as one stream: a turn is judged as soon as it is stored."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain

from mtbench_ko.costs import Spending
from mtbench_ko.engine import Completer, Engine, Failure
from mtbench_ko.errors import first_error
from mtbench_ko.generate import Conversation, converse, longest_first
from mtbench_ko.judge import Match, Matchmaker, grade
from mtbench_ko.pipeline.counts import Counts
from mtbench_ko.pipeline.judge_queue import JudgeQueue
from mtbench_ko.progress import RunProgress
from mtbench_ko.records import AttemptRecord, FailureRecord, Judged, JudgmentRecord
from mtbench_ko.store import RunStore


class Pipeline:
    """One pipeline over one store. First everything saved is taken up, then engines do what is owed.

    Its judge tasks live in `group`: an error in one of them ends the whole pipeline.

    `scores` are single grades by model and turn, those of earlier runs among them. No call is begun once the cap of
    `spending` is reached: with one that is due the pipeline is `stopping`.
    """

    def __init__(
        self,
        store: RunStore,
        matchmakers: Sequence[Matchmaker],
        progress: RunProgress,
        group: asyncio.TaskGroup,
        spending: Spending | None = None,
    ) -> None:
        """`matchmakers`: one for each judge."""
        self._store = store
        self._matchmakers = matchmakers
        self._progress = progress
        self._spending = spending
        self._queues: dict[str, JudgeQueue] = defaultdict(lambda: JudgeQueue(self._grade, group))  # by judge
        self._reported: dict[str, set[str]] = {}  # the names that a judge's replies bear, by judge
        self._answering = 0
        self._began = time.time()
        self.stopping = False
        self.counts = Counts()
        self.scores: dict[str, dict[int, list[float]]] = {}
        self._show_money()

    def take_up(self, conversations: Iterable[Conversation], retry: bool) -> list[Conversation]:
        """Count what is saved, submit it to the judge, and return the conversations that still owe a turn.

        Those set aside for good count as failed, unless `retry`.
        """
        owed = []
        for conversation in conversations:
            texts: list[str] = []
            for turn in conversation.saved_turns(self._store):
                texts.append(turn.text)
                self.counts.answered += 1
                self._progress.answered()
                self._submit(conversation.subject.model_id, turn.question_id, turn.choice, texts, retry)
            if len(texts) < len(conversation.question.turns):
                failure = conversation.failure(self._store)
                if failure and failure.final and not retry:
                    self._miss("failed", failure.reason)
                else:
                    owed.append(conversation)
        return owed

    def take_up_answer(self, model: str, question_id: int, choice: int, turns: Sequence[str], retry: bool) -> None:
        """Submit an answer that some file holds."""
        for turn in range(1, len(turns) + 1):
            self._submit(model, question_id, choice, turns[:turn], retry)

    async def answer(self, conversations: Iterable[Conversation], engine: Engine) -> None:
        """Hold the conversations, those with long answers first, as many at a time as the engine has room for.

        Raises:
            ModelFailed: the engine is gone for good.
        """
        self._answering += 1
        try:
            async with asyncio.TaskGroup() as group:
                for conversation in longest_first(conversations):
                    if not self.may_go_on():
                        break
                    begun = asyncio.Event()  # only one waits for room, so that a run of any size has few tasks
                    group.create_task(self._hold(conversation, engine, begun))
                    await begun.wait()
        except BaseExceptionGroup as errors:
            raise first_error(errors) from errors
        finally:
            self._answering -= 1

    def give_up(self, conversations: Iterable[Conversation], failure: Failure) -> None:
        """The model cannot answer: what is still owed of the conversations has failed."""
        for conversation in conversations:
            done = len(conversation.saved_turns(self._store))
            if done < len(conversation.question.turns) and not conversation.failure(self._store, since=self._began):
                self._store.append(conversation.failed(done + 1, failure))
                self._miss("failed", failure.reason)

    def judgments_waiting(self, judge: str | None = None) -> bool:
        """Whether matches wait for this judge, or for any."""
        return any(queue.waiting for name, queue in self._queues.items() if judge in (None, name))

    @property
    def waiting(self) -> Iterable[Match]:
        """The matches that are due, as long as no judge is there."""
        return chain.from_iterable(queue.waiting for queue in self._queues.values())

    def judge_with(self, judge: str, engine: Engine) -> None:
        """A judge is ready: matches that waited for it and all that come go to it."""
        self._queues[judge].serve(engine)

    async def judged(self, model: str | None = None) -> None:
        """Wait until every match so far (or each that shows `model` first) has its judgment."""
        for queue in list(self._queues.values()):
            await queue.finish(model)

    def close_matches(self) -> None:
        """No more answers come: comparisons that still lack one have failed, unless they were made before."""
        if not self.stopping:
            for failure in chain.from_iterable(matchmaker.unmatched() for matchmaker in self._matchmakers):
                if not isinstance(self._store.get(failure.slot), Judged):
                    self._store.append(failure)
                    self._miss("failed", failure.reason)

    def stop(self) -> None:
        """Begin nothing more; what is in flight may finish, if that does not take hours."""
        self.stopping = True
        for queue in self._queues.values():
            queue.stop()

    def may_go_on(self) -> bool:
        """Whether another call may be begun. Whoever asks has one that is due."""
        if self._spending and self._spending.reached:
            self.stop()
        return not self.stopping

    async def _hold(self, conversation: Conversation, engine: Engine, begun: asyncio.Event) -> None:
        model = conversation.subject.model_id
        async with engine.conversation() as talk:
            begun.set()
            texts = [turn.text for turn in conversation.saved_turns(self._store)]
            async for turn in converse(conversation, texts, talk, self._store, self.may_go_on):
                if isinstance(turn, FailureRecord):
                    self._miss("failed", turn.reason)
                    continue
                self._show_money()
                self.counts.answered += 1
                self._progress.answered(turn.usage.get("completion_tokens", 0))
                self._submit(model, turn.question_id, turn.choice, texts, retry=True)

    def _submit(self, model: str, question_id: int, choice: int, answers: Sequence[str], retry: bool) -> None:
        for matchmaker in self._matchmakers:
            for match in matchmaker.matches(model, question_id, choice, answers):
                self._take_up(match, retry)

    def _take_up(self, match: Match, retry: bool) -> None:
        saved = match.saved(self._store)
        if isinstance(saved, Judged) and saved.outcome == "scored":
            if self._store.get(match.slot) != saved:
                self._store.append(saved)
            self._graded(saved)
        elif isinstance(saved, FailureRecord) and saved.final and not retry:
            self._miss("failed", saved.reason)
        elif not self.stopping:
            self._queues[match.judge.name].put(match)

    async def _grade(self, match: Match, judge: Completer) -> None:
        record: Judged | FailureRecord | None = match.taken_over(self._store)
        if record is None and self.may_go_on():
            record = await grade(match, judge, self._keep, self.may_go_on)
        if record is None:
            return
        self._store.append(record)
        self._show_money()
        self.counts.judged_while_answering += bool(self._answering)
        if isinstance(record, FailureRecord):
            self._miss("failed", record.reason)
        else:
            self._graded(record, record.usage.get("completion_tokens", 0))

    def _look_at_name(self, record: Judged) -> None:
        """Tell when an API's alias begins to mean another model: grades of two models are not alike."""
        known = self._reported.setdefault(record.judge[0], set())
        if record.judge_reported and record.judge_reported not in known:
            if known:
                self._progress.say(
                    f"the judge {record.judge[0]} now answers as {record.judge_reported}, before as "
                    f"{', '.join(sorted(known))}; name a snapshot as --judge-model to keep scores comparable"
                )
            known.add(record.judge_reported)

    def _keep(self, attempt: AttemptRecord) -> None:
        self._store.append(attempt)
        self._progress.tokens += attempt.usage.get("completion_tokens", 0)

    def _show_money(self) -> None:
        if self._spending:
            self._progress.money = self._spending.so_far()

    def _graded(self, record: Judged, tokens: int = 0) -> None:
        self._progress.judged(tokens)
        self._look_at_name(record)
        if record.outcome == "scored":
            self.counts.scored += 1
            if isinstance(record, JudgmentRecord):
                self.scores.setdefault(record.model, {}).setdefault(record.turn, []).append(record.score)
        else:
            self._miss("unscored", record.reason or "no_verdict")

    def _miss(self, kind: str, reason: str) -> None:
        self.counts.miss(kind, reason)
        self._progress.missed(kind)
