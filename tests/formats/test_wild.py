"""Coordinate files as other programs write them, small ones: every version and variant is read.

The layouts (blocks, labels, order of columns, blanks, line ends, fill values) are those of the programs; rows
are shortened and made up, save where a comment says that a file is real or that a program was run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cryopick_cli.formats.collection import read_collection
from cryopick_cli.formats.registry import read_coordinates

NAN = float("nan")


@dataclass(frozen=True)
class Wild:
    """A file's name and text, and what it must be read as."""

    file: str
    text: str
    x: list[float]
    y: list[float]
    merit: list[float] | None = None
    score: list[float] | None = None
    diameter: list[float] | None = None
    micrographs: list[str] | None = None


def relion(text: str) -> str:
    """Put the blank with which RELION ends its lines where a dot stands for it."""
    return text.replace(".\n", " \n")


WILD = {
    # RELION 1.4's autopicker: a named block, no comment above it.
    "RELION 1.4": Wild(
        "m_autopick.star",
        relion(
            "\ndata_images\n\nloop_.\n_rlnCoordinateX #1.\n_rlnCoordinateY #2.\n_rlnAnglePsi #3.\n"
            "_rlnClassNumber #4.\n_rlnAutopickFigureOfMerit #5.\n"
            "  1023.000000   214.000000    35.000000            3     0.842131.\n.\n"
        ),
        [1023],
        [214],
        merit=[0.842131],
    ),
    # RELION 2's autopicker with references: angle and class before the figure of merit.
    "RELION 2": Wild(
        "m_autopick.star",
        relion(
            "\ndata_\n\nloop_.\n_rlnCoordinateX #1.\n_rlnCoordinateY #2.\n_rlnClassNumber #3.\n"
            "_rlnAnglePsi #4.\n_rlnAutopickFigureOfMerit #5.\n"
            "  2510.000000   316.500000            4   115.000000     0.511423.\n"
            "   118.000000  3012.000000            1     5.000000     0.301020.\n.\n"
        ),
        [2510, 118],
        [316.5, 3012],
        merit=[0.511423, 0.30102],
    ),
    # RELION 2 to 5, picks made by hand: -999 stands for what was not measured.
    "RELION by hand": Wild(
        "m_manualpick.star",
        relion(
            "\n# version 30001\n\ndata_\n\nloop_.\n_rlnCoordinateX #1.\n_rlnCoordinateY #2.\n"
            "_rlnClassNumber #3.\n_rlnAnglePsi #4.\n_rlnAutopickFigureOfMerit #5.\n"
            "   614.000000  1244.000000            2  -999.000000  -999.000000.\n.\n"
        ),
        [614],
        [1244],
        merit=[NAN],
    ),
    # A real file, its first three rows: LoG picks of RELION 3.0 in the test data of micrograph_cleaner_em
    # (github.com/rsanchezgarc/micrograph_cleaner_em, commit 5e4d4d1fad, Apache-2.0).
    "RELION 3.0": Wild(
        "Ucsf_stack_1142_DW_autopick.star",
        relion(
            "# RELION; version 3.0\n\ndata_\n\nloop_.\n_rlnCoordinateX #1.\n_rlnCoordinateY #2.\n"
            "_rlnAutopickFigureOfMerit #3.\n_rlnClassNumber #4.\n_rlnAnglePsi #5.\n"
            "  839.125024    19.979167     0.624705            0     0.000000.\n"
            "  899.062526   199.791672     0.623809            0     0.000000.\n"
            "  919.041693    99.895836     0.469836            0     0.000000.\n.\n"
        ),
        [839.125024, 899.062526, 919.041693],
        [19.979167, 199.791672, 99.895836],
        merit=[0.624705, 0.623809, 0.469836],
    ),
    # The layout is what relion_autopick --LoG of 3.1.3 (Debian) writes when it is run; 4 writes the same.
    "RELION 3.1 and 4": Wild(
        "m_autopick.star",
        relion(
            "\n# version 30001\n\ndata_\n\nloop_.\n_rlnCoordinateX #1.\n_rlnCoordinateY #2.\n"
            "_rlnAutopickFigureOfMerit #3.\n_rlnClassNumber #4.\n_rlnAnglePsi #5.\n"
            "  299.000000   201.000000     8.412310            0     0.000000.\n.\n"
        ),
        [299],
        [201],
        merit=[8.41231],
    ),
    # RELION 5, by hand: the class has a label of its own.
    "RELION 5 by hand": Wild(
        "m_manualpick.star",
        relion(
            "\n# version 50001\n\ndata_\n\nloop_.\n_rlnCoordinateX #1.\n_rlnCoordinateY #2.\n"
            "_rlnParticleSelectionType #3.\n_rlnAnglePsi #4.\n_rlnAutopickFigureOfMerit #5.\n"
            "   431.250000   980.125000            2  -999.000000  -999.000000.\n.\n"
        ),
        [431.25],
        [980.125],
        merit=[NAN],
    ),
    # RELION 5, Topaz picks: negative figures of merit are usual.
    "RELION 5 with Topaz": Wild(
        "m_autopick.star",
        relion(
            "\n# version 50001\n\ndata_\n\nloop_.\n_rlnCoordinateX #1.\n_rlnCoordinateY #2.\n"
            "_rlnAutopickFigureOfMerit #3.\n_rlnClassNumber #4.\n_rlnAnglePsi #5.\n"
            "  3216.000000   88.000000     3.871000            0     0.000000.\n"
            "   744.000000 1216.000000    -5.994000            0     0.000000.\n.\n"
        ),
        [3216, 744],
        [88, 1216],
        merit=[3.871, -5.994],
    ),
    # Particles of RELION 2 and 3.0: one block, micrograph and image on every row.
    "particles of RELION 3.0": Wild(
        "particles.star",
        relion(
            "\n# RELION; version 3.0\n\ndata_images\n\nloop_.\n_rlnCoordinateX #1.\n_rlnCoordinateY #2.\n"
            "_rlnImageName #3.\n_rlnMicrographName #4.\n_rlnVoltage #5.\n_rlnMagnification #6.\n"
            "_rlnDetectorPixelSize #7.\n"
            "  100.0 200.0 000001@Extract/job009/Movies/m1.mrcs MotionCorr/job002/Movies/m1.mrc 300.0 "
            "10000.0 3.54.\n.\n"
        ),
        [100],
        [200],
        micrographs=["MotionCorr/job002/Movies/m1.mrc"],
    ),
    # Particles of RELION 3.1 to 5 after 2D classes: optics first, shifts in Å that are not added.
    "particles of RELION 3.1 to 5": Wild(
        "particles.star",
        relion(
            "\n# version 30001\n\ndata_optics\n\nloop_.\n_rlnOpticsGroupName #1.\n_rlnOpticsGroup #2.\n"
            "_rlnMicrographOriginalPixelSize #3.\n_rlnVoltage #4.\n_rlnImagePixelSize #5.\n"
            "_rlnImageSize #6.\n"
            "opticsGroup1            1     0.885000   200.000000     3.540000           64.\n.\n\n"
            "# version 30001\n\ndata_particles\n\nloop_.\n_rlnCoordinateX #1.\n_rlnCoordinateY #2.\n"
            "_rlnAutopickFigureOfMerit #3.\n_rlnClassNumber #4.\n_rlnImageName #5.\n_rlnMicrographName #6.\n"
            "_rlnOpticsGroup #7.\n_rlnOriginXAngst #8.\n_rlnOriginYAngst #9.\n"
            "  135.458824  2336.664720     0.033098            1 000001@Extract/job007/Movies/m2.mrcs "
            "MotionCorr/job002/Movies/m2.mrc            1    -11.69620     -4.61620.\n.\n"
        ),
        [135.458824],
        [2336.66472],
        merit=[0.033098],
        micrographs=["MotionCorr/job002/Movies/m2.mrc"],
    ),
    # crYOLO's STAR/ folder: tabs, and -9999 where nothing was measured.
    "crYOLO's STAR": Wild(
        "m.star",
        "\r\ndata_\r\n\r\nloop_\r\n_rlnCoordinateX #1 \r\n_rlnCoordinateY #2 \r\n_rlnClassNumber #3 \r\n"
        "_rlnAnglePsi #4\r\n_rlnAutopickFigureOfMerit #5\r\n512.5\t300.0\t-9999\t-9999.0\t-9999.0\r\n",
        [512.5],
        [300],
        merit=[NAN],
    ),
    # Gautomatch: columns in an order of its own.
    "Gautomatch": Wild(
        "m_automatch.star",
        "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n_rlnAnglePsi #3\n_rlnClassNumber #4\n"
        "_rlnAutopickFigureOfMerit #5\n1033.000000 244.000000 120.000000 3 0.421000\n",
        [1033],
        [244],
        merit=[0.421],
    ),
    # crYOLO before 1.8: rows of numbers; corner, box, confidence, estimated size.
    "old CBOX": Wild(
        "m.cbox",
        "1183.0\t2561.5\t220\t220\t0.912\t204.8\t198.2\r\n-10.0\t8.0\t220\t220\t0.305\t-1\t-1\r\n",
        [1293, 100],
        [2671.5, 118],
        score=[0.912, 0.305],
        diameter=[201.5, NAN],
    ),
    # crYOLO 1.8 and later: STAR, <NA> for what a 2D pick lacks.
    "CBOX": Wild(
        "m.cbox",
        "\ndata_global\n\n_cbox_format_version 1.0\n \n\ndata_cryolo\n\nloop_\n_CoordinateX #1\n"
        "_CoordinateY #2\n_CoordinateZ #3\n_Width #4\n_Height #5\n_Depth #6\n_EstWidth #7\n"
        "_EstHeight #8\n_Confidence #9\n_NumBoxes #10\n_Angle #11\n"
        "1183.0 2561.5 <NA> 220.0 220.0 <NA> 204.8 198.2 0.912 <NA> <NA>\n"
        "-10.0 8.0 <NA> 220.0 220.0 <NA> <NA> <NA> 0.305 <NA> <NA>\n \n\ndata_cryolo_include\n\nloop_\n"
        "_slice_index #1\n \n",
        [1293, 100],
        [2671.5, 118],
        score=[0.912, 0.305],
        diameter=[201.5, NAN],
    ),
    # What the writer of napari-boxmanager 0.4.14 gave when run: one box, a confidence, no size.
    "CBOX of boxmanager": Wild(
        "m.cbox",
        "\ndata_global\n\n_cbox_format_version   1.0 \n\ndata_cryolo\n\nloop_\n_CoordinateX #1\n"
        "_CoordinateY #2\n_CoordinateZ #3\n_Width #4\n_Height #5\n_Depth #6\n_EstWidth #7\n"
        "_EstHeight #8\n_Confidence #9\n_NumBoxes #10\n_Angle #11\n"
        " 400.000000  500.000000 <NA>          200.000000  200.000000 <NA>         <NA>         <NA>         "
        " 0.800000 <NA>         <NA>         \n\ndata_cryolo_include\n\nloop_\n_slice_index #1\n\n",
        [500],
        [600],
        score=[0.8],
        diameter=[NAN],
    ),
    # e2boxer.py: whole corners, tabs.
    "BOX of EMAN2": Wild("m.box", "1183\t2561\t220\t220\n-10\t8\t220\t220\n", [1293, 100], [2671, 118]),
    # EMAN 1's boxer: a fifth column that is no score.
    "BOX of EMAN 1": Wild("m.box", "    1183    2561     220     220      -3\n", [1293], [2671], score=[NAN]),
    # crYOLO's EMAN/ folder: fractions.
    "BOX of crYOLO": Wild("m.box", "1183.5\t2561.25\t220.0\t220.0\r\n", [1293.5], [2671.25]),
    # Consensus pickers give BOX files a fifth column with a score from 0 to 1.
    "BOX with scores": Wild(
        "m.box",
        "1183\t2561\t220\t220\t0.871\n60\t8\t220\t220\t0.033\n",
        [1293, 170],
        [2671, 118],
        score=[0.871, 0.033],
    ),
    # topaz extract of all micrographs.
    "Topaz": Wild(
        "all.txt",
        "image_name\tx_coord\ty_coord\tscore\nm1\t402\t86\t3.871\nm2\t93\t152\t-5.994\n",
        [402, 93],
        [86, 152],
        micrographs=["m1", "m2"],
    ),
}


