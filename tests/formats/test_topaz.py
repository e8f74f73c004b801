"""Topaz itself reads what is written here and is read here: its tables, STAR, BOX and EMAN2 files.

Skipped without it (dependency group `programs`). Its commands take seconds to start, so they run in here.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest

from cryopick_cli.formats.coordinates import WriteOptions, log_odds, make_coordinates
from cryopick_cli.formats.micrograph import write_micrograph
from cryopick_cli.formats.registry import read_coordinates, write_coordinates
from cryopick_cli.formats.transform import TransformConfig, transform_coordinates

program = pytest.importorskip("topaz.main")

Topaz = Callable[..., None]
X, Y, SCORE = [40, 120, 200], [30, 45, 101], [0.9, 0.5, 0.3]
RATINGS = [7.182231, 0.25, -2.5]
BOX = 25
SHAPE = (160, 240)
REDUCED = 8


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def topaz(monkeypatch: pytest.MonkeyPatch) -> Topaz:
    """Run a command of Topaz; its warnings are no matter of ours."""

    def call(*arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", ["topaz", *map(str, arguments)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program.main()

    return call


def picks(*, scores: bool = True, name: str | None = "Movies/m1.mrc") -> pd.DataFrame:
    return make_coordinates(X, Y, micrograph=name, score=SCORE if scores else None)


def blobs(x: list[float], y: list[float], *, width: float, noise: float = 0.0) -> np.ndarray:
    """Draw dark particles, and noise of a standard deviation."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = np.random.default_rng(1).normal(0, 1, SHAPE) * noise
    for x0, y0 in zip(x, y, strict=True):
        image -= 2.5 * np.exp(-((columns - x0) ** 2 + (rows - y0) ** 2) / (2 * width**2))
    return image.astype(np.float32)


def write_table(ratings: list[float] | None = RATINGS) -> None:
    """Write a table as `topaz extract` does."""
    table = pd.DataFrame({"image_name": "m1", "x_coord": X, "y_coord": Y})
    if ratings is not None:
        table["score"] = ratings
    table.to_csv("extracted.txt", sep="\t", index=False)


@pytest.mark.parametrize(
    ("format", "file", "name", "score"),
    [
        ("topaz", "p.txt", "m1", SCORE),
        ("warp", "m1_cryopick.star", "m1", SCORE),
        ("particles", "p.star", "Movies/m1", log_odds(np.array(SCORE)).tolist()),  # Topaz keeps folders
        ("box", "m1.box", "m1", None),
    ],
)
def test_topaz_reads_what_is_written(
    topaz: Topaz, format: str, file: str, name: str, score: list[float] | None
) -> None:
    write_coordinates(file, picks(), format, WriteOptions(box_size_px=BOX))
    topaz("convert", file, "-o", "read.txt")
    read = pd.read_csv("read.txt", sep="\t")
    assert (read["x_coord"].tolist(), read["y_coord"].tolist()) == (X, Y)
    assert read["image_name"].tolist() == [name] * 3
    assert ("score" in read) == (score is not None)
    if score is not None:
        np.testing.assert_allclose(read["score"], score, atol=1e-6)


def test_topaz_cuts_by_the_scores_that_are_written(topaz: Topaz) -> None:
    write_coordinates("p.txt", picks(), "topaz")
    topaz("convert", "p.txt", "-t", 0.4, "-o", "read.txt")
    assert pd.read_csv("read.txt", sep="\t")["x_coord"].tolist() == X[:2]


@pytest.mark.parametrize("file", ["o.txt", "o.star"])
def test_what_topaz_writes_of_many_micrographs_is_read(topaz: Topaz, file: str) -> None:
    write_table()
    topaz("convert", "extracted.txt", "-o", file)
    table = read_coordinates(file)
    assert (table["x"].tolist(), table["y"].tolist()) == (X, Y)
    assert table["micrograph"].tolist() == ["m1.mrc" if file.endswith("star") else "m1"] * 3
    assert table["figure_of_merit"].tolist() == pytest.approx(RATINGS)
    assert table["score"].isna().all()


@pytest.mark.parametrize(("size", "file"), [(0, "m1_info.json"), (BOX, "m1.box"), (BOX + 1, "m1.box")])
def test_what_topaz_writes_of_one_micrograph_is_read(topaz: Topaz, size: int, file: str) -> None:
    write_table()
    Path("o").mkdir()
    topaz("convert", "extracted.txt", "-o", "o/", "--boxsize", size)
    table = read_coordinates(f"o/{file}")
    assert (table["x"].tolist(), table["y"].tolist()) == (X, Y)
    if size:
        assert table["box_size_px"].tolist() == [size] * 3


