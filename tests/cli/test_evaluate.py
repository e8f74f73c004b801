"""`cryopick evaluate` from the outside: figures, choices, messages, statuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from cryopick_cli.cli.main import cli
from cryopick_cli.formats.coordinates import concat_coordinates, make_coordinates
from cryopick_cli.formats.registry import write_coordinates
from cryopick_cli.formats.transform import TransformConfig, transform_coordinates

Planted = dict[str, tuple[pd.DataFrame, NDArray[np.float32]]]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Make `out` (picks of two micrographs), `reference` (three) and `doubtful` (one place)."""
    one = make_coordinates(
        [101.0, 200.0, 300.0],
        [100.0, 100.0, 150.0],
        diameter_px=44.0,
        score=[0.9, 0.8, 0.2],
        accepted=[True, True, False],
    )
    two = make_coordinates([50.0], [50.0], diameter_px=40.0, score=0.7)
    (tmp_path / "out").mkdir()
    picks = concat_coordinates({"mics/one.mrc": one, "mics/two.mrc": two})
    write_coordinates(tmp_path / "out" / "picks.csv", picks, "csv")
    (tmp_path / "reference").mkdir()
    for name, text in {"one": "100,100,40\n300,150,40\n", "two": "50,50,40\n", "three": "9,9,40\n"}.items():
        (tmp_path / "reference" / f"{name}.csv").write_text(f"x,y,diameter\n{text}")
    (tmp_path / "doubtful").mkdir()
    (tmp_path / "doubtful" / "one.csv").write_text("x,y,diameter\n200,100,40\n")
    return tmp_path


def run(folders: Path, *arguments: str) -> Result:
    fixed = ["evaluate", "--picks", str(folders / "out"), "--reference", str(folders / "reference")]
    return CliRunner().invoke(cli, [*fixed, *arguments])


def figures(folders: Path, *arguments: str) -> dict[str, dict[str, dict[str, float]]]:
    result = run(folders, "--json", "-", *arguments)
    assert result.exit_code == 0, result.output
    tree: dict[str, dict[str, dict[str, float]]] = json.loads(result.stdout)
    return tree


def test_prints_a_row_a_micrograph_and_the_pooled_figures(folders: Path) -> None:
    result = run(folders)
    assert result.exit_code == 0
    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines() if line}
    # reference, picks, precision, recall, F1, AP, best F1, diameter
    assert rows["one"] == ["2", "2", "0.500", "0.500", "0.500", "0.833", "0.800", "1.100"]
    assert rows["two"] == ["1", "1", "1.000", "1.000", "1.000", "1.000", "1.000", "1.000"]
    assert rows["three"] == ["1", "0", "-", "0.000", "0.000", "0.000", "0.000", "-"]
    # 3 accepted picks, 2 right, of 4 particles; ranked hit, miss, hit, hit.
    assert rows["all"] == ["4", "3", "0.667", "0.500", "0.571", "0.625", "0.750", "1.050"]
    assert "1 micrographs have a reference but no picks: all missed." in result.stderr


def test_json_on_stdout_replaces_the_table(folders: Path) -> None:
    tree = figures(folders)
    assert tree["pooled"]["matched"] == 2
    assert tree["micrographs"]["three"]["recall"] == 0
    assert tree["config"] == {"radius_fraction": 0.25, "diameter_px": None}


def test_json_file_is_not_overwritten_unless_asked(folders: Path) -> None:
    path = folders / "figures.json"
    assert run(folders, "--json", str(path)).exit_code == 0
    again = run(folders, "--json", str(path))
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr
    assert run(folders, "--json", str(path), "--overwrite").exit_code == 0
    assert json.loads(path.read_text())["pooled"]["reference"] == 4


def test_doubtful_places_count_neither_way(folders: Path) -> None:
    tree = figures(folders, "--ignore", str(folders / "doubtful"))
    assert tree["pooled"]["ignored"] == 1
    assert tree["pooled"]["precision"] == 1
    assert tree["pooled"]["average_precision"] == pytest.approx(3 / 4)


