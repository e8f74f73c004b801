"""STAR libraries of other programs read what is written here: pyStarDB of crYOLO, emtable of Scipion.

Skipped without them (dependency group `programs`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryopick_cli.formats.coordinates import WriteOptions, make_coordinates
from cryopick_cli.formats.registry import read_coordinates, write_coordinates
from cryopick_cli.formats.star import write_coordinate_list

TABLE = make_coordinates(
    [100.5, 200.25, 30], [20, 150, 90.75], score=[0.9, 0.5, 0.3], diameter_px=[50, 60, np.nan]
)
MERITS = [2.197225, 0, -0.847298]
BOX = 64


def write_cbox(path: Path) -> Path:
    write_coordinates(path, TABLE, "cbox", WriteOptions(box_size_px=BOX))
    return path


def test_cryolos_library_reads_a_cbox_file(tmp_path: Path) -> None:
    library = pytest.importorskip("pyStarDB.sp_pystardb")
    found = library.StarFile(str(write_cbox(tmp_path / "m.cbox")))
    assert list(found) == ["global", "cryolo", "cryolo_include"]
    boxes = found["cryolo"]
    assert (boxes["_CoordinateX"] + boxes["_Width"] / 2).tolist() == TABLE["x"].tolist()
    assert (boxes["_CoordinateY"] + boxes["_Height"] / 2).tolist() == TABLE["y"].tolist()
    assert boxes["_Confidence"].tolist() == TABLE["score"].tolist()
    for edge in ("_EstWidth", "_EstHeight"):
        np.testing.assert_array_equal(boxes[edge], TABLE["diameter_px"])
    assert boxes[["_CoordinateZ", "_Depth", "_NumBoxes", "_Angle"]].isna().all(axis=None)


@pytest.mark.filterwarnings("ignore")  # of pandas, about what the library does
def test_a_cbox_file_goes_through_cryolos_library_and_back(tmp_path: Path) -> None:
    library = pytest.importorskip("pyStarDB.sp_pystardb")
    ours = write_cbox(tmp_path / "m.cbox")
    found = library.StarFile(str(ours))
    written = library.StarFile(str(tmp_path / "again.cbox"))
    for block in found:
        written.update(block, found[block], block != "global")
    written.write_star_file(overwrite=True)
    pd.testing.assert_frame_equal(read_coordinates(tmp_path / "again.cbox"), read_coordinates(ours))


def test_cryolos_library_reads_coordinates_for_relion(tmp_path: Path) -> None:
    library = pytest.importorskip("pyStarDB.sp_pystardb")
    write_coordinates(tmp_path / "m.star", TABLE, "star")
    block = library.StarFile(str(tmp_path / "m.star"))[""]
    assert block["_rlnCoordinateX"].tolist() == TABLE["x"].tolist()
    assert block["_rlnCoordinateY"].tolist() == TABLE["y"].tolist()
    assert block["_rlnAutopickFigureOfMerit"].tolist() == MERITS


@pytest.mark.parametrize("format", ["star", "particles", "warp"])
def test_scipions_library_reads_coordinates(tmp_path: Path, format: str) -> None:
    library = pytest.importorskip("emtable")
    write_coordinates(tmp_path / "m.star", TABLE.assign(micrograph="Movies/m.mrc"), format)
    rows = list(library.Table(fileName=str(tmp_path / "m.star")))
    assert [row.rlnCoordinateX for row in rows] == TABLE["x"].tolist()
    assert [row.rlnCoordinateY for row in rows] == TABLE["y"].tolist()
    merits = TABLE["score"].tolist() if format == "warp" else MERITS
    assert [row.rlnAutopickFigureOfMerit for row in rows] == pytest.approx(merits)


def test_scipions_library_reads_the_list(tmp_path: Path) -> None:
    library = pytest.importorskip("emtable")
    pairs = [("Movies/m1.mrc", "Picks/m1_autopick.star"), ("Movies/m2.mrc", "Picks/m2_autopick.star")]
    write_coordinate_list(tmp_path / "autopick.star", pairs)
    table = library.Table(fileName=str(tmp_path / "autopick.star"), tableName="coordinate_files")
    assert [(row.rlnMicrographName, row.rlnMicrographCoordinates) for row in table] == pairs
