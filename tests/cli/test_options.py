"""Shared options, and options made from a configuration dataclass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from cryopick_cli.cli import options
from cryopick_cli.cli.console import Console
from cryopick_cli.cli.main import cli
from cryopick_cli.errors import ConfigError
from cryopick_cli.units import Length


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    threshold: float | None = field(
        default=None,
        metadata={
            "help": "Lowest score.",
            "option": ("-t", "--threshold"),
            "auto": True,
            "metavar": "auto|0..1",
        },
    )
    diameter: Length | None = field(default=None, metadata={"help": "Diameter.", "auto": True})
    minimum: Length | None = field(default=None, metadata={"help": "Least distance."})
    count: int = field(default=3, metadata={"help": "How many."})
    spread: tuple[float, float] = field(default=(1.0, 2.0), metadata={"help": "From, to."})
    fast: bool = field(default=True, metadata={"help": "Be quick."})
    contrast: str = field(default="dark", metadata={"help": "Contrast.", "choices": ("dark", "light")})
    folder: Path | None = field(default=None, metadata={"help": "Folder."})
    hidden: int = 7

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ConfigError(f"threshold: found {self.threshold}, expected 0 to 1")


def run(decorator: Callable[..., Any], arguments: list[str]) -> tuple[Result, dict[str, Any]]:
    seen: dict[str, Any] = {}

    @click.command(cls=options.SectionCommand)
    @decorator
    def command(**received: Any) -> None:
        """Do it."""
        seen.update(received)

    return CliRunner().invoke(command, arguments, terminal_width=200), seen


demo = options.options_from(DemoConfig, section="Demo", leave_out=("hidden",))


def test_without_options_the_defaults_of_the_dataclass_hold() -> None:
    _, seen = run(demo, [])
    assert seen["config"] == DemoConfig()


def test_every_kind_of_field_is_parsed() -> None:
    arguments = (
        "-t 0.25 --diameter 120A --minimum 9px --count 5 --spread 3 4 --no-fast --contrast light --folder x"
    )
    _, seen = run(demo, arguments.split())
    assert seen["config"] == DemoConfig(
        threshold=0.25,
        diameter=Length(120.0, "A"),
        minimum=Length(9.0, "px"),
        count=5,
        spread=(3.0, 4.0),
        fast=False,
        contrast="light",
        folder=Path("x"),
    )


def test_auto_stands_for_none() -> None:
    _, seen = run(demo, ["--threshold", "auto", "--diameter", "auto"])
    assert seen["config"] == DemoConfig()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-t", "1.5"], "threshold: found 1.5, expected 0 to 1"),
        (["-t", "much"], "found 'much', expected auto or a number"),
        (["--diameter", "120"], "expected a positive number with its unit"),
        (["--minimum", "auto"], "expected a positive number with its unit"),
        (["--contrast", "grey"], "'grey' is not one of"),
        (["--hidden", "3"], "No such option"),
    ],
)
def test_what_does_not_fit_is_wrong_usage(arguments: list[str], said: str) -> None:
    result, seen = run(demo, arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not seen


def test_help_shows_defaults_and_sections() -> None:
    result, _ = run(lambda function: options.seed(demo(function)), ["--help"])
    assert "\nDemo:\n" in result.output
    assert "\nRunning:\n" in result.output
    assert result.output.index("Running:") < result.output.index("\nOptions:\n")
    for line in ("-t, --threshold auto|0..1", "[default: auto]", "[default: 3]", "--fast / --no-fast"):
        assert line in result.output


def test_inputs_take_several_and_an_unquoted_glob() -> None:
    _, seen = run(options.inputs, ["--in", "a.mrc", "b.mrc", "c.mrc", "-i", "d"])
    assert set(seen["inputs"]) == {"a.mrc", "b.mrc", "c.mrc", "d"}
    result, _ = run(options.inputs, [])
    assert result.exit_code == 2
    assert "--in" in result.stderr


def test_output_is_a_path_and_needed() -> None:
    _, seen = run(options.output(), ["-o", "x/y"])
    assert seen["out"] == Path("x/y")
    assert run(options.output(), [])[0].exit_code == 2


def test_overwrite_and_resume_exclude_each_other() -> None:
    _, seen = run(options.overwrite_or_resume, ["--resume"])
    assert seen == {"overwrite": False, "resume": True}
    result, _ = run(options.overwrite_or_resume, ["--resume", "--overwrite"])
    assert result.exit_code == 2
    assert "choose one" in result.stderr


def test_lengths_need_their_unit() -> None:
    decorator = options.length("--size", help="Size.")
    assert run(decorator, ["--size", "3.5px"])[1] == {"size": Length(3.5, "px")}
    assert run(decorator, [])[1] == {"size": None}
    assert run(decorator, ["--size", "-3px"])[0].exit_code == 2


def test_pixel_sizes_may_say_that_they_are_in_angstrom() -> None:
    for text in ("1.06", "1.06A", "1.06 Å/px"):
        assert run(options.pixel_size, ["--pixel-size", text])[1] == {"pixel_size": 1.06}
    assert run(options.pixel_size, [])[1] == {"pixel_size": None}


@pytest.mark.parametrize("bad", ["0", "-1", "one", "4.4px"])
def test_other_pixel_sizes_are_refused_by_what_was_found(bad: str) -> None:
    result, _ = run(options.pixel_size, ["--pixel-size", bad])
    assert result.exit_code == 2
    assert (
        f"--pixel-size': pixel size: found '{bad}', expected a positive number of Å a pixel" in result.stderr
    )


def test_every_command_reads_pixel_sizes_in_the_same_way() -> None:
    context = click.Context(cli)
    commands = [cli.get_command(context, name) for name in cli.list_commands(context)]
    found = [
        parameter.callback
        for command in commands
        if command is not None
        for parameter in command.params
        if "--pixel-size" in parameter.opts
    ]
    assert len(found) > 1
    assert set(found) == {options._read_pixel_size}


@pytest.mark.parametrize(("arguments", "verbosity"), [([], 0), (["-q"], -1), (["-v"], 1), (["-vv"], 2)])
def test_console_hears_how_much_to_say(arguments: list[str], verbosity: int) -> None:
    _, seen = run(options.console, arguments)
    assert isinstance(seen["console"], Console)
    assert seen["console"].verbosity == verbosity


def test_weights_device_and_seed_have_defaults() -> None:
    _, seen = run(lambda function: options.weights(options.device(options.seed(function))), [])
    assert seen == {"weights": None, "device": "auto", "seed": 0}
