"""RELION itself on our files: extraction centres the particles, its tools read our tables."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest
import starfile
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from cryopick_cli.formats import star
from cryopick_cli.formats.coordinates import WriteOptions, empty_coordinates, make_coordinates
from cryopick_cli.formats.micrograph import read_micrograph, write_micrograph
from cryopick_cli.formats.registry import FORMATS, read_coordinates, write_coordinates
from cryopick_cli.formats.transform import TransformConfig, transform_coordinates
from cryopick_cli.simulation.projection import paste
from cryopick_cli.simulation.projection import project as project_structure
from cryopick_cli.simulation.structure import Structure

pytestmark = [
    pytest.mark.relion,
    pytest.mark.skipif(shutil.which("relion_preprocess") is None, reason="needs RELION's programs"),
]

BOX = 64
SHAPE = (300, 420)
# Where the particles are; one so close to the edge that its box leaves the micrograph.
CENTRES = [(100, 50), (300, 200), (210, 150), (12, 280)]
# Of the micrograph with copies of one simulated view.
VIEWS_SHAPE = (1000, 1200)
MICROGRAPHS = """
# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMicrographPixelSize #3
_rlnVoltage #4
_rlnSphericalAberration #5
_rlnAmplitudeContrast #6
opticsGroup1 1 1.5 300 2.7 0.1


# version 30001

data_micrographs

loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
MotionCorr/job002/Movies/g1/m1.mrc 1
MotionCorr/job002/Movies/g1/none.mrc 1

"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> Path:
    """A RELION project with two aligned micrographs: one with a disk at every centre, one with none."""
    monkeypatch.chdir(tmp_path)
    Path("micrographs.star").write_text(MICROGRAPHS)
    noise = rng.normal(0, 0.05, SHAPE).astype(np.float32)
    Path("MotionCorr/job002/Movies/g1").mkdir(parents=True)
    write_micrograph("MotionCorr/job002/Movies/g1/none.mrc", noise, 1.5)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    disks = sum(np.hypot(x - cx, y - cy) <= 3 for cx, cy in CENTRES)
    write_micrograph("MotionCorr/job002/Movies/g1/m1.mrc", noise + 10 * disks, 1.5)
    return tmp_path


def relion(command: str) -> str:
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def extract(suffix: str) -> NDArray[np.float32]:
    """Extract with RELION and give the stack, (n, box, box)."""
    command = f"relion_preprocess --i micrographs.star --coord_dir picks/ --coord_suffix {suffix} "
    command += f"--part_dir Extract/ --part_star Extract/particles.star --extract --extract_size {BOX}"
    relion(command)
    return np.asarray(mrcfile.read("Extract/Movies/g1/m1.mrcs")).reshape(-1, BOX, BOX)


