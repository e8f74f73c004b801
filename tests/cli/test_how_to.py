"""The commands that the how-to pages print are commands that exist, with options that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from cryopick_cli.cli.main import cli
from cryopick_cli.formats.registry import FORMATS

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs" / "how-to").glob("*.md"))
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


def printed_commands() -> list[tuple[str, str]]:
    """Give page and command line of every `cryopick` in a shell block."""
    found = []
    for page in PAGES:
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            lines = block.replace("\\\n", " ").splitlines()
            found += [(page.stem, line.strip()) for line in lines if line.strip().startswith("cryopick ")]
    return found


@pytest.mark.parametrize(("page", "line"), printed_commands())
def test_every_printed_command_parses(page: str, line: str) -> None:
    name, *arguments = shlex.split(line, comments=True)[1:]
    context = click.Context(cli, info_name="cryopick")
    command = cli.get_command(context, name)
    assert command is not None, f"{page}: no command {name}"
    with click.Context(command, parent=context, info_name=name) as inner:
        values, rest, _ = command.make_parser(inner).parse_args(list(arguments))
    assert not rest or "more_inputs" in values
    for option in ("to_format", "from_format"):
        assert values.get(option, "star") in FORMATS


def test_pages_print_commands() -> None:
    assert {"relion", "cryosparc", "cryolo-boxmanager", "eman2", "topaz", "warp"} <= {
        page for page, _ in printed_commands()
    }