@pytest.mark.parametrize("kind", WILD)
def test_files_from_the_wild_are_read(tmp_path: Path, kind: str) -> None:
    wild = WILD[kind]
    (tmp_path / wild.file).write_bytes(wild.text.encode())
    table = read_coordinates(tmp_path / wild.file)
    np.testing.assert_allclose(table["x"], wild.x, atol=1e-6)
    np.testing.assert_allclose(table["y"], wild.y, atol=1e-6)
    for column, expected in (
        ("figure_of_merit", wild.merit),
        ("score", wild.score),
        ("diameter_px", wild.diameter),
    ):
        if expected is not None:
            np.testing.assert_allclose(table[column], expected, atol=1e-6)
    assert table["accepted"].all()
    if wild.micrographs is not None:
        assert table["micrograph"].tolist() == wild.micrographs
    else:
        assert "micrograph" not in table.columns


@pytest.mark.parametrize("version", ["30001", "50001"])
def test_relions_list_leads_to_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """RELION 4 (version 30001) and 5 (50001): the node `autopick.star` of a picking job."""
    monkeypatch.chdir(tmp_path)
    picks = Path("AutoPick/job008/Movies/m1_autopick.star")
    picks.parent.mkdir(parents=True)
    picks.write_text(WILD["RELION 3.1 and 4"].text.replace("30001", version))
    (picks.parents[1] / "autopick.star").write_text(
        relion(
            f"\n# version {version}\n\ndata_coordinate_files\n\nloop_.\n_rlnMicrographName #1.\n"
            f"_rlnMicrographCoordinates #2.\nMotionCorr/job002/Movies/m1.mrc {picks}.\n.\n"
        )
    )
    tables = read_collection(["AutoPick/job008/autopick.star"])
    assert list(tables) == ["MotionCorr/job002/Movies/m1.mrc"]
    assert tables["MotionCorr/job002/Movies/m1.mrc"]["x"].tolist() == [299]


def test_the_whole_real_file_is_read(shared_data: Path) -> None:
    """The file of which the first rows stand above."""
    path = shared_data / "micrographs" / "ice_ball_mrc" / "Ucsf_stack_1142_DW_autopick.star"
    table = read_coordinates(path)
    assert len(table) == sum(line.count(".") == 4 for line in path.read_text().splitlines())
    assert table["figure_of_merit"].is_monotonic_decreasing
