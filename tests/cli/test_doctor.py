"""`cryopick doctor`: it reports, it names what is wrong, and it proves that picking works."""

from __future__ import annotations

import re
import sys

import pytest
from click.testing import CliRunner

from cryopick_cli import __version__
from cryopick_cli.cli.main import cli


def facts(output: str) -> dict[str, str]:
    return {line.partition("  ")[0]: line.partition("  ")[2].strip() for line in output.splitlines()}


def test_a_sound_installation_picks_and_ends_with_0() -> None:
    result = CliRunner().invoke(cli, ["doctor", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    told = facts(result.stdout)
    assert told["cryopick"].startswith(__version__)
    assert told["device"].startswith("cpu (asked for")
    assert re.match(r"general: checksum right \([0-9a-f]{12}\), .*, in use$", told["weights"])
    found = re.match(r"found (\d+) of (\d+) simulated particles with (\d+) false picks", told["self-test"])
    assert found is not None
    assert int(found.group(1)) > int(found.group(2)) / 2


def test_tells_formats_versions_and_optional_parts() -> None:
    told = facts(CliRunner().invoke(cli, ["doctor", "--weights", "nowhere"]).stdout)
    assert {".mrc", ".tif"} <= set(told["micrographs"].split())
    assert {"star", "box", "cbox", "csv"} <= set(told["coordinates"].split())
    assert "torch" in told["libraries"]
    assert "RELION" in told


def test_missing_weights_are_a_problem_with_a_message() -> None:
    result = CliRunner().invoke(cli, ["doctor", "--weights", "nowhere"])
    assert result.exit_code == 1
    assert "Failed: picking: does not work: --weights nowhere" in result.stderr


def test_a_device_that_is_not_there_is_a_problem_and_an_unknown_word_is_wrong_usage() -> None:
    result = CliRunner().invoke(cli, ["doctor", "--device", "cuda:99"])
    assert result.exit_code == 1
    assert "picking: does not work: --device cuda:99: found" in result.stderr
    result = CliRunner().invoke(cli, ["doctor", "--device", "abacus"])
    assert result.exit_code == 2
    assert "found 'abacus', expected auto, cpu, cuda, cuda:N or mps" in result.stderr


def test_broken_torch_is_described_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryopick_cli.model.device", None)
    result = CliRunner().invoke(cli, ["doctor"])
    assert result.exit_code == 1
    assert "picking: does not work" in result.stderr
    assert isinstance(result.exception, SystemExit)
