"""Write `commands.md`, the reference of all commands and options, from the commands themselves.

``python docs/reference/make_commands.py`` writes it; with ``--check`` nothing is written and the exit status
is 1 where the page does not say what the commands say.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from cryopick_cli.cli.main import COMMANDS, LazyCommand, cli
from cryopick_cli.cli.options import OTHER, SectionOption

PAGE = Path(__file__).with_name("commands.md")
# Commands that take other options in another role, after the command whose name they share.
FORMS = {
    "train": {
        "train --relion": LazyCommand(
            "cryopick_cli.cli.train_relion:train_relion",
            "Train weights as an External job of RELION 3.1, 4 or 5.",
        )
    }
}
OPENING = """\
# Commands

Every command of `cryopick` with all its options. `cryopick COMMAND --help` shows the same in a terminal.

This page is made from the commands by `docs/reference/make_commands.py`; a test holds it current.

Exit status of every command: 0 done; 1 failed, or some micrographs failed (each is named on stderr); 2 wrong
usage; 130 interrupted. Data goes to stdout, words and progress go to stderr.
"""


def make_page() -> str:
    """Give the page as Markdown."""
    return "\n".join([OPENING, *_overview(), *_commands()]).rstrip() + "\n"


def _overview() -> Iterator[str]:
    for title, commands in COMMANDS.items():
        yield f"**{title}**\n"
        for name, lazy in commands.items():
            for form, command in {name: lazy, **FORMS.get(name, {})}.items():
                yield f"- [`cryopick {form}`](#{_anchor(form)}): {command.summary}"
        yield ""


def _anchor(name: str) -> str:
    """Give the anchor that Markdown viewers make of a command's heading."""
    return f"cryopick-{name}".replace(" ", "-")


def _commands() -> Iterator[str]:
    context = click.Context(cli, info_name="cryopick")
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        if command is not None:
            yield from _section(name, command)
        for form, lazy in FORMS.get(name, {}).items():
            yield from _section(form, lazy.load())


def _section(name: str, command: click.Command) -> Iterator[str]:
    yield f"## cryopick {name}\n"
    yield _paragraphs(command.help or "")
    yield from _options(command)


def _paragraphs(text: str) -> str:
    """Take click's marks out of a help text: form feed ends it, backspace opens a block kept as it is."""
    blocks = inspect.cleandoc(text.split("\f")[0]).split("\n\n")
    return "\n\n".join(_block(block) for block in blocks) + "\n"


def _block(block: str) -> str:
    if block.startswith("\b"):
        return f"```\n{block.removeprefix(chr(8)).strip(chr(10))}\n```"
    return block.replace("<", r"\<")


def _options(command: click.Command) -> Iterator[str]:
    sections: dict[str, list[str]] = {}
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            title = parameter.section if isinstance(parameter, SectionOption) else OTHER
            sections.setdefault(title, []).append(_row(parameter))
    for title in sorted(sections, key=lambda title: title == OTHER):
        yield f"| {title} | | default |\n| --- | --- | --- |"
        yield from sections[title]
        yield ""


def _row(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag or option.count else f" `{_value(option)}`"
    help_text = re.sub(r"\s+", " ", option.help or "").replace("|", r"\|").replace("<", r"\<")
    return f"| {names}{value.replace('|', chr(92) + '|')} | {help_text} | {_default(option)} |"


def _value(option: click.Option) -> str:
    if option.metavar:
        return option.metavar
    if isinstance(option.type, click.Choice):
        return "|".join(map(str, option.type.choices))
    return " ".join([option.type.name.upper().replace(" RANGE", "")] * option.nargs)


def _default(option: click.Option) -> str:
    if option.required:
        return "required"
    if not option.show_default:
        return ""
    if option.is_flag and option.secondary_opts:
        return f"`{(option.opts if option.default else option.secondary_opts)[0]}`"
    default = option.default if isinstance(option.default, (tuple, list)) else [option.default]
    return f"`{' '.join(map(str, default))}`"


def main() -> int:
    """Write or check the page; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 where the page is old"
    )
    page = make_page()
    if not parser.parse_args().check:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page:
        return 0
    sys.stderr.write(f"{PAGE}: is not what the commands say; run python {Path(__file__).name}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
