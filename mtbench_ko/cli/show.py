from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from mtbench_ko.cli.options import printed, read_config, settings
from mtbench_ko.config import RunConfig
from mtbench_ko.errors import UsageError

if TYPE_CHECKING:
    from mtbench_ko.bench import Bench
    from mtbench_ko.report import CheckedAnswers

_OWN = ("outputs", "input_file", "prompt_set", "references", "exclude_flawed", "language_penalty", "format", "lang")


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
@click.option(
    "--language-penalty", type=click.Choice(["komt"]),
    help="KoMT-Bench's rule: the square root of the score of an answer that is not in Korean.",
)  # fmt: skip
@printed
@click.pass_context
def command(
    context: click.Context,
    /,
    outputs: tuple[str, ...],
    input_file: str | None,
    prompt_set: str | None,
    references: str | None,
    exclude_flawed: bool,
    language_penalty: str | None,
    format: str,
    lang: Literal["en", "ko"],
    **_: object,
) -> None:
    """Print the scores of one or more outputs, or of any FastChat judgment file.

    With --baseline-model each model is also compared with that one. Several judges in an output are shown as a panel;
    --judge-model chooses some. Categories and the language of answers are shown where --bench-name finds the questions.
    """
    for own in _OWN:
        context.params.pop(own)
    config = read_config(context)
    asked = "bench_name" in config.model_fields_set
    if exclude_flawed and input_file and not asked:
        raise UsageError("--exclude-flawed: say with --bench-name whose questions --input-file holds")
    from mtbench_ko.report import read_scoreboard, render
    from mtbench_ko.store import failures_path, readable

    exclude = _flawed(config) if exclude_flawed else []
    bench = None if input_file and not asked else _questions(config, needed=bool(input_file))
    name = None if input_file else _bench_name(config)
    with ExitStack() as stack:
        folders = [
            stack.enter_context(readable(config.model_copy(update={"output": output})))
            for output in outputs
            if not input_file
        ]
        if input_file:
            paths, answers = [Path(input_file)], [Path(input_file).parent.parent]
        else:
            paths = [path for folder in folders for path in _judgment_files(config, folder, str(name))]
            answers = [folder / str(name) for folder in folders]
        board = read_scoreboard(
            paths,
            mode=config.mode,
            baseline=config.baseline_model,
            bench=name,
            models=config.model_list or None,
            prompt_set=prompt_set,
            references=references,
            judges=[] if input_file else config.judge_names,
            failures=[failures_path(folder) for folder in folders],
            exclude=exclude,
            categories={question.question_id: question.category for question in bench.questions.values()}
            if bench
            else None,
            answers=_check(config, bench, answers) if bench else None,
            language_penalty=language_penalty,
        )
    click.echo(render(board, format, lang), nl=False)


def _bench_name(config: RunConfig) -> str:
    from mtbench_ko.bench import name_of

    return name_of(config.bench_name)


def _flawed(config: RunConfig) -> list[int]:
    from mtbench_ko.bench import DataCache, flawed_questions

    flawed = flawed_questions(config.bench_name, DataCache.of(config))
    if not flawed:
        raise UsageError(f"--exclude-flawed: no question of {config.bench_name} is known to be severely flawed")
    return sorted(flawed)


def _questions(config: RunConfig, needed: bool) -> "Bench | None":
    """The questions of --bench-name; None where they are not here and it only names the results to show."""
    from mtbench_ko.bench import DataCache, load_bench

    try:
        return load_bench(config.bench_name, references="none", cache=DataCache.of(config), fetch=False)
    except UsageError:
        if needed or (Path(config.bench_name) / "question.jsonl").is_file():
            raise
        return None


def _check(config: RunConfig, bench: "Bench", folders: Iterable[Path]) -> "CheckedAnswers":
    """What is known of the language of the answers that lie in `folders`, each a bench of an output."""
    from mtbench_ko.bench import DataCache, load_exemptions
    from mtbench_ko.report import check_answers
    from mtbench_ko.store import saved_answers

    saved = (answer for folder in folders for answer in saved_answers(folder.parent, folder.name, None))
    return check_answers(saved, bench, load_exemptions(config.bench_name, bench, DataCache.of(config)))


def _judgment_files(config: RunConfig, output: Path, bench: str) -> list[Path]:
    """The files of each --judge-model, or those there are; of comparisons the only one."""
    from mtbench_ko.store import judgment_files

    paths = judgment_files(output, bench, config.judgment_kind, config.judge_names)
    if len(paths) > 1 and config.mode != "single":
        names = ", ".join(path.stem.rpartition("_")[0] for path in paths)
        raise UsageError(f"{paths[0].parent} has several judges; choose with --judge-model: {names}")
    return paths
