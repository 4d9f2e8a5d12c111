"""Which engine runs when and where: the models as GPUs become free, the judge beside, with or after them."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

from mtbench_ko.engine import Downloads, Failure, Node, Pool, Replicas, admit
from mtbench_ko.errors import ModelFailed, MtBenchError, UsageError
from mtbench_ko.generate import Conversation
from mtbench_ko.job.plan import Contestant, Panelist, Plan, local_weights
from mtbench_ko.job.pools import Pools
from mtbench_ko.job.timeline import Stay, Timeline
from mtbench_ko.pipeline import Pipeline
from mtbench_ko.progress import RunProgress

_LOOK_SECONDS = 5.0  # between readings of the engines, and of the nodes while a model finds no room
_PATIENCE = 900.0  # seconds that a model waits for room on an empty cluster, from which nodes have gone


class Schedule:
    """Runs the engines of a `plan`. What each has done is put into `timeline`, for the manifest."""

    def __init__(
        self,
        plan: Plan,
        pools: Pools,
        panel: Sequence[Panelist],
        timeline: Timeline,
        nodes: Callable[[], Sequence[Node]],
    ) -> None:
        """`nodes` tells which there are at present."""
        self._plan = plan
        self._pools = pools
        self._panel = panel
        self._timeline = timeline
        self._nodes = nodes
        self._downloads = Downloads()
        self._failed: dict[str, MtBenchError] = {}
        self._serving: dict[Stay, Pool] = {}
        self._unanswered: set[str] = set()
        self._all_answered = asyncio.Event()

    async def run(
        self,
        pipeline: Pipeline,
        owed: Mapping[Contestant, list[Conversation]],
        progress: RunProgress,
        group: asyncio.TaskGroup,
        finished: Callable[[str], None],
    ) -> None:
        """Have the engines do what is owed; the judge's tasks live in `group`. `finished` is told the name of each
        model whose answers are complete, and their judgments where the judge is there.

        Raises:
            MtBenchError: no model could be served, or not the one whose engine is the judge's.
        """
        self._pipeline, self._progress, self._group, self._finished = pipeline, progress, group, finished
        self._timeline.names |= {node.id: node.name for node in self._plan.nodes}
        looking = group.create_task(self._look())
        at_once = [one for one in self._panel if one.weights is None or self._plan.judge == "beside"]
        judges = [group.create_task(self._start_judge(one)) for one in at_once]
        self._host = self._judges_host(owed)
        work = any(owed.values()) or pipeline.judgments_waiting()
        await self._serve_all({one: talks for one, talks in owed.items() if talks or (one is self._host and work)})
        if self._plan.judge == "after" and not pipeline.stopping:
            after = [one for one in self._panel if one.weights and pipeline.judgments_waiting(one.name)]
            judges += [group.create_task(self._start_judge(one)) for one in after]
        stays = [await judge for judge in judges]
        if stays:
            await pipeline.judged()
        for stay in stays:
            await self._leave(stay)
        looking.cancel()
        self._downloads.cancel()

    def _judges_host(self, contestants: Iterable[Contestant]) -> Contestant | None:
        """The model whose engine is the judge's too: the last one with these weights, which comes after all others."""
        sharing = [one for one in contestants if one.shares(local_weights(self._panel))]
        return sharing[-1] if sharing and self._plan.judge == "shared" else None

    async def _serve_all(self, owed: Mapping[Contestant, list[Conversation]]) -> None:
        """Start the models in their order as room allows, and wait for all."""
        waiting = list(owed)
        seated: dict[asyncio.Task[None], Replicas] = {}
        self._unanswered = {one.name for one in owed}
        waited = 0.0
        async with asyncio.TaskGroup() as models:
            while seated or (waiting and not self._pipeline.stopping):
                for contestant, replicas in self._admit(waiting, seated.values()):
                    waiting.remove(contestant)
                    seated[models.create_task(self._serve(contestant, replicas, owed[contestant]))] = replicas
                    waited = 0.0
                self._download_for(waiting, seated.values())
                if seated:
                    done, _ = await asyncio.wait(seated, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        del seated[task]
                elif waiting and waited < _PATIENCE:
                    waited += _LOOK_SECONDS
                    await asyncio.sleep(_LOOK_SECONDS)
                elif waiting:
                    lost = waiting.pop(0)
                    shape = self._plan.asks[lost.name].shape
                    self._give_up(lost, owed[lost], ModelFailed(f"nodes have gone, and {shape} find no room"))
        if self._failed and (len(self._failed) == len(owed) or (self._host and self._host.name in self._failed)):
            raise _why(self._failed)

    def _admit(self, waiting: Sequence[Contestant], seated: Iterable[Replicas]) -> list[tuple[Contestant, Replicas]]:
        """The models that start now, and where. An endpoint needs no room."""
        if self._pipeline.stopping or not waiting:
            return []
        if not self._plan.asks:
            return [(one, Replicas(1, 0, 0)) for one in waiting]
        nodes = self._nodes()
        self._timeline.names |= {node.id: node.name for node in nodes}
        found = admit(self._plan.room(nodes, seated), [self._plan.asks[one.name] for one in waiting])
        return list(zip(waiting, found, strict=False))

    def _download_for(self, waiting: Sequence[Contestant], seated: Iterable[Replicas]) -> None:
        """Have the next model's weights downloaded where it would load if models ended in the order they began in."""
        if not waiting or waiting[0].weights is None:
            return
        leaving = list(seated)
        while leaving:
            leaving.pop(0)
            room = self._plan.room(self._nodes(), leaving)
            if found := admit(room, [self._plan.asks[waiting[0].name]]):
                self._downloads.begin(waiting[0].weights, dict.fromkeys(chain(*found[0].seats)))
                return

    async def _serve(self, contestant: Contestant, replicas: Replicas, talks: list[Conversation]) -> None:
        """Load a model, have it answer, and give its GPUs back."""
        stay = self._timeline.enter(contestant.name, "model", replicas if self._plan.asks else None)
        try:
            pool = self._pools.for_model(contestant, replicas)
            await self._start(stay, pool)
            if contestant is self._host:
                local = next(one for one in self._panel if one.weights)
                self._pipeline.judge_with(local.name, pool)
            await self._pipeline.answer(talks, pool)
        except (ModelFailed, UsageError) as error:
            stay.failed = str(error)
            self._give_up(contestant, talks, error)
        else:
            self._answered(contestant)
            stay.mark("answered")
            self._group.create_task(self._finish(contestant.name))
            if contestant is self._host:
                await self._all_answered.wait()
                await self._pipeline.judged()
        await self._leave(stay)

    def _give_up(self, contestant: Contestant, talks: list[Conversation], error: MtBenchError) -> None:
        """A model cannot be served: what it owes has failed, the others go on."""
        self._failed[contestant.name] = error
        self._progress.say(f"{contestant.name} cannot be served: {error}")
        self._pipeline.give_up(talks, Failure("model_failed", str(error).splitlines()[0]))
        self._answered(contestant)

    def _answered(self, contestant: Contestant) -> None:
        self._unanswered.discard(contestant.name)
        if not self._unanswered:
            self._all_answered.set()

    async def _finish(self, name: str) -> None:
        """Tell that a model is through, once its judgments are there or if they come at the end anyway."""
        if self._plan.judge in ("endpoint", "shared", "beside"):
            await self._pipeline.judged(name)
        if not self._pipeline.stopping:
            self._finished(name)

    async def _start_judge(self, panelist: Panelist) -> Stay:
        replicas = self._plan.judge_replicas if panelist.weights else None
        stay = self._timeline.enter(panelist.name, "judge", replicas)
        pool = self._pools.for_judge(panelist, replicas)
        await self._start(stay, pool)
        self._pipeline.judge_with(panelist.name, pool)
        return stay

    async def _start(self, stay: Stay, pool: Pool) -> None:
        if stay.replicas:
            self._progress.say(f"loading {stay.name} on {stay.where_in_words}")
        await pool.start()
        self._progress.say(f"{stay.name} is ready")
        stay.mark("ready")
        if not self._serving:
            self._progress.restart_clock()
        self._serving[stay] = pool

    async def _leave(self, stay: Stay) -> None:
        """Stop the engines, if they ever started, and wait until their GPUs are free."""
        if pool := self._serving.pop(stay, None):
            await pool.stop()
            stay.read(pool)
        stay.mark("left")

    async def _look(self) -> None:
        """Show what the engines do, and keep the books of those that the end of the run may cut short."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for stay, pool in self._serving.items():
                stay.read(pool)
            if self._serving:
                self._progress.engines({stay.name: pool.metrics() for stay, pool in self._serving.items()})


def _why(failed: Mapping[str, MtBenchError]) -> MtBenchError:
    """The error of a run whose models could not be served: of a single one its own."""
    if len(failed) == 1:
        return next(iter(failed.values()))
    return MtBenchError("; ".join(f"{name}: {error}" for name, error in failed.items()))
