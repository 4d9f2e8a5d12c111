import sys

import click

from mtbench_ko.cli.options import read_config, settings


@click.command("generate")
@settings("bench", "model", "engine", "generation", "endpoint", "output", "storage")
@click.pass_context
def command(context: click.Context, /, **_: object) -> None:
    """Answer a question set with local weights (--model-path) or an endpoint (--model)."""
    config = read_config(context)
    from mtbench_ko.cli._job import work

    sys.exit(work(config, generate=True, judge=False))
