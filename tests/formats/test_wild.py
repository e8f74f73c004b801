"""Coordinate files as other programs write them, small ones: every version and variant is read.

The files in `data` are real; `data/ORIGIN.md` says where each is from. Those in `STYLED`, of which no real
one was found, have the programs' layouts (blocks, labels, order of columns, blanks, line ends, fill values),
but rows that are made up.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cryopick_cli.errors import FormatError
from cryopick_cli.formats.collection import read_collection
from cryopick_cli.formats.registry import read_coordinates
from cryopick_cli.formats.star import write_autopick_star

NAN = float("nan")
DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Expected:
    """What a file must be read as."""

    x: list[float]
    y: list[float]
    merit: list[float] | None = None
    score: list[float] | None = None
    diameter: list[float] | None = None
    micrographs: list[str] | None = None


@dataclass(frozen=True)
class Styled:
    """A made-up file's name and text, and what it must be read as."""

    file: str
    text: str
    expected: Expected


def relion(text: str) -> str:
    """Put the blank with which RELION ends its lines where a dot stands for it."""
    return text.replace(".\n", " \n")


GRID_SQUARE = "GridSquare_9456927_Data_FoilHole_9486728_Data_9466660_9466662_20210210_154050-0009.mrc"
REAL = {
    "relion3_autopick.star": Expected(
        [839.125024, 899.062526, 919.041693],
        [19.979167, 199.791672, 99.895836],
        merit=[0.624705, 0.623809, 0.469836],
    ),
    "relion3_particles.star": Expected(
        [2158.111921, 309.284206],
        [3073.912046, 1133.439578],
        merit=[1.065473, 0.808805],
        micrographs=["micrograph.mrc", "micrograph.mrc"],
    ),
    "relion31_particles.star": Expected([587], [1268], merit=[NAN], micrographs=["0001_sum.mrc"]),
    "relion4_autopick.star": Expected(
        [462.817657, 733.735291, 2799.482422],
        [203.188232, 745.02356, 3194.570557],
        merit=[0.172677, 0.171972, 0.167814],
    ),
    "relion5_autopick.star": Expected(
        [1614.217657, 3160.705901, 1241.70589],
        [112.882354, 2393.105896, 1839.982364],
        merit=[0.163126, 0.154979, 0.145212],
    ),
    "relion5_manualpick.star": Expected([2207, 2390, 2610], [547, 630, 640], merit=[NAN, NAN, NAN]),
    "scipion_particles.star": Expected([614, 912, 273], [1244, 1246, 1234], micrographs=[GRID_SQUARE] * 3),
    "cryolo_old.cbox": Expected(
        [3483.5, 500, 116],
        [3985.5, 3954.5, 863],
        score=[0.86305755, 0.4183382, 0.5511908],
        diameter=[222, 223.5, 222],
    ),
    "cryolo.cbox": Expected(
        [3810.3671875, 2354.136962890625, 998.3214721679688],
        [3984.455551147461, 3949.542724609375, 3857.586151123047],
        score=[0.6578449, 0.130956, 0.4329333],
        diameter=[227, 219, 225],
    ),
    "cryolo_manual.cbox": Expected(
        [276, 714, 87], [4005, 4017, 3966], score=[1, 1, 1], diameter=[NAN, NAN, NAN]
    ),
    "boxmanager.cbox": Expected(
        [24.1877, 79.06647, 36.84385],
        [40.459892, 51.627084, 61.411671],
        score=[NAN, NAN, NAN],
        diameter=[NAN, NAN, NAN],
    ),
    "plain.box": Expected([3651, 1569, 979], [3033, 1113, 3005], score=[NAN, NAN, NAN]),
    "boxmanager.box": Expected([24.3, 36.2, 78.9], [40.7, 62.1, 51.4]),
    "topaz_extracted.txt": Expected(
        [420, 881, 514],
        [586, 475, 359],
        merit=[0.6130168, -0.32318813, -0.6220623],
        score=[NAN, NAN, NAN],
        micrographs=["Microtubules_00000"] * 3,
    ),
}
# Read elsewhere in this file: lists of files, and what is refused.
OTHERS = {"relion4_list.star", "relion5_list.star", "cryolo_filaments.cbox"}

