"""The command group: what it lists, what it imports, which status it ends with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner

from cryopick_cli import __version__
from cryopick_cli.cli import main as main_module
from cryopick_cli.cli.main import COMMANDS, LazyCommand, LazyGroup, cli
from cryopick_cli.errors import InputError


def group_with(monkeypatch: pytest.MonkeyPatch, function: Callable[[], None]) -> LazyGroup:
    """Make a group whose one command does as the function does."""
    monkeypatch.setattr(main_module, "probe", click.command()(function), raising=False)
    return LazyGroup(sections={"Test": {"probe": LazyCommand("cryopick_cli.cli.main:probe", "Probe.")}})


def test_version_is_one_parseable_line() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert (result.exit_code, result.output) == (0, f"cryopick {__version__}\n")


def test_help_lists_every_command_under_its_section() -> None:
    result = CliRunner().invoke(cli, ["--help"], terminal_width=200)
    assert result.exit_code == 0
    position = 0
    for title, commands in COMMANDS.items():
        position = result.output.index(f"\n{title}:\n", position)
        for name, lazy in commands.items():
            position = result.output.index(f"  {name} ", position)
            assert lazy.summary in result.output[position:]


@pytest.mark.parametrize("name", [name for commands in COMMANDS.values() for name in commands])
def test_every_command_answers_help_and_opens_with_its_summary(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"], terminal_width=200)
    assert result.exit_code == 0, result.output
    summary = next(commands[name].summary for commands in COMMANDS.values() if name in commands)
    assert result.output.split("\n\n")[1].strip() == summary


def test_no_command_shows_help_and_is_wrong_usage() -> None:
    result = CliRunner().invoke(cli, [])
    assert result.exit_code == 2
    assert "Usage: cryopick" in result.output


@pytest.mark.parametrize("arguments", [["no-such-command"], ["--no-such-option"], ["evaluate", "--nonsense"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error:" in result.stderr


def test_an_error_a_user_can_cure_is_a_message_and_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise InputError("a.mrc: is empty (found 0 bytes, expected an MRC header); copy it again")

    result = CliRunner().invoke(group_with(monkeypatch, fail), ["probe"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        "Error: a.mrc: is empty (found 0 bytes, expected an MRC header); copy it again\n"
    )


def test_a_fault_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a bug")

    result = CliRunner().invoke(group_with(monkeypatch, fail), ["probe"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    result = CliRunner().invoke(group_with(monkeypatch, interrupt), ["probe"])
    assert result.exit_code == 130
    assert result.stderr == "Interrupted.\n"


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    code = "import click; from cryopick_cli.cli import main as m; "
    code += "m.probe = click.command()(lambda: [click.echo('x' * 80) for _ in range(5000)]); "
    code += "m.cli._lazy['probe'] = m.LazyCommand('cryopick_cli.cli.main:probe', ''); m.main(['probe'])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 1
