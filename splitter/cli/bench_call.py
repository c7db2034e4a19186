"""How `splitter bench` is called: a URL where other groups have a command, flags with several values, and values with sentences of their
own for what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from splitter.bench.errors import BenchError
from splitter.cli.several import Belongs, spread

T = TypeVar("T")

RUN = "run"
SEVERAL: dict[str, Belongs] = {
    "--threshold": lambda word, _: "<" in word or ">" in word or word.startswith("share:"),
    "--direct": lambda _, has_url: has_url,
}


class Bench(click.Group):
    """`bench URL` is `bench run URL`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {*self.commands, "-h", "--help"}
        if args and args[0] not in own:
            near = get_close_matches(args[0], self.commands, n=1)
            if near and "/" not in args[0]:
                raise click.UsageError(f"there is no command {args[0]!r}; did you mean {near[0]!r}?", ctx)
            args = [RUN, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if not incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        run = self.commands[RUN]
        return run.shell_complete(click.Context(run, parent=ctx, info_name=RUN), incomplete)


class Run(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with_value = frozenset(
            name for parameter in self.params if isinstance(parameter, click.Option) and not parameter.is_flag for name in parameter.opts
        )
        return super().parse_args(ctx, spread(args, SEVERAL, with_value))


class Read(click.ParamType[T]):
    """What is read by a function of `splitter.bench`, whose ValueError or BenchError says what was expected."""

    def __init__(self, name: str, read: Callable[[str], T]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> T:
        try:
            return self._read(str(value))
        except (ValueError, BenchError) as exc:
            self.fail(str(exc), param, ctx)


class Field(click.ParamType[tuple[str, str]]):
    name = "NAME: VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        name, colon, content = str(value).partition(":")
        content = content.strip()
        is_token = name.isascii() and name.replace("-", "").replace("_", "").isalnum()  # RFC 9110 §5.6.2, and narrower
        if not colon or not is_token or not content.isascii() or not content.isprintable():
            self.fail(f"{value!r} is not a field like 'X-Team: blue'", param, ctx)
        if name.lower() in ("host", "content-length", "transfer-encoding", "connection"):
            self.fail(f"{name} follows from the URL and the payload, and is not to be set", param, ctx)
        return name, content
