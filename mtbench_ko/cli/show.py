from pathlib import Path

import click

from mtbench_ko.cli.options import read_config, settings
from mtbench_ko.config import RunConfig
from mtbench_ko.errors import UsageError

FORMATS = ("table", "csv", "json", "markdown", "fastchat")


@click.command("show")
@settings("answers", fields=("bench_name", "judge_model", "output"))
@click.option("--input-file", type=click.Path(), help="A judgment file; needs no bench.")
@click.option("--format", type=click.Choice(FORMATS), default="table", show_default=True, help="What to print.")
@click.pass_context
def command(context: click.Context, /, input_file: str | None, format: str, **_: object) -> None:
    """Print the scores of an output, or of any FastChat judgment file."""
    context.params.pop("input_file")
    context.params.pop("format")
    config = read_config(context)
    if input_file is None:
        print_output(config, format)
    else:
        _print(Path(input_file), None, config, format)


def print_output(config: RunConfig, format: str) -> None:
    """Print the scoreboard of the config's output and bench."""
    from mtbench_ko.store import judgment_path, local_output

    bench = Path(config.bench_name).resolve().name if "/" in config.bench_name else config.bench_name
    output = local_output(config.output)
    if config.judge_name:
        path = judgment_path(output, bench, config.judge_name)
    else:
        folder = output / bench / "model_judgment"
        paths = sorted(folder.glob("*_single.jsonl"))
        if len(paths) > 1:
            names = ", ".join(path.name.removesuffix("_single.jsonl") for path in paths)
            raise UsageError(f"{folder} has several judges; choose with --judge-model: {names}")
        path = paths[0] if paths else folder / "*_single.jsonl"
    _print(path, bench, config, format)


def _print(path: Path, bench: str | None, config: RunConfig, format: str) -> None:
    from mtbench_ko.report import read_scoreboard, render
    from mtbench_ko.store import failures_path, local_output

    failures = failures_path(local_output(config.output)) if bench else None
    board = read_scoreboard(path, bench=bench, models=config.model_list or None, failures=failures)
    click.echo(render(board, format), nl=False)
