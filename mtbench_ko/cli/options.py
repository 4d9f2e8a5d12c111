"""click options made from the fields of RunConfig, so that a setting is described in one place."""

import json
import sys
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import click
from pydantic.fields import FieldInfo

from mtbench_ko.cli.secrets import hide_literal_keys
from mtbench_ko.config import TABLE_FORMATS, RunConfig, load_config

Command = Callable[..., Any]
_ALIASES = {"max_new_token": ("max-tokens",)}  # FastChat's gen_api_answer calls it so


class ListOption(click.Option):
    """FastChat's `--model-list a b c`: takes every value up to the next option."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        super().add_to_parser(parser, ctx)
        for name in self.opts:
            option = parser._long_opt.get(name)
            process = option.process

            def take_all(value: str, state: Any, process: Any = process) -> None:
                process(value, state)
                while state.rargs and not state.rargs[0].startswith("-"):
                    process(state.rargs.pop(0), state)

            option.process = take_all


def settings(
    *groups: str, fields: Collection[str] = (), rename: Mapping[str, str] | None = None
) -> Callable[[Command], Command]:
    """Options for every setting in `groups` or `fields`, and --config; `rename` gives one another flag here."""

    def decorate(command: Command) -> Command:
        order = sorted(RunConfig.model_fields.items(), key=lambda item: _position(item[1], groups))
        for name, field in reversed(order):
            if _position(field, groups) < len(groups) or name in fields:
                command = _option(name, field, (rename or {}).get(name, name))(command)
        return click.option("--config", "config_file", type=click.Path(), help="YAML file of settings.")(command)

    return decorate


def printed(command: Command) -> Command:
    """The options of a command that prints tables: --format and --lang."""
    command = click.option(
        "--lang", type=click.Choice(["en", "ko"]), default="en", envvar="MTBENCH_KO_LANG", show_default=True,
        help="The language of headings in table and markdown.",
    )(command)  # fmt: skip
    formats = click.Choice(TABLE_FORMATS)
    return click.option("--format", type=formats, default="table", show_default=True, help="What to print.")(command)


def read_config(context: click.Context) -> RunConfig:
    """The settings that the options of this command, the environment and --config give.

    A key that was typed on the command line is moved out of it first, which starts the program once more.
    """
    given = {}
    for name, value in context.params.items():
        source = context.get_parameter_source(name)
        if name != "config_file" and source not in (None, click.core.ParameterSource.DEFAULT):
            given[name] = list(value) if isinstance(value, tuple) else value
    hide_literal_keys(given, sys.argv)
    for name in given:
        if typing.get_origin(RunConfig.model_fields[name].annotation) is dict:
            given[name] = dict(_key_value(pair, name) for pair in given[name])
    return load_config(given, context.params.get("config_file"))


def _position(field: FieldInfo, groups: Sequence[str]) -> int:
    """Where the field's group stands among `groups`; after them all if it is none of them."""
    assert isinstance(field.json_schema_extra, dict)
    group = field.json_schema_extra["group"]
    return groups.index(str(group)) if group in groups else len(groups)


def _option(name: str, field: FieldInfo, flag: str) -> Callable[[Command], Command]:
    default = field.get_default(call_default_factory=True)
    text = field.description or ""
    if default not in (None, [], {}, False):
        text += f"  [default: {default}]"
    flags = [flag.replace("_", "-"), *_ALIASES.get(name, ())]
    declare = partial(
        click.option, *(f"--{each}" for each in flags), name, envvar=f"MTBENCH_KO_{name.upper()}", help=text
    )
    kind = _bare(field.annotation)
    if kind is bool:
        return declare(is_flag=True, default=None)
    if typing.get_origin(kind) is dict:
        return declare(multiple=True, metavar="K=V")
    if typing.get_origin(kind) is list:
        return declare(multiple=True, cls=ListOption if name.endswith("_list") else click.Option)
    if field.default == "auto":
        return declare(type=str, metavar="N|auto", default=None)
    if typing.get_origin(kind) is typing.Literal:
        return declare(type=click.Choice(typing.get_args(kind)), default=None)
    return declare(type=kind, default=None)


def _bare(annotation: Any) -> Any:
    """The type of a field without `| None` and constraints."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        annotation = next(part for part in typing.get_args(annotation) if part is not type(None))
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return annotation


def _key_value(pair: str, name: str) -> tuple[str, Any]:
    key, equals, text = pair.partition("=")
    if not equals:
        raise click.BadParameter(f"'{pair}' is not K=V", param_hint=f"--{name.replace('_', '-')}")
    try:
        return key.replace("-", "_"), json.loads(text)
    except json.JSONDecodeError:
        return key.replace("-", "_"), text
