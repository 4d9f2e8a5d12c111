"""What a job leaves beside the journal's own files: scoreboards, the manifest and the report."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtbench_ko.bench import Bench, DataCache
from mtbench_ko.config import RunConfig
from mtbench_ko.errors import Preempted
from mtbench_ko.job.plan import Panelist
from mtbench_ko.report import Scoreboard, gather, open_questions, read_scoreboard, write_report
from mtbench_ko.store import RunStore, failures_path, judgment_path, update_manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Results:
    """The results of a job whose output users know as `output`."""

    config: RunConfig
    bench: Bench
    panel: Sequence[Panelist]
    store: RunStore
    output: str

    @property
    def place(self) -> str:
        """Where they lie."""
        return f"{self.output}/{self.bench.name}"

    def scoreboards(self) -> list[Scoreboard]:
        """The scores that this job's judges have given with its prompts and references: of grades one board for the
        whole panel, of comparisons one for each judge."""
        names = [one.name for one in self.panel]
        boards = [names] if self.config.mode == "single" else [[name] for name in names]
        return [self._scoreboard(judges) for judges in boards]

    def write_manifest(self, facts: Mapping[str, Any], spent: dict[str, Any], run: Mapping[str, Any]) -> None:
        """Put `facts` and what was `spent` over those of earlier runs on the same output, and this `run` after them."""
        bench, judges = self.bench, {one.name: self._judge_facts(one) for one in self.panel}
        about = {"name": bench.name, "questions": len(bench.questions), "sha256": bench.hashes}
        facts = {"bench": about, "judges": judges, **facts}
        run = {**run, "config": self.config.public()}
        try:
            update_manifest(self.store.output, bench.name, facts=facts, spent=spent, run=run)
        except OSError as error:  # a full disk, which the run ends with anyhow
            log.warning("the manifest could not be written: %s", error)

    def write_report(self) -> str | None:
        """Put the report beside the results, and return where it is; None where it could not be written."""
        try:
            report = gather(
                {self.output: self.store.output},
                open_questions(self.config.bench_name, DataCache.of(self.config), bench=self.bench),
                judges=[one.name for one in self.panel],
                baseline=self._baseline,
                prompt_set=self._prompt_set,
                references=self.bench.reference_source,
            )
            write_report(report, self.store.output / self.bench.name / "report")
        except Preempted:
            raise
        except Exception as error:  # whatever is wrong with the picture, the results are whole and must be committed
            log.warning("the report could not be written; 'mtbench-ko report' tries again. %r", error)
            return None
        return f"{self.place}/report/index.html"

    @property
    def _baseline(self) -> str | None:
        return self.config.baseline_model if self.config.mode == "pairwise-baseline" else None

    @property
    def _prompt_set(self) -> str:
        return self.panel[0].judge.prompts.name

    def _scoreboard(self, judges: Sequence[str]) -> Scoreboard:
        output, kind = self.store.output, self.config.judgment_kind
        return read_scoreboard(
            [judgment_path(output, self.bench.name, judge, kind) for judge in judges],
            mode=self.config.mode,
            baseline=self._baseline,
            bench=self.bench.name,
            prompt_set=self._prompt_set,
            references=self.bench.reference_source,
            judges=judges,
            failures=[failures_path(output)],
            categories={question.question_id: question.category for question in self.bench.questions.values()},
        )

    def _judge_facts(self, panelist: Panelist) -> dict[str, Any]:
        judge = panelist.judge
        mine = self.store.judged(self.config.judgment_kind, self.bench.name, judge.name)
        return {
            "identity": judge.identity,
            "sampling": judge.sampling.describe(),
            "reported": sorted({row.judge_reported for row in mine if row.judge_reported}),
            "prompt_set": judge.prompts.name,
            "references": self.bench.reference_source,
            "repeats": judge.repeats,
        }
