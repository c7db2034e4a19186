"""docs/reference/cli.md, from the commands as click knows them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from reference.markdown import code, note, prose, table
from splitter.cli import commands

_INTRODUCTION = """
[cli.md](../cli.md) explains them with examples; this page has every flag. Where a flag has a **variable**, it may be given in the
environment; the flag wins. Every command has `--help` (`-h`), and `splitter --version` says which splitter it is. Exit codes: 0; 1 for what
is invalid or has failed; 2 for a wrong call.
"""
_PREFIX = "SPLITTER_"
_ASKING = "Commands that ask a running splitter"
_COMMON = ("server", "token", "output", "json")
_DEFAULT = re.compile(r"\s*\[default: (.*)\]$")
_HEAD = ("flag", "value", "default", "variable", "meaning")


def page() -> str:
    every = dict(_commands(commands))
    asking = every["traffic get"]
    common = f"## {_ASKING}\n{table(_HEAD, (_row(option) for option in _options(asking) if option.name in _COMMON))}"
    head = [note("`splitter/cli/`"), "# Commands\n", prose(_INTRODUCTION)]
    return "\n".join([*head, *(_section(words, command) for words, command in every.items()), common])


def _commands(group: click.Group, *words: str) -> Iterator[tuple[str, click.Command]]:
    """Those that do something, by their words after `splitter`, in the order of the help."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, *words, name)
        else:
            yield " ".join((*words, name)), command


def _options(command: click.Command) -> list[click.Option]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def _section(words: str, command: click.Command) -> str:
    # With the settings of the command: click keeps its flag --help with the command, and the tests in this process call it, too.
    context = command.make_context(words, [], resilient_parsing=True)
    usage = " ".join([f"splitter {words}", *command.collect_usage_pieces(context)])
    own = [option for option in _options(command) if not _is_common(option)]
    parts = [f"## splitter {words}\n", f"`{usage}`\n", *_help(command)]
    if own:
        parts.append(table(_HEAD, map(_row, own)))
    if shared := [code(f"--{option.name}") for option in _options(command) if _is_common(option)]:
        parts.append(f"{'And ' if own else ''}{', '.join(shared)}: see [below](#{_ASKING.lower().replace(' ', '-')}).\n")
    return "\n".join(parts)


def _is_common(option: click.Option) -> bool:
    """Not the `--json` that takes a body, and not the `--output` that names a file."""
    return option.name in _COMMON and (option.name != "output" or isinstance(option.type, click.Choice))


def _help(command: click.Command) -> Iterator[str]:
    """Its paragraphs, and the examples as a block."""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        lines = paragraph.removeprefix("\b\n").splitlines()
        if lines[0] in ("Example:", "Examples:"):
            yield "```console\n" + "".join(f"$ {line.strip()}\n" for line in lines[1:]) + "```\n"
        else:
            yield prose(paragraph)


def _row(option: click.Option) -> tuple[str, ...]:
    about = option.help or ""
    said = _DEFAULT.search(about)
    default = said[1] if said else "required" if option.required else _default(option)
    variable = code(_PREFIX + str(option.name).upper()) if option.allow_from_autoenv else ""
    return ", ".join(map(code, option.opts)), _value(option), default, variable, _DEFAULT.sub("", about)


def _default(option: click.Option) -> str:
    return code(str(option.to_info_dict()["default"]).removesuffix(".0")) if option.show_default else ""


def _value(option: click.Option) -> str:
    """What may be written, in words."""
    if option.is_flag:
        return ""
    match option.type:
        case click.Choice(choices=choices):
            return ", ".join(map(code, choices))
        case click.IntRange(min=least, max=most) | click.FloatRange(min=least, max=most):
            return f"{least} or more" if most is None else f"{least} to {most}"
    return code(option.metavar or option.type.name)