def test_subset_and_micrographs_choose_what_is_judged(folders: Path) -> None:
    assert set(figures(folders, "--subset", "t*")["micrographs"]) == {"two", "three"}
    (folders / "list.txt").write_text("elsewhere/two.mrc\n")
    assert set(figures(folders, "--micrographs", f"@{folders / 'list.txt'}")["micrographs"]) == {"two"}
    nothing = run(folders, "--subset", "nothing*")
    assert nothing.exit_code == 1
    assert "--subset" in nothing.stderr


def test_radius_fraction_is_honoured_and_checked(folders: Path) -> None:
    assert figures(folders, "--radius-fraction", "0.01")["pooled"]["matched"] == 1
    assert run(folders, "--radius-fraction", "3").exit_code == 2


def test_reference_without_diameters_needs_one(folders: Path) -> None:
    for path in (folders / "reference").iterdir():
        path.write_text(path.read_text().replace(",diameter", "").replace(",40\n", "\n"))
    assert "--diameter" in run(folders).stderr
    assert figures(folders, "--diameter", "40px")["pooled"]["matched"] == 2
    assert run(folders, "--diameter", "60A").exit_code == 1
    assert figures(folders, "--diameter", "60A", "--pixel-size", "1.5")["pooled"]["matched"] == 2


def test_names_that_never_agree_are_an_error(folders: Path) -> None:
    for path in list((folders / "reference").iterdir()):
        path.rename(path.with_name(f"other_{path.name}"))
    result = run(folders)
    assert result.exit_code == 1
    assert "found mics/one.mrc, expected names like other_one" in result.stderr


def test_no_picks_at_all_is_a_result(folders: Path) -> None:
    write_coordinates(folders / "out" / "none.csv", concat_coordinates({}), "csv")
    fixed = ["evaluate", "--picks", str(folders / "out" / "none.csv")]
    result = CliRunner().invoke(cli, [*fixed, "--reference", str(folders / "reference"), "--json", "-"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["pooled"]["recall"] == 0


@pytest.mark.parametrize("missing", ["--picks", "--reference"])
def test_a_missing_folder_is_wrong_usage(folders: Path, missing: str) -> None:
    result = run(folders, missing, str(folders / "nowhere"))
    assert result.exit_code == 2
    assert "nowhere" in result.stderr


def write_both(folder: Path, planted: Planted, transform: TransformConfig) -> None:
    for stem, (table, array) in planted.items():
        sized = table.assign(diameter_px=16.0, score=0.9)
        (folder / "sound").mkdir(exist_ok=True)
        (folder / "spoiled").mkdir(exist_ok=True)
        write_coordinates(folder / "sound" / f"{stem}.csv", sized)
        moved = transform_coordinates(sized, transform, shape=array.shape, where=stem)
        write_coordinates(folder / "spoiled" / f"{stem}.csv", moved)


def judge(folder: Path, *arguments: str) -> Result:
    fixed = ["evaluate", "--picks", str(folder / "spoiled"), "--reference", str(folder / "sound")]
    return CliRunner().invoke(cli, [*fixed, "--json", "-", *arguments])


def test_picks_in_another_frame_are_not_judged(
    tmp_path: Path, planted: Planted, fault: tuple[str, TransformConfig]
) -> None:
    name, transform = fault
    write_both(tmp_path, planted, transform)
    result = judge(tmp_path)
    assert result.exit_code == 1
    said = result.stderr.replace("\n", " ")
    # Against other coordinates any shift is found, so it is told as such.
    told = "shifted by 12, 12 px" if "corners" in name else name
    assert f"spoiled: found coordinates that are {told}" in said
    assert f"expected centres in px of {tmp_path / 'sound'}" in said
    assert "cryopick convert --" in said
    assert judge(tmp_path, "--no-check").exit_code == 0


def test_a_small_shift_is_judged(tmp_path: Path, planted: Planted) -> None:
    write_both(tmp_path, planted, TransformConfig(shift=(5.0, 3.0)))
    result = judge(tmp_path)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["pooled"]["recall"] < 0.2


def test_cryosparcs_number_in_front_of_names_is_no_mismatch(tmp_path: Path, planted: Planted) -> None:
    write_both(tmp_path, planted, TransformConfig())
    for path in (tmp_path / "spoiled").iterdir():
        path.rename(path.with_name(f"000123456789012345678_{path.name}"))
    assert json.loads(judge(tmp_path).stdout)["pooled"]["recall"] == 1
