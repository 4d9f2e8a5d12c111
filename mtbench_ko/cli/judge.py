import sys

import click

from mtbench_ko.cli.options import read_config, settings


@click.command("judge")
@settings("bench", "answers", "judge", "endpoint", "output", "storage", rename={"judge_parallel": "parallel"})
@click.pass_context
def command(context: click.Context, /, **_: object) -> None:
    """Grade the answers in <output>/<bench>/model_answer, this program's or FastChat's."""
    config = read_config(context)
    from mtbench_ko.cli._job import work

    sys.exit(work(config, generate=False, judge=True))
