"""The command group `cryopick`: which commands there are, and which exit status an error gives.

A command's module is imported only when that command runs, so that ``cryopick --help`` and ``--version``
answer at once and load no torch. Nothing here reads a micrograph.
"""

from __future__ import annotations

import builtins
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from cryopick_cli import __version__
from cryopick_cli.errors import CryopickError

ARGV = "cryopick.argv"
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class LazyCommand:
    """Where a command lives (``module:function``) and its line in ``cryopick --help``."""

    target: str
    summary: str

    def load(self) -> click.Command:
        """Import the module and give its command."""
        module, _, function = self.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), function)
        return command


def _command(name: str, summary: str) -> LazyCommand:
    # A trailing line keeps functions from hiding Python's own names.
    function = f"{name}_" if name in vars(builtins) else name
    return LazyCommand(f"cryopick_cli.cli.{name}:{function}", summary)


# In order of use; the titles are those of the sections of ``cryopick --help``.
COMMANDS: Mapping[str, Mapping[str, LazyCommand]] = {
    "Pick": {
        "pick": _command("pick", "Pick particles in micrographs; the particle size need not be known."),
        "relion": _command("relion", "Pick particles as an External job of RELION 3.1, 4 or 5."),
        "filter": _command("filter", "Cut a finished run anew, without picking again."),
    },
    "Judge and exchange": {
        "evaluate": _command("evaluate", "Judge picks against reference coordinates."),
        "convert": _command("convert", "Convert coordinates between file formats."),
        "check": _command("check", "Check micrographs and coordinates before they are used."),
    },
    "Teach": {
        "simulate": _command("simulate", "Simulate micrographs with known particle positions."),
        "train": _command("train", "Train new weights from micrographs and coordinates."),
    },
    "Look after": {
        "doctor": _command(
            "doctor", "Tell what works on this machine, and why not where something does not."
        ),
    },
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and summary and imports one only to run it."""

    def __init__(self, *, sections: Mapping[str, Mapping[str, LazyCommand]], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.sections = sections
        self._lazy = {name: command for section in sections.values() for name, command in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in order of use."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and give one command."""
        lazy = self._lazy.get(cmd_name)
        return None if lazy is None else lazy.load()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one help section for each group of commands, without importing any of them."""
        width = max(map(len, self._lazy), default=0)
        for title, commands in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), lazy.summary) for name, lazy in commands.items()])

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Keep the arguments as typed, for the run record."""
        typed = list(args)
        context = super().make_context(info_name, args, parent, **extra)
        context.meta[ARGV] = typed
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error a user can cure becomes a message and status 1, Ctrl-C status 130."""
        try:
            return super().invoke(ctx)
        except CryopickError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            raise click.exceptions.Exit(EXIT_INTERRUPTED) from None


cli = LazyGroup(
    name="cryopick",
    sections=COMMANDS,
    help="Pick particles in cryo-EM micrographs without knowing their size.",
    epilog="cryopick COMMAND --help tells a command's options. Exit status: 0 done; 1 failed, or some "
    "micrographs failed (each is named); 2 wrong usage; 130 interrupted.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
click.version_option(__version__, prog_name="cryopick", message="%(prog)s %(version)s")(cli)


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``cryopick`` with these arguments (those of the process by default) and exit with its status."""
    cli.main(args=None if argv is None else list(argv), prog_name="cryopick")
