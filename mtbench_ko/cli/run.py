import sys

import click

from mtbench_ko.cli.options import read_config, settings


@click.command("run")
@settings("bench", "model", "engine", "generation", "judge", "endpoint", "output", "storage", "report")
@click.pass_context
def command(context: click.Context, /, **_: object) -> None:
    """Answer a question set, grade each turn as it comes, print the table and write the report.

    Started again with the same --output, it goes on where it stopped.
    """
    config = read_config(context)
    from mtbench_ko.cli._job import work

    sys.exit(work(config, generate=True, judge=True, report=not config.no_report))