def centres_of_mass(stack: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give (x, y) of the bright disk nearest the middle of each box."""
    middle = slice(BOX // 2 - 6, BOX // 2 + 7)
    weights = np.clip(stack[:, middle, middle] - 5, 0, None)
    index = np.arange(middle.start, middle.stop)
    total = weights.sum(axis=(1, 2))
    assert (total > 0).all(), "no disk near the middle of a box"
    return np.stack([(weights.sum(axis=1) @ index) / total, (weights.sum(axis=2) @ index) / total], axis=1)


@pytest.mark.parametrize("name", ["star", "box"])
def test_extraction_finds_every_particle_in_the_middle(project: Path, name: str) -> None:
    stem, suffix = "picks/Movies/g1", FORMATS[name].suffix
    options = WriteOptions(box_size_px=BOX)
    table = make_coordinates(*zip(*CENTRES, strict=True), score=[0.9, 0.8, 0.7, 0.6])
    write_coordinates(f"{stem}/m1{suffix}", table, name, options)
    write_coordinates(f"{stem}/none{suffix}", empty_coordinates(), name, options)
    stack = extract(suffix)
    assert stack.shape == (len(CENTRES), BOX, BOX)
    np.testing.assert_allclose(centres_of_mass(stack), BOX // 2, atol=0.1)
    extracted = read_coordinates("Extract/particles.star")
    assert extracted[["x", "y"]].to_numpy().astype(int).tolist() == [list(centre) for centre in CENTRES]
    assert set(extracted["micrograph"]) == {"MotionCorr/job002/Movies/g1/m1.mrc"}


def simulated_view() -> NDArray[np.float32]:
    """Give one view of a lopsided particle of 30 px, (BOX, BOX), its origin at the pixel RELION centres."""
    rng = np.random.default_rng(4)
    # Lobes in a hook: no mirror and no turn brings it back onto itself.
    lobes = [(0, 0, 0), (14, 0, 0), (28, 0, 0), (0, 14, 0), (0, -14, 0), (0, -28, 0), (14, -28, 0)]
    xyz = np.concatenate([rng.normal(lobe, 3.0, (400, 3)) for lobe in lobes])
    hook = Structure.centred(
        name="hook", category="procedural", xyz=xyz, electrons=np.ones(len(xyz)), blur=2.0
    )
    view = gaussian_filter(project_structure(hook, np.eye(3)[None], 1.5, np.zeros(1))[0], 1.5)
    stamp = np.zeros((BOX, BOX), np.float32)
    paste(stamp, view / view.std(), BOX // 2, BOX // 2)
    return stamp


def correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def average_extracted(table: pd.DataFrame) -> NDArray[np.float32]:
    star.write_autopick_star("picks/Movies/g1/m1_autopick.star", table, overwrite=True)
    star.write_autopick_star("picks/Movies/g1/none_autopick.star", empty_coordinates(), overwrite=True)
    shutil.rmtree("Extract", ignore_errors=True)
    stack = extract("_autopick.star")
    assert len(stack) == len(table)
    return np.asarray(stack.mean(axis=0), dtype=np.float32)


def test_the_average_of_a_simulated_particle_is_its_projection(
    project_with_views: pd.DataFrame,
) -> None:
    """Right way up and in the middle: what is mirrored or shifted does not look like it."""
    view, right = simulated_view(), project_with_views
    average = average_extracted(right)
    assert correlation(average, view) > 0.9
    turned = {"y": view[::-1], "x": view[:, ::-1], "x and y": view.T}
    turned["half a particle"] = np.roll(view, (10, 10), axis=(0, 1))
    assert {name: correlation(average, other) < 0.7 for name, other in turned.items()} == dict.fromkeys(
        turned, True
    )
    for wrong in (
        TransformConfig(flip_y=True),
        TransformConfig(swap_xy=True),
        TransformConfig(shift=(-BOX / 2, -BOX / 2)),
    ):
        moved = transform_coordinates(right, wrong, shape=VIEWS_SHAPE, where="m1")
        inside = moved["x"].between(0, VIEWS_SHAPE[1] - 1) & moved["y"].between(0, VIEWS_SHAPE[0] - 1)
        assert abs(correlation(average_extracted(moved[inside]), view)) < 0.5


@pytest.fixture
def project_with_views(project: Path, rng: np.random.Generator) -> pd.DataFrame:
    """Put 120 noisy copies of one view into the first micrograph, and give their coordinates."""
    grid = np.stack(np.meshgrid(np.arange(50, 1150, 90), np.arange(50, 950, 90)), axis=-1).reshape(-1, 2)
    centres = grid + rng.integers(-20, 21, grid.shape)
    array = rng.normal(0, 2, VIEWS_SHAPE).astype(np.float32)
    for x, y in centres:
        paste(array, np.pad(simulated_view(), ((0, 1), (0, 1))), x, y)
    Path("MotionCorr/job002/Movies/g1/m1.mrc").unlink()
    write_micrograph("MotionCorr/job002/Movies/g1/m1.mrc", array, 1.5)
    return make_coordinates(*centres.T.astype(float), score=0.9)


def test_relion_cuts_fractions_off(project: Path) -> None:
    """The documentation says so; a change in RELION shows here."""
    table = make_coordinates([100.0, 100.9], [50.0, 50.9], score=[0.9, 0.8])
    star.write_autopick_star("picks/Movies/g1/m1_autopick.star", table)
    star.write_autopick_star("picks/Movies/g1/none_autopick.star", empty_coordinates())
    first, second = extract("_autopick.star")
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("score", [0.5, np.nan])
def test_box_files_with_and_without_scores_are_read(project: Path, score: float) -> None:
    table = make_coordinates([210], [150], score=score)
    write_coordinates("picks/Movies/g1/m1.box", table, "box", WriteOptions(box_size_px=BOX))
    stack = extract(".box")
    assert len(stack) == 1
    np.testing.assert_allclose(centres_of_mass(stack), BOX // 2, atol=0.1)


def test_relion_turns_tiff_upside_down(project: Path) -> None:
    """The documentation says so; our reader keeps the stored order of rows, whatever the format."""
    array = read_micrograph("MotionCorr/job002/Movies/g1/m1.mrc").array
    tifffile.imwrite("MotionCorr/job002/Movies/g1/m1.tif", array)
    Path("micrographs.star").write_text(MICROGRAPHS.replace("m1.mrc", "m1.tif"))
    x, y = CENTRES[1]
    table = make_coordinates([x, x], [y, SHAPE[0] - 1 - y], score=[0.9, 0.8])
    star.write_autopick_star("picks/Movies/g1/m1_autopick.star", table)
    as_stored, turned = extract("_autopick.star")[:, BOX // 2, BOX // 2]
    assert as_stored < 1
    assert turned == pytest.approx(10, abs=0.5)
    np.testing.assert_array_equal(read_micrograph("MotionCorr/job002/Movies/g1/m1.tif").array, array)


def test_relions_table_tools_read_our_files(project: Path) -> None:
    table = make_coordinates([100.5, 7], [50.25, 8], score=[0.9, 0.5], micrograph="m1.mrc")
    star.write_autopick_star("m1_autopick.star", table.drop(columns="micrograph"))
    printed = relion("relion_star_printtable m1_autopick.star data_ rlnCoordinateX rlnClassNumber")
    assert printed.split() == ["100.500000", "0", "7.000000", "0"]
    star.write_particles_star("all.star", table, WriteOptions())
    printed = relion("relion_star_printtable all.star data_particles rlnMicrographName")
    assert printed.split() == ["m1.mrc", "m1.mrc"]
    star.write_coordinate_list("autopick.star", [("M/job002/m1.mrc", "External/job005/m1_autopick.star")])
    printed = relion("relion_star_printtable autopick.star data_coordinate_files rlnMicrographName")
    assert printed.split() == ["M/job002/m1.mrc"]


def test_what_relions_own_picker_writes_is_read(project: Path) -> None:
    relion(
        "relion_autopick --i MotionCorr/job002/Movies/g1/m1.mrc --odir LoG/ --pickname autopick --LoG "
        "--LoG_diam_min 10 --LoG_diam_max 12 --angpix 1.5 --shrink 0 --lowpass 5"
    )
    table = read_coordinates("LoG/Movies/g1/m1_autopick.star")
    theirs = starfile.read("LoG/Movies/g1/m1_autopick.star")
    assert len(table) > len(CENTRES)
    assert table["figure_of_merit"].is_monotonic_decreasing
    for ours, label in (("x", "rlnCoordinateX"), ("y", "rlnCoordinateY")):
        np.testing.assert_array_equal(table[ours], theirs[label])
