"""The command `cryopick simulate`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cryopick_cli.cli.main import cli


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["simulate", *map(str, arguments)])


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text("size_px = 128\n[layout]\nempty_probability = 0.0\n")
    return path


@pytest.mark.slow
def test_command_writes_micrographs_table_and_record(tmp_path: Path, tiny: Path) -> None:
    out = tmp_path / "out"
    result = invoke("--out", out, "--count", 2, "--seed", 4, "--config", tiny)
    assert result.exit_code == 0, result.output
    assert (out / "micrographs.star").is_file()
    assert len(list(out.glob("sim_0004_*.mrc"))) == 2
    record = json.loads((out / "run.json").read_text())
    assert record["config"]["simulation"]["size_px"] == 128
    assert record["config"]["simulation"]["layout"]["empty_probability"] == 0.0
    again = invoke("--out", out, "--count", 2, "--seed", 4, "--config", tiny)
    assert "2 of 2 micrographs were there already" in again.output


def test_unknown_setting_is_a_failure_that_names_file_and_setting(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[junk]\nfrst_probability = 0.1\n")
    result = invoke("--out", tmp_path / "out", "--config", bad)
    assert result.exit_code == 1
    assert "frst_probability" in result.output
    assert "bad.toml" in result.output


def test_missing_folder_of_structures_is_wrong_usage(tmp_path: Path) -> None:
    result = invoke("--out", tmp_path / "out", "--structures", tmp_path / "away")
    assert result.exit_code == 2
    assert "away" in result.output


def test_help_tells_the_size_of_full_micrographs() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert "4096" in result.output
