"""RELION's coordinates: the layout it writes, every version read, no picks, refused files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import starfile

from cryopick_cli.errors import FormatError
from cryopick_cli.formats import star
from cryopick_cli.formats.coordinates import WriteOptions, empty_coordinates, make_coordinates
from cryopick_cli.formats.star_micrographs import read_micrographs_star

# RELION ends its lines with a blank, here written as a dot.
RELION_3_1 = """
# version 30001

data_

loop_.
_rlnCoordinateX #1.
_rlnCoordinateY #2.
_rlnAutopickFigureOfMerit #3.
_rlnClassNumber #4.
_rlnAnglePsi #5.
 1200.600000    20.250000     2.197225            0     0.000000.
  100.000000    50.000000    -0.405465            0     0.000000.
.
""".replace(".\n", " \n")


def test_the_layout_is_relions_own_to_the_letter(tmp_path: Path) -> None:
    table = make_coordinates(
        [100, 1200.6, 7], [50, 20.25, 7], score=[0.4, 0.9, 0.2], accepted=[True, True, False]
    )
    star.write_autopick_star(tmp_path / "m_autopick.star", table)
    assert (tmp_path / "m_autopick.star").read_text() == RELION_3_1


def test_a_known_merit_goes_before_the_score_and_unknown_is_relions_minus_999(tmp_path: Path) -> None:
    table = make_coordinates([1, 2], [1, 2], score=[0.9, np.nan], figure_of_merit=[5.0, np.nan])
    star.write_autopick_star(tmp_path / "m.star", table)
    assert starfile.read(tmp_path / "m.star")["rlnAutopickFigureOfMerit"].tolist() == [5.0, -999.0]
    np.testing.assert_array_equal(star.read_star(tmp_path / "m.star")["figure_of_merit"], [5.0, np.nan])


def test_no_picks_give_a_valid_table_without_rows(tmp_path: Path) -> None:
    star.write_autopick_star(tmp_path / "m.star", empty_coordinates())
    assert len(starfile.read(tmp_path / "m.star")) == 0
    assert len(star.read_star(tmp_path / "m.star")) == 0


@pytest.mark.parametrize(
    "text", ["", "\n", "\ndata_\n", "data_\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n"]
)
def test_every_way_to_write_no_picks_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.star").write_text(text)
    assert len(star.read_star(tmp_path / "m.star")) == 0


@pytest.mark.parametrize(
    "text",
    [
        "data_images\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n10 20\n30 40\n",  # RELION 1.4
        "data_\n\nloop_ \n_rlnCoordinateX #1 \n_rlnCoordinateY #2 \n_rlnClassNumber #3 \n_rlnAnglePsi #4 \n"
        "   10.0  20.0  -999  -999.0 \n 30.0 40.0 -999 -999.0 \n \n",  # RELION 2, by hand
        "# RELION; version 3.0\n\ndata_\n\nloop_ \n_rlnCoordinateY #1 \n_rlnCoordinateX #2 \n20 10\n40 30\n",
        "\n# version 50001\n\ndata_\n\nloop_ \n_rlnCoordinateX #1 \n_rlnCoordinateY #2 \n10 20 \n30 40 \n\n",
        "data_\r\nloop_\r\n_rlnCoordinateX\r\n_rlnCoordinateY\r\n10\t20\r\n30\t40\r\n",
    ],
)
def test_every_version_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.star").write_bytes(text.encode())
    table = star.read_star(tmp_path / "m.star")
    assert table["x"].tolist() == [10, 30]
    assert table["y"].tolist() == [20, 40]
    assert table["figure_of_merit"].isna().all()
    assert table["accepted"].all()


def test_particles_with_optics_groups_name_their_micrographs(tmp_path: Path) -> None:
    (tmp_path / "particles.star").write_text(
        "# version 30001\n\ndata_optics\n\nloop_\n_rlnOpticsGroup #1\n_rlnImagePixelSize #2\n1 1.77\n\n"
        "# version 30001\n\ndata_particles\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n"
        "_rlnAutopickFigureOfMerit #3\n_rlnImageName #4\n_rlnMicrographName #5\n"
        "10 20 0.5 000001@E/job004/m1.mrcs M/job002/m1.mrc\n"
        "30 40 0.25 000001@E/job004/m2.mrcs M/job002/m2.mrc\n"
    )
    table = star.read_star(tmp_path / "particles.star")
    assert table["micrograph"].tolist() == ["M/job002/m1.mrc", "M/job002/m2.mrc"]
    assert table["figure_of_merit"].tolist() == [0.5, 0.25]


def test_particles_of_all_micrographs_in_one_block(tmp_path: Path) -> None:
    table = make_coordinates([1.5, 2], [3, 4], micrograph=["0012", "my mic.mrc"], score=[0.5, 0.9])
    star.write_particles_star(tmp_path / "all.star", table, WriteOptions())
    read = star.read_star(tmp_path / "all.star")
    assert read["micrograph"].tolist() == ["my mic.mrc", "0012"]
    assert read["x"].tolist() == [2.0, 1.5]


def test_the_list_of_coordinate_files(tmp_path: Path) -> None:
    pairs = [("MotionCorr/job002/Movies/m1.mrc", "External/job005/Movies/m1_autopick.star")]
    star.write_coordinate_list(tmp_path / "autopick.star", pairs)
    read = starfile.read(tmp_path / "autopick.star", always_dict=True)["coordinate_files"]
    assert list(read.columns) == ["rlnMicrographName", "rlnMicrographCoordinates"]
    assert tuple(read.iloc[0]) == pairs[0]
    assert read_micrographs_star(tmp_path / "autopick.star")[0].name == pairs[0][0]
    with pytest.raises(FormatError, match="is a list of coordinate files"):
        star.read_star(tmp_path / "autopick.star")


def test_the_3_1_suffix_file_holds_the_name_of_the_micrographs_star(tmp_path: Path) -> None:
    star.write_coords_suffix(tmp_path / "coords_suffix_autopick.star", "CtfFind/job003/micrographs_ctf.star")
    text = (tmp_path / "coords_suffix_autopick.star").read_text()
    assert text == "CtfFind/job003/micrographs_ctf.star\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data_\nloop_\n_rlnMicrographName\nm.mrc\n", "no column _rlnCoordinateX"),
        (
            "data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n1 nowhere\n",
            "row 1 of _rlnCoordinateY .* no number",
        ),
    ],
)
def test_files_without_coordinates(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.star").write_text(text)
    with pytest.raises(FormatError, match=message):
        star.read_star(tmp_path / "m.star")


def test_a_real_file_of_relion_3_0(shared_data: Path) -> None:
    path = shared_data / "micrographs" / "ice_ball_mrc" / "Ucsf_stack_1142_DW_autopick.star"
    table = star.read_star(path)
    theirs = starfile.read(path)
    np.testing.assert_array_equal(table["x"], theirs["rlnCoordinateX"])
    np.testing.assert_array_equal(table["figure_of_merit"], theirs["rlnAutopickFigureOfMerit"])
    assert table.loc[0, "x"] == 839.125024
    assert table["x"].between(0, 959).all()
    assert table["y"].between(0, 927).all()
