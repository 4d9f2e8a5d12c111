"""What run, generate and judge have in common: open the output, check it, work, and say where the results lie."""

import logging
import sys
from contextlib import closing

import click

from mtbench_ko.bench import load_bench
from mtbench_ko.config import RunConfig
from mtbench_ko.job import Job
from mtbench_ko.report import render
from mtbench_ko.signals import raise_on_signals
from mtbench_ko.store import RunStore, local_output


def work(config: RunConfig, *, generate: bool, judge: bool) -> int:
    """Run one job and return its exit code. Without judging no reference is needed."""
    raise_on_signals()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    bench = load_bench(
        config.bench_name,
        references=config.references if judge else "none",
        reference_model=config.reference_model,
        question_begin=config.question_begin,
        question_end=config.question_end,
        first_n=config.first_n,
    )
    with closing(RunStore(local_output(config.output))) as store:
        job = Job(config, bench, store, generate=generate, judge=judge)
        code = job.run()
        if config.dry_run:
            return code
        if judge:
            click.echo(render(job.scoreboard(), "table"), nl=False)
        click.echo(f"results: {store.output / bench.name}", err=True)
    return code
