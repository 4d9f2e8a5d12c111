from contextlib import ExitStack
from pathlib import Path

import click

from mtbench_ko.cli.options import read_config, settings

_SETTINGS = ("bench_name", "reference_model", "data_cache", "data_mirror", "judge_model", "baseline_model")


@click.command("report")
@settings("answers", "storage", fields=_SETTINGS)
@click.option(
    "--output", "outputs", multiple=True, default=["outputs"], envvar="MTBENCH_KO_OUTPUT", show_default=True,
    help="A run, directory or s3://bucket/prefix. Repeat for several as one report.",
)  # fmt: skip
@click.option("--prompt-set", help="Judgments made with these prompts; default: the newest.")
@click.option("--references", help="Judgments made with this source of references; default: the newest.")
@click.option(
    "--report-folder", type=click.Path(file_okay=False, path_type=Path),
    help="Where to write; default: <output>/<bench>/report, for several outputs or a bucket ./report/<bench>.",
)  # fmt: skip
@click.pass_context
def command(
    context: click.Context,
    /,
    outputs: tuple[str, ...],
    prompt_set: str | None,
    references: str | None,
    report_folder: Path | None,
    **_: object,
) -> None:
    """Write one HTML file that shows everything, with charts and scores.csv beside it, and print its path.

    Of FastChat's files too: --output is the folder that holds <bench>/model_answer and <bench>/model_judgment.
    """
    for name in ("outputs", "prompt_set", "references", "report_folder"):
        context.params.pop(name)
    config = read_config(context)
    from mtbench_ko.bench import DataCache, name_of
    from mtbench_ko.report import gather, open_questions, write_report
    from mtbench_ko.store import readable

    if report_folder is None:
        bench = name_of(config.bench_name)
        one_folder = len(outputs) == 1 and "://" not in outputs[0]
        report_folder = Path(outputs[0]) / bench / "report" if one_folder else Path("report") / bench
    with ExitStack() as stack:
        folders = {
            output: stack.enter_context(readable(config.model_copy(update={"output": output}))) for output in outputs
        }
        report = gather(
            folders,
            open_questions(config.bench_name, DataCache.of(config), reference_model=config.reference_model),
            judges=config.judge_names,
            models=config.model_list,
            baseline=config.baseline_model,
            prompt_set=prompt_set,
            references=references,
        )
    click.echo(write_report(report, report_folder))
