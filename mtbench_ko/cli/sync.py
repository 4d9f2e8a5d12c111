from contextlib import closing
from pathlib import Path

import click

from mtbench_ko.cli.options import read_config, settings
from mtbench_ko.config import RunConfig
from mtbench_ko.errors import MtBenchError, UsageError


@click.group("sync")
def command() -> None:
    """A run directory against object storage."""


def _config(context: click.Context) -> RunConfig:
    context.params.pop("folder", None)
    return read_config(context)


@command.command()
@settings("storage", fields=("output",))
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.pass_context
def push(context: click.Context, /, folder: Path | None, **_: object) -> None:
    """Send a run to the bucket and commit it: FOLDER, or what an interrupted run left on this machine."""
    config = _config(context)
    from mtbench_ko.store import RunStore, find_output, find_remote

    find_remote(config)
    output = find_output(config, folder)
    if not (output.folder / "_state" / "journal.jsonl").exists():
        raise UsageError(f"{output.folder}: there is no run to send")
    output.open(write=True)
    with closing(RunStore(output.folder)) as store:
        store.write_views()
    output.commit()
    click.echo(f"committed: {output.name}", err=True)


@command.command()
@settings("storage", fields=("output",))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.pass_context
def pull(context: click.Context, /, folder: Path, **_: object) -> None:
    """Fetch the run in the bucket into FOLDER, every file verified."""
    config = _config(context)
    from mtbench_ko.store import find_remote
    from mtbench_ko.store import pull as fetch

    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty: pull into a new folder")
    fetch(find_remote(config), folder)
    click.echo(f"fetched: {folder}", err=True)


@command.command()
@settings("storage", fields=("output",))
@click.pass_context
def status(context: click.Context, /, **_: object) -> None:
    """Verify every object of the committed manifest by its sha256, and say what is not committed."""
    config = _config(context)
    from mtbench_ko.store import find_remote

    remote = find_remote(config)
    manifest = remote.committed()
    if manifest is None:
        lines = len(remote.lines())
        raise MtBenchError(f"{remote.objects.url('')}: unfinished: {lines} journal lines, nothing committed")
    problems = remote.problems(manifest)
    if problems:
        raise MtBenchError("; ".join(problems))
    click.echo(f"{remote.objects.url('')}: generation {manifest['generation']} is committed and verified: ", nl=False)
    click.echo(f"{len(manifest['files'])} files, {len(manifest['parts'])} parts")
    later = remote.newest() - manifest["generation"]
    if later:
        click.echo(f"{later} later writers have not committed")
