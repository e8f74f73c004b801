"""`cryopick check` from the outside: micrographs, names, frames, messages, statuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cryopick_cli.cli.main import cli
from cryopick_cli.formats.coordinates import concat_coordinates, make_coordinates
from cryopick_cli.formats.micrograph import write_micrograph
from cryopick_cli.formats.registry import write_coordinates

SHAPE = (200, 260)
UID = "000123456789012345678"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> Path:
    """Two micrographs with dark disks; their coordinates in `right.csv`, with y flipped in `flipped.csv`."""
    monkeypatch.chdir(tmp_path)
    Path("mics").mkdir()
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    right, flipped = {}, {}
    for name in ("m1", "m2"):
        grid = [(cx, cy) for cx in range(20, 240, 30) for cy in range(20, 190, 30)]
        centres = np.array(grid) + rng.uniform(-7, 7, (len(grid), 2))
        chosen = centres[rng.permutation(len(centres))[:24]]
        disks = sum(np.hypot(x - cx, y - cy) <= 7 for cx, cy in chosen)
        write_micrograph(f"mics/{name}.mrc", (rng.normal(0, 1, SHAPE) - 2 * disks).astype(np.float32), 1.5)
        right[f"mics/{name}.mrc"] = make_coordinates(*chosen.T, diameter_px=14)
        flipped[name] = make_coordinates(chosen[:, 0], SHAPE[0] - 1 - chosen[:, 1], diameter_px=14)
    write_coordinates("right.csv", concat_coordinates(right))
    write_coordinates("flipped.csv", concat_coordinates(flipped))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["check", *arguments])


def test_right_coordinates_fit(project: Path) -> None:
    result = run("--in", "mics", "--picks", "right.csv")
    assert result.exit_code == 0, result.output
    assert "2 of 2 read" in result.stdout
    assert "260 x 200 (2)" in result.stdout
    assert "1.5 Å (2)" in result.stdout
    assert "the same names (2)" in result.stdout
    assert "fits: the coordinates fit as they are (48 coordinates on 2 micrographs" in result.stderr


def test_flipped_coordinates_are_found_out_and_the_cure_cures(project: Path) -> None:
    result = run("--in", "mics", "--picks", "flipped.csv")
    assert result.exit_code == 1
    assert "they are y flipped" in result.stderr
    assert "cryopick convert --flip-y puts it right" in result.stderr
    assert "but for folder or ending (2)" in result.stdout
    cure = ["convert", "-i", "flipped.csv", "-o", "cured.csv", "--flip-y", "--micrographs", "mics"]
    assert CliRunner().invoke(cli, cure).exit_code == 0
    assert run("--in", "mics", "--picks", "cured.csv").exit_code == 0


def test_coordinates_against_others_without_micrographs(project: Path) -> None:
    assert run("--picks", "right.csv", "--reference", "right.csv").exit_code == 0
    result = run("--picks", "flipped.csv", "--reference", "right.csv")
    assert result.exit_code == 1
    assert "they are y flipped" in result.stderr


def test_the_number_of_cryosparc_is_told(project: Path) -> None:
    for name in ("m1", "m2"):
        Path(f"mics/{name}.mrc").rename(f"mics/{UID}_{name}.mrc")
    result = run("--in", "mics", "--picks", "right.csv")
    assert result.exit_code == 0
    assert "but for cryoSPARC's number in front (2)" in result.stdout


def test_names_that_do_not_pair_are_shown(project: Path) -> None:
    Path("mics/m1.mrc").rename("mics/a_DW.mrc")
    Path("mics/m2.mrc").rename("mics/b_DW.mrc")
    result = run("--in", "mics", "--picks", "right.csv")
    assert result.exit_code == 1
    expected = "none of 2 coordinate tables fits one of 2 micrographs (found mics/m1.mrc, expected names"
    assert expected in result.output


def test_micrographs_alone(project: Path) -> None:
    Path("mics/bad.mrc").write_bytes(b"<html>not found</html>")
    result = run("--in", "mics")
    assert result.exit_code == 1
    assert "2 of 3 read" in result.stdout
    assert "mics/bad.mrc: is no MRC file" in " ".join(result.stderr.split())


@pytest.mark.parametrize("arguments", [[], ["--picks", "right.csv"]])
def test_nothing_to_compare_is_wrong_usage(project: Path, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2
