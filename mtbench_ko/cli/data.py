import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtbench_ko.cli.options import read_config, settings
from mtbench_ko.errors import UsageError

if TYPE_CHECKING:
    from mtbench_ko.bench import DataCache, DataSet
    from mtbench_ko.bench.check import Finding

_CACHE = ("data_cache", "data_mirror", "data_timeout")


@click.group("data")
def command() -> None:
    """Question sets: what there is, fetching it, checking it."""


def _cache(context: click.Context, *own: str) -> "DataCache":
    for name in own:
        context.params.pop(name)
    config = read_config(context)
    from mtbench_ko.bench import DataCache

    return DataCache.of(config)


@command.command("list")
@settings(fields=_CACHE)
@click.pass_context
def list_(context: click.Context, /, **_: object) -> None:
    """The question sets that are known by name, with source, licence and whether they are here."""
    cache = _cache(context)
    from mtbench_ko.bench import OWN, data_root, registry

    click.echo(f"{OWN}\n  this project's own questions, which ship with it\n  here: {data_root() / OWN}")
    for data_set in registry().values():
        missing, number = len(cache.missing(data_set)), len(data_set.files)
        here = f"{cache.folder_of(data_set)}" if not missing else "not yet" if missing == number else "in part"
        click.echo(f"{data_set.name}\n  {data_set.about}\n  from: {data_set.source}\n  licence: {data_set.licence}")
        click.echo(f"  to cite: {data_set.citation}\n  here: {here}")


@command.command()
@settings(fields=_CACHE)
@click.option("--all", "everything", is_flag=True, help="Every set whose hashes are known: all question sets.")
@click.argument("names", nargs=-1)
@click.pass_context
def fetch(context: click.Context, /, names: tuple[str, ...], everything: bool, **_: object) -> None:
    """Fetch the data sets NAMES into the cache, every file verified by its sha256."""
    cache = _cache(context, "names", "everything")
    from mtbench_ko.bench import find_set, registry

    pinned = [name for name, data_set in registry().items() if data_set.pinned]
    wanted = [find_set(name) for name in dict.fromkeys([*names, *(pinned if everything else [])])]
    if not wanted:
        raise UsageError(f"nothing to fetch: name a set ({', '.join(registry())}), or say --all")
    for data_set in wanted:
        click.echo(f"{data_set.name}: {cache.ensure(data_set)}")


@command.command()
@settings(fields=_CACHE)
@click.option("--against", multiple=True, help="Another set: report questions that are nearly its. Repeatable.")
@click.argument("names", nargs=-1)
@click.pass_context
def check(context: click.Context, /, names: tuple[str, ...], against: tuple[str, ...], **_: object) -> None:
    """Check question sets, NAMES or folders with a /; by default what ships and what has been fetched.

    Schema, doubled and nearly doubled questions, missing references, encoding, judge prompts, hashes, errata.
    """
    cache = _cache(context, "names", "against")
    from mtbench_ko.bench import (
        OWN,
        PROMPTS,
        Finding,
        check_against,
        check_set,
        check_texts,
        data_root,
        locate,
        registry,
    )

    fetched = [each for each in registry().values() if each.kind == "questions" and _is_here(cache, each)]
    chosen = names or (OWN, *(each.name for each in fetched))
    findings: list[Finding] = []
    for name in chosen:
        place = locate(name, cache, fetch=False)
        if name in registry():
            findings += _hashes(cache, registry()[name])
        findings += check_set(place)
        findings += [finding for other in against for finding in check_against(place, locate(other, cache))]
        if (place.folder / PROMPTS).is_file():
            findings += _prompts(place.folder / PROMPTS)
    if not names:
        for file in sorted((data_root() / "judge_prompts").glob("*.jsonl")):
            findings += _prompts(file)
        for file in sorted((data_root() / "errata").rglob("*.jsonl")):
            findings += check_texts(file)
    for finding in findings:
        click.echo(finding)
    errors = sum(finding.level == "error" for finding in findings)
    click.echo(f"checked {', '.join(chosen)}: {errors} errors, {len(findings) - errors} warnings", err=True)
    sys.exit(UsageError.exit_code if errors else 0)


def _is_here(cache: "DataCache", data_set: "DataSet") -> bool:
    return (cache.folder_of(data_set) / "question.jsonl").is_file()


def _hashes(cache: "DataCache", data_set: "DataSet") -> "list[Finding]":
    from mtbench_ko.bench import Finding
    from mtbench_ko.bench.differences import differing_turns

    found = []
    for file in cache.missing(data_set):
        path = cache.folder_of(data_set) / file.path
        what = f"not the pinned file{differing_turns(path, file)}" if path.is_file() else "not fetched yet"
        found.append(Finding("error", str(path), f"{what}: mtbench-ko data fetch {data_set.name}"))
    return found


def _prompts(file: Path) -> "list[Finding]":
    from mtbench_ko.bench import Finding, check_texts
    from mtbench_ko.judge import load_prompts

    found = check_texts(file)
    for pairwise in (False, True):
        try:
            load_prompts(str(file), pairwise=pairwise)
        except UsageError as error:
            found.append(Finding.of(error))
    return found
