from contextlib import ExitStack
from pathlib import Path

import click

from mtbench_ko.cli.options import read_config, settings
from mtbench_ko.config import TABLE_FORMATS, RunConfig
from mtbench_ko.errors import UsageError


@click.command("show")
@settings("answers", "storage", fields=("bench_name", "data_cache", "judge_model", "mode", "baseline_model"))
@click.option(
    "--output", "outputs", multiple=True, default=["outputs"], envvar="MTBENCH_KO_OUTPUT", show_default=True,
    help="A run, directory or s3://bucket/prefix. Repeat for several as one table.",
)  # fmt: skip
@click.option("--input-file", type=click.Path(), help="A judgment file; needs no bench.")
@click.option("--prompt-set", help="Judgments made with these prompts; default: the newest.")
@click.option("--references", help="Judgments made with this source of references; default: the newest.")
@click.option(
    "--exclude-flawed", is_flag=True, help="Leave out the questions of the bench that are severely flawed themselves."
)
@click.option("--format", type=click.Choice(TABLE_FORMATS), default="table", show_default=True, help="What to print.")
@click.pass_context
def command(
    context: click.Context,
    /,
    outputs: tuple[str, ...],
    input_file: str | None,
    prompt_set: str | None,
    references: str | None,
    exclude_flawed: bool,
    format: str,
    **_: object,
) -> None:
    """Print the scores of one or more outputs, or of any FastChat judgment file."""
    for name in ("outputs", "input_file", "prompt_set", "references", "exclude_flawed", "format"):
        context.params.pop(name)
    config = read_config(context)
    if exclude_flawed and input_file and "bench_name" not in config.model_fields_set:
        raise UsageError("--exclude-flawed: say with --bench-name whose questions --input-file holds")
    from mtbench_ko.report import read_scoreboard, render
    from mtbench_ko.store import failures_path, readable

    bench = None if input_file else _bench(config)
    with ExitStack() as stack:
        folders = [
            stack.enter_context(readable(config.model_copy(update={"output": output}))) for output in outputs if bench
        ]
        board = read_scoreboard(
            [Path(input_file)] if input_file else [_judgment_file(config, folder, str(bench)) for folder in folders],
            mode=config.mode,
            baseline=config.baseline_model,
            bench=bench,
            models=config.model_list or None,
            prompt_set=prompt_set,
            references=references,
            failures=[failures_path(folder) for folder in folders] if bench else [],
            exclude=_flawed(config) if exclude_flawed else [],
        )
    click.echo(render(board, format), nl=False)


def _bench(config: RunConfig) -> str:
    from mtbench_ko.bench import name_of

    return name_of(config.bench_name)


def _flawed(config: RunConfig) -> list[int]:
    from mtbench_ko.bench import DataCache, flawed_questions

    flawed = flawed_questions(config.bench_name, DataCache.of(config))
    if not flawed:
        raise UsageError(f"--exclude-flawed: no question of {config.bench_name} is known to be severely flawed")
    return sorted(flawed)


def _judgment_file(config: RunConfig, output: Path, bench: str) -> Path:
    """The file of --judge-model, or the only one there is."""
    from mtbench_ko.store import JUDGMENT_SUFFIXES, judgment_path

    if config.judge_name:
        return judgment_path(output, bench, config.judge_name, config.judgment_kind)
    folder, suffix = output / bench / "model_judgment", JUDGMENT_SUFFIXES[config.judgment_kind]
    paths = sorted(folder.glob(f"*{suffix}"))
    if len(paths) > 1:
        names = ", ".join(path.name.removesuffix(suffix) for path in paths)
        raise UsageError(f"{folder} has several judges; choose with --judge-model: {names}")
    return paths[0] if paths else folder / f"*{suffix}"