def test_the_star_file_of_older_topaz_keeps_its_scores(
    topaz: Topaz, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table()
    topaz("coordinates_to_star", "extracted.txt")
    Path("old.star").write_text(capsys.readouterr().out)
    assert "_rlnParticleScore" in Path("old.star").read_text()
    table = read_coordinates("old.star")
    assert (table["x"].tolist(), table["y"].tolist()) == (X, Y)
    assert table["figure_of_merit"].tolist() == pytest.approx(RATINGS)


def test_y_is_mirrored_as_topaz_mirrors_it() -> None:
    """For TIFF files, which others read from the last row on. Its commands that do it fail in 0.3.20."""
    conversions = pytest.importorskip("topaz.utils.conversions")
    flipped = transform_coordinates(picks(name=None), TransformConfig(flip_y=True), shape=SHAPE)
    write_coordinates("m1_info.json", flipped, "eman2")
    boxes = json.loads(Path("m1_info.json").read_text())["boxes"]
    centres = np.column_stack([X, Y])
    assert conversions.coordinates_to_eman2_json(centres, shape=SHAPE, invert_y=True) == boxes
    write_coordinates("m1.box", flipped, "box", WriteOptions(box_size_px=BOX))
    corners = np.loadtxt("m1.box")[:, :4].astype(int)
    found = conversions.boxes_to_coordinates(corners, shape=SHAPE, invert_y=True)
    np.testing.assert_array_equal(found, centres)


def test_topaz_cuts_particles_out_around_our_centres(topaz: Topaz) -> None:
    image = np.zeros(SHAPE, dtype=np.float32)
    image[Y, X] = [1, 2, 3]
    write_micrograph(Path("m1.mrc"), image, 1.0)
    write_coordinates("p.txt", picks(), "topaz")
    topaz("particle_stack", "p.txt", "--image-root", ".", "--size", BOX, "-o", "stack.mrcs")
    # Its header lacks the word MAP.
    stack = np.fromfile("stack.mrcs", dtype=np.float32, offset=1024).reshape(3, BOX**2)
    assert stack.argmax(axis=1).tolist() == [BOX**2 // 2] * 3


def test_topaz_reduces_micrographs_about_the_first_pixel(topaz: Topaz) -> None:
    """It crops the Fourier transform, so reduced pixel 10 is pixel 80; the how-to shifts by what is left."""
    x, y = [83.5, 160.0], [67.5, 96.0]
    write_micrograph(Path("m1.mrc"), blobs(x[:1], y[:1], width=12), 1.0)
    topaz("downsample", "m1.mrc", "-s", REDUCED, "-o", "reduced.mrc")
    small = -mrcfile.read("reduced.mrc").astype(np.float64)
    small[small < 0.05 * small.max()] = 0
    found = [
        float((small * grid).sum() / small.sum()) for grid in np.mgrid[: small.shape[0], : small.shape[1]]
    ]
    shift = (1 - 1 / REDUCED) / 2
    down = TransformConfig(scale=1 / REDUCED, shift=(shift, shift))
    table = transform_coordinates(make_coordinates(x, y), down)
    assert [table.loc[0, "y"], table.loc[0, "x"]] == pytest.approx(found, abs=0.02)
    up = TransformConfig(scale=REDUCED, shift=(-3.5, -3.5))
    again = transform_coordinates(table, up)
    np.testing.assert_allclose(again[["x", "y"]], np.transpose([x, y]))


def test_scaled_tables_are_as_topaz_scales_them(topaz: Topaz) -> None:
    write_table()
    topaz("convert", "extracted.txt", "-x", REDUCED, "-o", "read.txt")
    read = pd.read_csv("read.txt", sep="\t")
    up = TransformConfig(scale=REDUCED, shift=(-3.5, -3.5))
    table = transform_coordinates(read_coordinates("extracted.txt"), up)
    assert table["x"].tolist() == read["x_coord"].tolist()
    assert table["y"].tolist() == read["y_coord"].tolist()


@pytest.mark.slow
def test_the_picks_of_topaz_lie_on_the_particles(topaz: Topaz) -> None:
    """Its shipped model on a normal micrograph; the best picks, one of each particle."""
    x, y = [40.0, 120.0, 200.0, 60.0, 150.0], [30.0, 40.0, 25.0, 110.0, 130.0]
    write_micrograph(Path("m1.mrc"), blobs(x, y, width=5, noise=1), 8.0)
    topaz("extract", "m1.mrc", "-m", "resnet8_u32", "-r", 8, "-d", -1, "-t", -3, "-o", "extracted.txt")
    best = read_coordinates("extracted.txt").nlargest(len(x), "figure_of_merit")
    assert set(best["micrograph"]) == {"m1"}
    far = np.hypot(*(np.subtract.outer(best[axis].to_numpy(), true) for axis, true in (("x", x), ("y", y))))
    assert far.min(axis=0).max() < 5
    assert best["figure_of_merit"].max() > 1


@pytest.mark.slow
def test_topaz_trains_on_our_picks(topaz: Topaz) -> None:
    write_micrograph(Path("images/m1.mrc"), blobs(X, Y, width=5, noise=1), 8.0)
    write_coordinates("p.txt", picks(), "topaz")
    size = ("-m", "conv31", "--units", 4, "--no-pretrained", "--num-epochs", 1, "--epoch-size", 1)
    speed = ("--minibatch-size", 8, "-d", -1, "--num-workers", 0)
    data = ("--train-images", "images/", "--train-targets", "p.txt", "-n", 4, "-r", 3)
    topaz("train", *data, *size, *speed, "--save-prefix", "model", "-o", "train.txt")
    assert Path("model_epoch1.sav").is_file()
    assert len(pd.read_csv("train.txt", sep="\t")) >= 1