# Topaz rates with log-likelihood ratios, which are no scores from 0 to 1.
TOPAZ_BOX = "2011\t831\t180\t180\t7.182231\n1821\t781\t180\t180\t6.6315975\n-60\t1560\t180\t180\t4.1123815\n"
TOPAZ_MERITS = [7.182231, 6.6315975, 4.1123815]

STYLED = {
    "RELION 2 particles": Styled(
        "particles.star",
        relion(
            "\ndata_\n\nloop_.\n_rlnVoltage #1.\n_rlnDefocusU #2.\n_rlnImageName #3.\n_rlnCoordinateX #4.\n"
            "_rlnCoordinateY #5.\n_rlnMicrographName #6.\n_rlnAutopickFigureOfMerit #7.\n"
            "_rlnClassNumber #8.\n"
            "  300.000000 33863.558594 000009@Particles/Micrographs/m.mrcs  1012.000000    84.000000 "
            "Micrographs/m.mrc     1.044159           70.\n"
        ),
        Expected([1012], [84], merit=[1.044159], micrographs=["Micrographs/m.mrc"]),
    ),
    "BOX with crYOLO's scores": Styled(
        "m.box",
        "2801\t3805\t180\t180\t0.6598718762397766\n331\t3801\t180\t180\t0.8280838131904602\n",
        Expected([2891, 421], [3895, 3891], score=[0.65987188, 0.82808381]),
    ),
    "BOX with Topaz's ratings": Styled(
        "m.box", TOPAZ_BOX, Expected([2101, 1911, 30], [921, 871, 1650], merit=TOPAZ_MERITS, score=[NAN] * 3)
    ),
    "Topaz's training table": Styled(
        "particles.txt",
        "image_name\tx_coord\ty_coord\nm_1\t6904\t2401\nm_1\t5018\t5508\nm_2\t2507\t1803\n",
        Expected([6904, 5018, 2507], [2401, 5508, 1803], micrographs=["m_1", "m_1", "m_2"]),
    ),
    # RELION 1.4's autopicker: a named block, no comment above it.
    "RELION 1.4": Styled(
        "m_autopick.star",
        relion(
            "\ndata_images\n\nloop_.\n_rlnCoordinateX #1.\n_rlnCoordinateY #2.\n_rlnAnglePsi #3.\n"
            "_rlnClassNumber #4.\n_rlnAutopickFigureOfMerit #5.\n"
            "  1023.000000   214.000000    35.000000            3     0.842131.\n.\n"
        ),
        Expected(
            [1023],
            [214],
            merit=[0.842131],
        ),
    ),
    # RELION 2's autopicker with references: angle and class before the figure of merit.
    "RELION 2": Styled(
        "m_autopick.star",
        relion(
            "\ndata_\n\nloop_.\n_rlnCoordinateX #1.\n_rlnCoordinateY #2.\n_rlnClassNumber #3.\n"
            "_rlnAnglePsi #4.\n_rlnAutopickFigureOfMerit #5.\n"
            "  2510.000000   316.500000            4   115.000000     0.511423.\n"
            "   118.000000  3012.000000            1     5.000000     0.301020.\n.\n"
        ),
        Expected(
            [2510, 118],
            [316.5, 3012],
            merit=[0.511423, 0.30102],
        ),
    ),
    # RELION 2 to 5, picks made by hand: -999 stands for what was not measured.
    "RELION by hand": Styled(
        "m_manualpick.star",
        relion(
            "\n# version 30001\n\ndata_\n\nloop_.\n_rlnCoordinateX #1.\n_rlnCoordinateY #2.\n"
            "_rlnClassNumber #3.\n_rlnAnglePsi #4.\n_rlnAutopickFigureOfMerit #5.\n"
            "   614.000000  1244.000000            2  -999.000000  -999.000000.\n.\n"
        ),
        Expected(
            [614],
            [1244],
            merit=[NAN],
        ),
    ),
    # The layout is what relion_autopick --LoG of 3.1.3 (Debian) writes when it is run.
    "RELION 3.1": Styled(
        "m_autopick.star",
        relion(
            "\n# version 30001\n\ndata_\n\nloop_.\n_rlnCoordinateX #1.\n_rlnCoordinateY #2.\n"
            "_rlnAutopickFigureOfMerit #3.\n_rlnClassNumber #4.\n_rlnAnglePsi #5.\n"
            "  299.000000   201.000000     8.412310            0     0.000000.\n.\n"
        ),
        Expected(
            [299],
            [201],
            merit=[8.41231],
        ),
    ),
    # RELION 5, Topaz picks: negative figures of merit are usual.
    "RELION 5 with Topaz": Styled(
        "m_autopick.star",
        relion(
            "\n# version 50001\n\ndata_\n\nloop_.\n_rlnCoordinateX #1.\n_rlnCoordinateY #2.\n"
            "_rlnAutopickFigureOfMerit #3.\n_rlnClassNumber #4.\n_rlnAnglePsi #5.\n"
            "  3216.000000   88.000000     3.871000            0     0.000000.\n"
            "   744.000000 1216.000000    -5.994000            0     0.000000.\n.\n"
        ),
        Expected(
            [3216, 744],
            [88, 1216],
            merit=[3.871, -5.994],
        ),
    ),
    # Particles of RELION 3.1 to 5 after 2D classes: optics first, shifts in Å that are not added.
    "particles of RELION 3.1 to 5": Styled(
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
        Expected(
            [135.458824],
            [2336.66472],
            merit=[0.033098],
            micrographs=["MotionCorr/job002/Movies/m2.mrc"],
        ),
    ),
    # crYOLO's STAR/ folder: tabs, and -9999 where nothing was measured.
    "crYOLO's STAR": Styled(
        "m.star",
        "\r\ndata_\r\n\r\nloop_\r\n_rlnCoordinateX #1 \r\n_rlnCoordinateY #2 \r\n_rlnClassNumber #3 \r\n"
        "_rlnAnglePsi #4\r\n_rlnAutopickFigureOfMerit #5\r\n512.5\t300.0\t-9999\t-9999.0\t-9999.0\r\n",
        Expected(
            [512.5],
            [300],
            merit=[NAN],
        ),
    ),
    # Gautomatch: columns in an order of its own.
    "Gautomatch": Styled(
        "m_automatch.star",
        "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n_rlnAnglePsi #3\n_rlnClassNumber #4\n"
        "_rlnAutopickFigureOfMerit #5\n1033.000000 244.000000 120.000000 3 0.421000\n",
        Expected(
            [1033],
            [244],
            merit=[0.421],
        ),
    ),
    # crYOLO before 1.8: rows of numbers; corner, box, confidence, estimated size.
    "old CBOX without sizes": Styled(
        "m.cbox",
        "1183.0\t2561.5\t220\t220\t0.912\t204.8\t198.2\r\n-10.0\t8.0\t220\t220\t0.305\t-1\t-1\r\n",
        Expected(
            [1293, 100],
            [2671.5, 118],
            score=[0.912, 0.305],
            diameter=[201.5, NAN],
        ),
    ),
    # What the writer of napari-boxmanager 0.4.14 gave when run: one box, a confidence, no size.
    "CBOX of boxmanager": Styled(
        "m.cbox",
        "\ndata_global\n\n_cbox_format_version   1.0 \n\ndata_cryolo\n\nloop_\n_CoordinateX #1\n"
        "_CoordinateY #2\n_CoordinateZ #3\n_Width #4\n_Height #5\n_Depth #6\n_EstWidth #7\n"
        "_EstHeight #8\n_Confidence #9\n_NumBoxes #10\n_Angle #11\n"
        " 400.000000  500.000000 <NA>          200.000000  200.000000 <NA>         <NA>         <NA>         "
        " 0.800000 <NA>         <NA>         \n\ndata_cryolo_include\n\nloop_\n_slice_index #1\n\n",
        Expected(
            [500],
            [600],
            score=[0.8],
            diameter=[NAN],
        ),
    ),
    # e2boxer.py: whole corners, tabs.
    "BOX of EMAN2": Styled(
        "m.box", "1183\t2561\t220\t220\n-10\t8\t220\t220\n", Expected([1293, 100], [2671, 118])
    ),
    # EMAN 1's boxer: a fifth column that is no score.
    "BOX of EMAN 1": Styled(
        "m.box", "    1183    2561     220     220      -3\n", Expected([1293], [2671], score=[NAN])
    ),
    # crYOLO's EMAN/ folder: fractions.
    "BOX of crYOLO": Styled("m.box", "1183.5\t2561.25\t220.0\t220.0\r\n", Expected([1293.5], [2671.25])),
}


