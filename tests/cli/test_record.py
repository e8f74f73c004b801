"""The run record: what it holds, and that it is written whole."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from cryopick_cli import __version__
from cryopick_cli.cli.main import cli
from cryopick_cli.cli.record import RunRecord


def test_record_holds_what_is_needed_to_repeat_a_run(tmp_path: Path) -> None:
    record = RunRecord(command="pick", argv=["pick", "--in", "a.mrc"])
    record.config = {"threshold": None, "folder": Path("x")}
    record.weights = {"name": "general", "sha256": "00ff"}
    record.device = {"device": "cpu", "reason": "asked for"}
    with record.timed("read"):
        pass
    record.write(tmp_path / "run.json")
    written = json.loads((tmp_path / "run.json").read_text())
    assert written["version"] == __version__
    assert written["command"] == "pick"
    assert written["argv"] == ["pick", "--in", "a.mrc"]
    assert written["config"] == {"threshold": None, "folder": "x"}
    assert written["weights"] == {"name": "general", "sha256": "00ff"}
    assert written["device"] == {"device": "cpu", "reason": "asked for"}
    assert set(written["timings_s"]) == {"read"}
    assert written["libraries"]["numpy"]
    assert written["started"] <= written["finished"]


def test_timings_of_one_step_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([1.0, 1.5, 10.0, 12.0])
    monkeypatch.setattr("cryopick_cli.cli.record.time.perf_counter", lambda: next(clock))
    record = RunRecord(command="pick", argv=[])
    with record.timed("network"):
        pass
    with pytest.raises(ValueError, match="stop"), record.timed("network"):
        raise ValueError("stop")
    assert record.timings == {"network": 2.5}


def test_an_earlier_record_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    for command in ("pick", "train"):
        RunRecord(command=command, argv=[]).write(tmp_path / "run.json")
    assert json.loads((tmp_path / "run.json").read_text())["command"] == "train"
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_start_knows_the_command_and_the_arguments_as_typed() -> None:
    with cli.make_context("cryopick", ["evaluate", "--picks", "x"]) as outer:
        inner = click.Context(click.Command("evaluate"), info_name="evaluate", parent=outer)
        with inner:
            record = RunRecord.start()
    assert record.command == "evaluate"
    assert record.argv == ["evaluate", "--picks", "x"]
