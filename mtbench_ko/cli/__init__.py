"""The program `mtbench-ko`: one file per command, loaded when it is called."""

import importlib
import logging
import os
import sys

import click

from mtbench_ko import __version__
from mtbench_ko.errors import MtBenchError
from mtbench_ko.signals import raise_on_signals
from mtbench_ko.terminal import printable

_COMMANDS = {
    "run": "generate, judge, show and report as one streaming job",
    "generate": "answers from local weights or an endpoint",
    "judge": "grade answers that lie in an output",
    "show": "the table of scores",
    "report": "one HTML file that shows everything, charts, scores.csv",
    "agreement": "how far judges agree, with people or with each other",
    "data": "question sets: list, fetch, check",
    "sync": "a run directory against object storage",
    "doctor": "check everything that a run needs, before GPU hours are spent",
}


class _LazyGroup(click.Group):
    """Imports a command's module only when that command runs, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"mtbench_ko.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mtbench-ko")
def cli() -> None:
    """MT-Bench for Korean language models, as a batch job that can be resumed.

    Exit codes: 0 complete; 1 failed; 2 bad usage or input; 3 more items failed or unscored than allowed;
    4 stopped, and unchanged it would stop again; 75 stopped early, run it again to go on.
    """


def main() -> None:
    """The console script: our errors become one line on stderr and their exit code, warnings lines beside it."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        if os.getpid() == 1:  # a container's first process: the kernel drops signals that it has no handler for
            raise_on_signals()
        cli.main(prog_name="mtbench-ko")
    except MtBenchError as error:
        click.echo(f"mtbench-ko: {printable(str(error))}", err=True)
        sys.exit(error.exit_code)