def assert_read(path: Path, expected: Expected) -> None:
    table = read_coordinates(path)
    np.testing.assert_allclose(table["x"], expected.x, atol=1e-6)
    np.testing.assert_allclose(table["y"], expected.y, atol=1e-6)
    for column, values in (
        ("figure_of_merit", expected.merit),
        ("score", expected.score),
        ("diameter_px", expected.diameter),
    ):
        if values is not None:
            np.testing.assert_allclose(table[column], values, atol=1e-6)
    assert table["accepted"].all()
    if expected.micrographs is not None:
        assert table["micrograph"].tolist() == expected.micrographs
    else:
        assert "micrograph" not in table.columns


@pytest.mark.parametrize("name", REAL)
def test_files_from_the_wild_are_read(name: str) -> None:
    assert_read(DATA / name, REAL[name])


@pytest.mark.parametrize("kind", STYLED)
def test_files_in_other_programs_layouts_are_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / STYLED[kind].file
    path.write_bytes(STYLED[kind].text.encode())
    assert_read(path, STYLED[kind].expected)


def test_every_real_file_has_its_origin_and_its_test() -> None:
    files = {path.name for path in DATA.iterdir()} - {"ORIGIN.md"}
    rows = [line.split("|")[1:-1] for line in (DATA / "ORIGIN.md").read_text().splitlines() if "| `" in line]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row[0])}
    assert files == named == {*REAL, *OTHERS}
    assert all(len(row) == 5 and all(cell.strip() for cell in row) for row in rows)


