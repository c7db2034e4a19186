"""`splitter completion`: the script by which a shell completes our commands. click has the scripts."""

from __future__ import annotations

import click

from splitter.cli.flags import SETTINGS


@click.command(context_settings=SETTINGS)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes commands, flags and the names of a running splitter in SHELL.

    \b
    Examples:
      splitter completion bash > ~/.local/share/bash-completion/completions/splitter
      splitter completion zsh > ~/.zsh/completions/_splitter     # a folder of $fpath
      splitter completion fish > ~/.config/fish/completions/splitter.fish
    """
    from click.shell_completion import ShellComplete, get_completion_class

    from splitter.cli import commands

    kind = get_completion_class(shell)
    if kind is None:
        raise RuntimeError(f"click has no completion for {shell}")
    # Not its own `source()`: that of bash runs bash to look at its version, and this may be for another machine.
    click.echo(ShellComplete.source(kind(commands, {}, "splitter", "_SPLITTER_COMPLETE")))
