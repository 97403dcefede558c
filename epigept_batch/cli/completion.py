"""The command `completion` of both programs: completion scripts for shells, as Click writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHELLS = ("bash", "zsh", "fish")


def completion_command(program: str) -> click.Command:
    """`PROGRAM completion SHELL`, for a program's command group."""

    @click.command(
        "completion",
        short_help="Print a script that completes commands and options in a shell.",
        help="Print a script that completes commands, options and file names in SHELL.\n\n"
        "Load it in the startup file of the shell, ~/.bashrc or ~/.zshrc. For fish, save it as "
        f"~/.config/fish/completions/{program}.fish.\n\n"
        f'\b\nExample:\n  eval "$({program} completion bash)"',
    )
    @click.argument("shell", type=click.Choice(SHELLS))
    @click.pass_context
    def completion(context: click.Context, shell: str) -> None:
        script = get_completion_class(shell)
        if script is None:  # Click knows all of `SHELLS`
            raise click.UsageError(f"Click cannot complete in {shell}.")
        variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
        click.echo(script(context.find_root().command, {}, program, variable).source())

    return completion


def completes_files(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """File names, for an option whose values are more than a path."""
    return [CompletionItem(incomplete, type="file")]


def completes(values: Sequence[str]) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Values that an option is likely to get, for one that takes others too."""

    def complete(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(value) for value in values if value.startswith(incomplete)]

    return complete