def test_filaments_of_cryolo_are_refused() -> None:
    with pytest.raises(FormatError, match="holds filaments"):
        read_coordinates(DATA / "cryolo_filaments.cbox")


@pytest.mark.parametrize(("version", "job"), [(4, "job004"), (5, "job008")])
def test_relions_list_leads_to_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, job: str
) -> None:
    """The node `autopick.star` of a picking job; it leads to one file a micrograph."""
    monkeypatch.chdir(tmp_path)
    movies = [f"Movies/20170629_000{number}_frameImage" for number in (21, 22)]
    for movie in movies:
        picks = Path(f"AutoPick/{job}/{movie}_autopick.star")
        picks.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DATA / f"relion{version}_autopick.star", picks)
    shutil.copy(DATA / f"relion{version}_list.star", f"AutoPick/{job}/autopick.star")
    tables = read_collection([f"AutoPick/{job}/autopick.star"])
    assert list(tables) == [f"MotionCorr/job002/{movie}.mrc" for movie in movies]
    for table in tables.values():
        assert table["x"].tolist() == REAL[f"relion{version}_autopick.star"].x


def test_log_likelihood_ratios_reach_relion_as_they_are(tmp_path: Path) -> None:
    """Topaz's ratings are figures of merit; taken for scores they would all end at the log-odds' limit."""
    (tmp_path / "m.box").write_text(TOPAZ_BOX)
    write_autopick_star(tmp_path / "m.star", read_coordinates(tmp_path / "m.box"))
    merits = read_coordinates(tmp_path / "m.star")["figure_of_merit"]
    assert merits.tolist() == pytest.approx(TOPAZ_MERITS, abs=1e-6)


def test_the_whole_real_file_is_read(shared_data: Path) -> None:
    """The file of which `data/relion3_autopick.star` has the first rows."""
    path = shared_data / "micrographs" / "ice_ball_mrc" / "Ucsf_stack_1142_DW_autopick.star"
    table = read_coordinates(path)
    assert len(table) == sum(line.count(".") == 4 for line in path.read_text().splitlines())
    assert table["figure_of_merit"].is_monotonic_decreasing
