"""Reading picks and reference from disk, and pairing them by the micrograph's name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryopick_cli.errors import InputError
from cryopick_cli.evaluation.folders import (
    add_ignored,
    choose_micrographs,
    pair_by_name,
    pair_names,
    read_tables,
)
from cryopick_cli.formats.coordinates import concat_coordinates, make_coordinates
from cryopick_cli.formats.registry import write_coordinates

ONE = make_coordinates([10.0], [20.0], diameter_px=40.0, score=0.5)
TWO = make_coordinates([10.0, 30.0], [20.0, 40.0], diameter_px=40.0, score=[0.9, 0.1], accepted=[True, False])


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_reads_every_candidate_of_an_output_folder(tmp_path: Path) -> None:
    write_coordinates(tmp_path / "picks.csv", concat_coordinates({"grid/a.mrc": TWO, "b.mrc": ONE}), "csv")
    write_coordinates(tmp_path / "grid" / "a_autopick.star", TWO, "star")
    tables = read_tables(tmp_path)
    assert list(tables) == ["grid/a.mrc", "b.mrc"]
    assert tables["grid/a.mrc"]["accepted"].tolist() == [True, False]


@pytest.mark.parametrize("kind", ["star", "box", "cbox", "csv", "tsv"])
def test_reads_a_folder_with_a_file_a_micrograph(tmp_path: Path, kind: str) -> None:
    suffix = "_autopick.star" if kind == "star" else f".{kind}"
    for name in ("a", "grid/b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_coordinates(tmp_path / f"{name}{suffix}", ONE, kind)
    tables = read_tables(tmp_path)
    assert sorted(pair_names(["a.mrc", "grid/b.tif"], tables).values()) == sorted(tables)
    assert all(table["x"].tolist() == pytest.approx([10], abs=0.5) for table in tables.values())


def test_plain_tables_of_x_y_diameter_are_read(tmp_path: Path) -> None:
    write_text(tmp_path / "01nov26b.001.002.csv", "x,y,diameter\n1.5,2.5,87.5\n")
    table = read_tables(tmp_path)["01nov26b.001.002"]
    assert table[["x", "y", "diameter_px"]].to_numpy().tolist() == [[1.5, 2.5, 87.5]]


def test_a_simulated_folder_is_read_by_its_tables_not_by_its_list(tmp_path: Path) -> None:
    write_text(tmp_path / "sim.csv", "x,y,diameter_px,visible,ignore\n1,2,30,1.0,false\n5,6,30,0.1,true\n")
    write_text(tmp_path / "micrographs.star", "data_\n\nloop_\n_rlnMicrographName #1\nsim.mrc\n")
    tables = read_tables(tmp_path)
    assert list(tables) == ["sim"]
    assert tables["sim"]["ignore"].tolist() == [False, True]


def test_a_relion_job_is_read_by_its_coordinates_not_by_its_lists(tmp_path: Path) -> None:
    write_coordinates(tmp_path / "Movies" / "a_manualpick.star", ONE, "star")
    write_text(tmp_path / "job.star", "data_job\n\n_rlnJobTypeLabel relion.manualpick\n")
    assert list(read_tables(tmp_path)) == ["Movies/a_manualpick"]


def test_one_file_may_hold_several_micrographs(tmp_path: Path) -> None:
    write_coordinates(tmp_path / "topaz.txt", concat_coordinates({"a.mrc": ONE, "b.mrc": TWO}), "topaz")
    assert sorted(read_tables(tmp_path / "topaz.txt")) == ["a", "b"]


def test_a_missing_or_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: found no such file or folder"):
        read_tables(tmp_path / "nowhere")
    with pytest.raises(InputError, match="found no coordinate file"):
        read_tables(tmp_path)


def test_two_files_for_one_micrograph_are_refused(tmp_path: Path) -> None:
    both = concat_coordinates({"a": ONE, "b": ONE})
    write_coordinates(tmp_path / "first.csv", both, "csv")
    write_coordinates(tmp_path / "second.csv", both, "csv")
    with pytest.raises(InputError, match=r"second\.csv: found a a second time"):
        read_tables(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "offered"),
    [
        ("a", "Micrographs/a.mrc"),
        ("a_autopick", "a.mrc.gz"),
        ("a_manualpick", "a"),
        ("000123456789012345678_a", "a.tif"),
        ("01nov26b.001.002", "01nov26b.001.002.png"),
        ("grid1/a", "MotionCorr/job002/Movies/a.mrc"),
    ],
)
def test_names_of_one_micrograph_find_each_other(wanted: str, offered: str) -> None:
    assert pair_names([wanted], ["other.mrc", offered]) == {wanted: offered}
    assert pair_names([offered], ["other.mrc", wanted]) == {offered: wanted}


def test_what_patch_motion_puts_behind_is_cut_where_nothing_agrees_as_it_is() -> None:
    aligned = [
        f"J2/motioncorrected/000123456789012345678_m1_patch_aligned{end}.mrc" for end in ("", "_doseweighted")
    ]
    assert pair_names(aligned[1:], ["MotionCorr/job002/Movies/m1.mrc"]) == {
        aligned[1]: "MotionCorr/job002/Movies/m1.mrc"
    }
    assert pair_names(["m1.mrc"], aligned[1:]) == {"m1.mrc": aligned[1]}
    assert pair_names(["m1_patch_aligned_autopick"], aligned) == {"m1_patch_aligned_autopick": aligned[0]}
    with pytest.raises(InputError, match="found 2 of this name"):
        pair_names(["m1.mrc"], aligned)


def test_names_of_different_micrographs_do_not() -> None:
    assert pair_names(["a"], ["ab.mrc", "a_2.mrc"]) == {"a": None}
    assert pair_names(["01nov26b.001.002"], ["01nov26b.001.003"]) == {"01nov26b.001.002": None}


def test_folders_tell_equal_names_apart() -> None:
    pairs = pair_names(["grid1/a", "grid2/a"], ["data/grid2/a.mrc", "data/grid1/a.mrc"])
    assert pairs == {"grid1/a": "data/grid1/a.mrc", "grid2/a": "data/grid2/a.mrc"}


def test_names_that_folders_cannot_tell_apart_are_refused() -> None:
    with pytest.raises(InputError, match="found 2 of this name"):
        pair_names(["a"], ["grid1/a.mrc", "grid2/a.mrc"])
    with pytest.raises(InputError, match="both would be judged against"):
        pair_names(["grid1/a", "grid2/a"], ["a.mrc"])


def test_picks_come_under_the_names_of_the_reference() -> None:
    paired = pair_by_name({"mics/a.mrc": ONE, "mics/z.mrc": TWO}, ["a", "b"])
    assert list(paired) == ["a"]
    assert paired["a"] is ONE


def test_ignored_places_are_added_and_marked() -> None:
    joined = add_ignored({"a": TWO, "b": ONE}, {"a.mrc": ONE, "c": ONE})
    assert joined["a"]["ignore"].tolist() == [False, False, True]
    assert joined["b"]["ignore"].tolist() == [False]
    assert list(joined) == ["a", "b"]


def test_marks_already_in_the_reference_stay() -> None:
    joined = add_ignored({"a": TWO.assign(ignore=[True, False])}, {"a": ONE})
    assert joined["a"]["ignore"].tolist() == [True, False, True]


def test_ignored_places_of_a_micrograph_without_particles_stay() -> None:
    joined = add_ignored({"a": ONE.iloc[:0]}, {"a": ONE})
    assert joined["a"]["ignore"].tolist() == [True]
    nothing = add_ignored({"a": ONE.iloc[:0]}, {})["a"]
    assert len(nothing) == 0
    assert nothing["ignore"].dtype == np.bool_


def test_patterns_and_lists_choose_micrographs() -> None:
    reference: dict[str, pd.DataFrame] = {"g/x1": ONE, "g/x2": ONE, "g/y1": ONE}
    assert list(choose_micrographs(reference, ["x*"])) == ["g/x1", "g/x2"]
    assert list(choose_micrographs(reference, ["x1", "y?"])) == ["g/x1", "g/y1"]
    assert list(choose_micrographs(reference, micrographs=["x2.mrc", "q.mrc"])) == ["g/x2"]
    assert list(choose_micrographs(reference, ["x*"], ["x2.mrc", "y1.mrc"])) == ["g/x2"]
    with pytest.raises(InputError, match="none of 3 micrographs is left"):
        choose_micrographs(reference, ["z*"])
