"""Words on stderr, data on stdout, plain lines where there is no terminal."""

from __future__ import annotations

import logging
import warnings

import pytest

from cryopick_cli.cli import console as console_module
from cryopick_cli.cli.console import format_seconds, open_console

library = logging.getLogger("cryopick_cli.some.module")


def test_words_go_to_stderr_and_tables_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with open_console() as console:
        console.say("Reading 3 micrographs.")
        console.print_table(["micrograph", "picks"], [["grid [1]/a.mrc", "3"], ["b.mrc", "12"]])
        console.print_facts([("device", "cpu: asked for"), ("output folder", "out")])
    captured = capsys.readouterr()
    assert captured.err == "Reading 3 micrographs.\n"
    assert captured.out.splitlines() == [
        "micrograph      picks",
        "grid [1]/a.mrc      3",
        "b.mrc              12",
        "device         cpu: asked for",
        "output folder  out",
    ]


def test_long_cells_are_not_folded(capsys: pytest.CaptureFixture[str]) -> None:
    name = "x" * 300
    with open_console() as console:
        console.print_table(["micrograph", "picks"], [[name, "3"]])
    assert f"{name}      3" in capsys.readouterr().out


def test_quiet_leaves_warnings_and_failures(capsys: pytest.CaptureFixture[str]) -> None:
    with open_console(-1) as console:
        console.say("not this")
        library.info("nor this")
        with console.progress("Picking", 2) as advance:
            advance("a.mrc")
        library.warning("no pixel size [Å]")
        console.fail("b.mrc: is empty")
    assert capsys.readouterr().err == "Warning: no pixel size [Å]\nFailed: b.mrc: is empty\n"


@pytest.mark.parametrize(("verbosity", "shown"), [(0, "news\n"), (1, "details\nnews\n")])
def test_the_librarys_log_is_shown(capsys: pytest.CaptureFixture[str], verbosity: int, shown: str) -> None:
    with open_console(verbosity):
        library.debug("details")
        library.info("news")
    library.info("after the block nothing is shown")
    assert capsys.readouterr().err == shown


def test_each_warning_is_shown_once_and_without_code(capsys: pytest.CaptureFixture[str]) -> None:
    with open_console(), warnings.catch_warnings():
        warnings.simplefilter("always")
        for _ in range(2):
            warnings.warn("a.mrc: no MAP stamp; read all the same", stacklevel=1)
    assert capsys.readouterr().err == "Warning: a.mrc: no MAP stamp; read all the same\n"


def test_progress_without_a_terminal_is_a_line_with_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 2.0, 4.0, 6.0, 8.0])
    monkeypatch.setattr(console_module.time, "monotonic", lambda: next(clock))
    with open_console() as console, console.progress("Picking", 4) as advance:
        for name in ("a", "b", "c", "d"):
            advance(name)
    assert capsys.readouterr().err.splitlines() == [
        "Picking: 4 micrographs",
        "Picking: 1/4 micrographs, 6.0 s left, a",
        "Picking: 2/4 micrographs, 4.0 s left, b",
        "Picking: 3/4 micrographs, 2.0 s left, c",
        "Picking: 4/4 micrographs, done in 8.0 s, d",
    ]


def test_fast_progress_without_a_terminal_leaves_lines_out_but_not_the_last(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([step / 100 for step in range(200)])
    monkeypatch.setattr(console_module.time, "monotonic", lambda: next(clock))
    with open_console() as console, console.progress("Training", 150, unit="steps") as advance:
        for step in range(150):
            advance(f"step {step}")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[0] == "Training: 150 steps"
    assert lines[-1] == "Training: 150/150 steps, done in 1.5 s, step 149"


@pytest.mark.parametrize(("step_s", "shown"), [(0.1, 0), (0.6, 2)])
def test_patient_progress_is_silent_where_all_is_done_soon(
    step_s: float, shown: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([step_s * step for step in range(9)])
    monkeypatch.setattr(console_module.time, "monotonic", lambda: next(clock))
    with open_console() as console, console.patient_progress("Calibrating", 6, "steps") as advance:
        for name in "abcdef":
            advance(name)
    assert len(capsys.readouterr().err.splitlines()) == shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (9.96, "10.0 s"), (42.4, "42 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 5 min")],
)
def test_durations_read_as_a_person_would_say_them(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
