"""What run, generate and judge have in common: find the output, check everything, work, and say where results lie."""

from contextlib import closing

import click

from mtbench_ko.bench import bench_of
from mtbench_ko.config import RunConfig
from mtbench_ko.job import Job
from mtbench_ko.report import render
from mtbench_ko.signals import raise_on_signals
from mtbench_ko.store import find_output


def work(config: RunConfig, *, generate: bool, judge: bool, report: bool = False) -> int:
    """Run one job and return its exit code. `report`: it ends with one."""
    raise_on_signals()
    bench = bench_of(config, judged=judge)
    with closing(Job(config, bench, find_output(config), generate=generate, judge=judge, report=report)) as job:
        click.echo(f"output: {job.results.place}", err=True)
        code = job.run()
        if config.dry_run:
            return code
        if judge:
            click.echo("\n".join(render(board, "table") for board in job.results.scoreboards()), nl=False)
        click.echo(f"results: {job.results.place}", err=True)
        if job.cost:
            click.echo(f"cost: {job.cost}", err=True)
        if job.report:
            click.echo(f"report: {job.report}", err=True)
    return code
