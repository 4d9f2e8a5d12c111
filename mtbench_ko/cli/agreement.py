from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import click

from mtbench_ko.cli.options import ListOption, printed, read_config, settings
from mtbench_ko.errors import UsageError
from mtbench_ko.records import kind_of

_OWN = ("judges", "votefiles", "outputs", "input_files", "mode", "prompt_set", "references", "format", "lang")


@click.command("agreement")
@settings("answers", "storage", fields=("bench_name",))
@click.option(
    "--judges", multiple=True, cls=ListOption,
    help="Who is compared: with --votefiles two, such as gpt4-pair human (default) or human human; else judge models, "
    "default all.",
)  # fmt: skip
@click.option(
    "--votefiles", multiple=True, cls=ListOption, type=click.Path(path_type=Path),
    help="Files of votes, FastChat's (JSON, JSONL) or the data set's (parquet, JSONL), and judgment files: a b c.",
)  # fmt: skip
@click.option(
    "--output", "outputs", multiple=True, default=["outputs"], envvar="MTBENCH_KO_OUTPUT", show_default=True,
    help="A run whose judges are compared, directory or s3://bucket/prefix. Repeatable.",
)  # fmt: skip
@click.option(
    "--input-file", "input_files", multiple=True, cls=ListOption, type=click.Path(path_type=Path),
    help="Judgment files instead of an output's: a b c.",
)  # fmt: skip
@click.option(
    "--mode", type=click.Choice(["single", "pairwise"]), default="single", show_default=True,
    help="Compare the judges' scores, or their verdicts on pairs.",
)  # fmt: skip
@click.option("--prompt-set", help="Judgments made with these prompts; default: each judge's newest.")
@click.option("--references", help="Judgments made with this source of references; default: each judge's newest.")
@printed
@click.pass_context
def command(
    context: click.Context,
    /,
    judges: tuple[str, ...],
    votefiles: tuple[Path, ...],
    outputs: tuple[str, ...],
    input_files: tuple[Path, ...],
    mode: Literal["single", "pairwise"],
    prompt_set: str | None,
    references: str | None,
    format: str,
    lang: Literal["en", "ko"],
    **_: object,
) -> None:
    """Print how far judges agree: with people (--votefiles), or with each other (--output, --input-file).

    Of votes what FastChat's compute_agreement counts, with ties and without; of scores how many are equal and within
    one, and correlations. Both with Cohen's kappa, Krippendorff's alpha and 95 % intervals.
    """
    said = context.get_parameter_source("outputs") == click.core.ParameterSource.COMMANDLINE
    for own in _OWN:
        context.params.pop(own)
    if sum(map(bool, (votefiles, input_files, said))) > 1:
        raise UsageError(
            "--votefiles, --input-file and --output exclude each other; --votefiles takes judgment files too"
        )
    config = read_config(context)
    from mtbench_ko.bench import name_of
    from mtbench_ko.report import read_judge_agreement, read_vote_agreement, render_agreement
    from mtbench_ko.store import judgment_files, readable

    chosen: dict[str, Any] = {"models": config.model_list, "prompt_set": prompt_set, "references": references}
    for path in (*votefiles, *input_files):
        if not path.is_file():
            raise UsageError(f"{path}: no such file")
    with ExitStack() as stack:
        if votefiles:
            board = read_vote_agreement(votefiles, judges, **chosen)
        else:
            paths = list(input_files)
            for output in outputs if not paths else ():
                folder = stack.enter_context(readable(config.model_copy(update={"output": output})))
                paths += judgment_files(folder, name_of(config.bench_name), kind_of(mode))
            board = read_judge_agreement(paths, mode == "single", judges, **chosen)
    click.echo(render_agreement(board, format, lang), nl=False)
