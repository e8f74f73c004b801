"""Folders, lists and files of many micrographs' coordinates."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryopick_cli.errors import InputError, OutputError
from cryopick_cli.formats import star
from cryopick_cli.formats.collection import read_collection, write_collection
from cryopick_cli.formats.coordinates import WriteOptions, empty_coordinates, make_coordinates
from cryopick_cli.formats.registry import FORMATS, read_coordinates

ONE, TWO = make_coordinates([1], [2]), make_coordinates([3, 4], [5, 6])
BOXED = WriteOptions(box_size_px=64)


def test_a_folder_gives_names_below_it_without_ending(tmp_path: Path) -> None:
    written = write_collection(tmp_path, {"g1/a.mrc": ONE, "g2/a.mrc": TWO}, FORMATS["box"], BOXED)
    assert [path.relative_to(tmp_path).as_posix() for path in written.values()] == ["g1/a.box", "g2/a.box"]
    tables = read_collection([tmp_path])
    assert {name: len(table) for name, table in tables.items()} == {"g1/a": 1, "g2/a": 2}


@pytest.mark.parametrize("ending", ["_autopick.star", "_manualpick.star", "_topazpick.star", ".star"])
def test_pickers_endings_are_no_part_of_the_name(tmp_path: Path, ending: str) -> None:
    star.write_autopick_star(tmp_path / f"grid_5_m1{ending}", ONE)
    assert list(read_collection([tmp_path])) == ["grid_5_m1"]


def test_lists_beside_relions_picks_are_no_picks(tmp_path: Path) -> None:
    star.write_autopick_star(tmp_path / "Movies" / "m1_autopick.star", ONE)
    star.write_coordinate_list(tmp_path / "autopick.star", [("M/m1.mrc", "Movies/m1_autopick.star")])
    star.write_coords_suffix(tmp_path / "coords_suffix_autopick.star", "micrographs.star")
    (tmp_path / "summary.star").write_text("data_\nloop_\n_rlnMicrographName\n_rlnGroupNrParticles\nm1 1\n")
    assert list(read_collection([tmp_path])) == ["Movies/m1"]


def test_relions_list_leads_to_its_files_under_the_micrographs_names(tmp_path: Path) -> None:
    star.write_autopick_star(tmp_path / "AutoPick/job005/Movies/m1_autopick.star", TWO)
    pairs = [("MotionCorr/job002/Movies/m1.mrc", "AutoPick/job005/Movies/m1_autopick.star")]
    star.write_coordinate_list(tmp_path / "AutoPick/job005/autopick.star", pairs)
    tables = read_collection([tmp_path / "AutoPick/job005/autopick.star"])
    assert {name: len(table) for name, table in tables.items()} == {"MotionCorr/job002/Movies/m1.mrc": 2}


def test_a_run_of_cryopick_gives_every_candidate(tmp_path: Path) -> None:
    (tmp_path / "picks.csv").write_text(
        "micrograph,x,y,score,accepted\nm1.mrc,1,2,0.9,True\nm1.mrc,3,4,0.1,False\n"
    )
    star.write_autopick_star(tmp_path / "m1_autopick.star", ONE)
    assert len(read_collection([tmp_path])["m1.mrc"]) == 2
    assert len(read_collection([tmp_path], "star")["m1"]) == 1


def test_hidden_folders_are_skipped(tmp_path: Path) -> None:
    star.write_autopick_star(tmp_path / "m1.star", ONE)
    star.write_autopick_star(tmp_path / ".old" / "m2.star", ONE)
    assert list(read_collection([tmp_path])) == ["m1"]


def test_several_formats_must_be_told_apart(tmp_path: Path) -> None:
    write_collection(tmp_path, {"a": ONE}, FORMATS["box"], BOXED)
    write_collection(tmp_path, {"a": TWO}, FORMATS["cbox"], BOXED)
    with pytest.raises(InputError, match=r"found several formats \(box, cbox\)"):
        read_collection([tmp_path])
    assert len(read_collection([tmp_path], "cbox")["a"]) == 2


def test_a_micrograph_that_comes_twice_is_refused(tmp_path: Path) -> None:
    write_collection(tmp_path / "1", {"a": ONE}, FORMATS["csv"], BOXED)
    write_collection(tmp_path / "2", {"a": ONE}, FORMATS["csv"], BOXED)
    with pytest.raises(InputError, match="found a a second time"):
        read_collection([tmp_path / "1", tmp_path / "2"])


@pytest.mark.parametrize("name", ["gone", "empty"])
def test_nothing_to_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"is missing|no coordinates in this folder"):
        read_collection([tmp_path / name])


def test_what_lies_in_a_folder_without_coordinates_is_told(tmp_path: Path) -> None:
    (tmp_path / "grid").mkdir()
    (tmp_path / "grid" / "a.mrc").write_text("")
    with pytest.raises(InputError, match=r"found 0 coordinate files among 1 files such as grid/a\.mrc"):
        read_collection([tmp_path])
    with pytest.raises(InputError, match=r"found 0 files ending in \.box among 1 files .*or --from"):
        read_collection([tmp_path], "box")


def test_the_tree_is_relions_or_as_given(tmp_path: Path) -> None:
    tables = {"MotionCorr/job002/Movies/m1.mrc": ONE, "../x/m2.v2": TWO}
    written = write_collection(tmp_path, tables, FORMATS["star"], BOXED, {"../x/m2.v2": "y/m2"})
    found = sorted(path.relative_to(tmp_path).as_posix() for path in written.values())
    assert found == ["Movies/m1_autopick.star", "y/m2_autopick.star"]


@pytest.mark.parametrize(
    ("format", "found"),
    [
        ("box", ["a/m1.box", "b/m2.box"]),
        ("cbox", ["a/m1.cbox", "b/m2.cbox"]),
        ("star", ["data/raw/a/m1_autopick.star", "data/raw/b/m2_autopick.star"]),
        ("eman2", ["m1_info.json", "m2_info.json"]),
        ("warp", ["m1_cryopick.star", "m2_cryopick.star"]),
    ],
)
def test_the_folder_that_names_share_is_cut_where_no_program_asks_for_it(
    tmp_path: Path, format: str, found: list[str]
) -> None:
    tables = {"/data/raw/a/m1.mrc": ONE, "/data/raw/b/m2.mrc": TWO}
    written = write_collection(tmp_path, tables, FORMATS[format], BOXED)
    assert [path.relative_to(tmp_path).as_posix() for path in written.values()] == found
    (alone,) = write_collection(tmp_path / "1", {"raw/m1.mrc": ONE}, FORMATS["csv"], BOXED).values()
    assert alone == tmp_path / "1" / "m1.csv"


def test_two_micrographs_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="would both be written here"):
        write_collection(tmp_path, {"a/job001/m.mrc": ONE, "b/job002/m.mrc": TWO}, FORMATS["star"], BOXED)
    assert not list(tmp_path.iterdir())


def test_one_file_for_all_in_a_folder_or_under_its_name(tmp_path: Path) -> None:
    tables = {"a.mrc": ONE, "b.mrc": TWO}
    assert set(write_collection(tmp_path, tables, FORMATS["particles"], BOXED).values()) == {
        tmp_path / "particles.star"
    }
    write_collection(tmp_path / "all.txt", tables, FORMATS["topaz"], BOXED)
    assert read_coordinates(tmp_path / "all.txt")["micrograph"].tolist() == ["a", "b", "b"]


def test_one_micrograph_goes_into_one_file(tmp_path: Path) -> None:
    write_collection(tmp_path / "m.star", {"a.mrc": TWO}, FORMATS["star"], BOXED)
    assert "micrograph" not in read_coordinates(tmp_path / "m.star").columns
    write_collection(tmp_path / "w.star", {"a.mrc": TWO}, FORMATS["warp"], BOXED)
    assert read_coordinates(tmp_path / "w.star")["micrograph"].tolist() == ["a.mrc", "a.mrc"]


def test_a_micrograph_without_picks_gets_its_empty_file(tmp_path: Path) -> None:
    written = write_collection(tmp_path, {"a.mrc": empty_coordinates()}, FORMATS["warp"], BOXED)
    assert len(read_coordinates(written["a.mrc"])) == 0
