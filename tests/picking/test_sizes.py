"""Micrographs of all sizes, with the shipped weights: every planted ball comes back, at seams of tiles too.

Balls in white noise are easy to find. What is tested is the way from the file's pixels to the network's and
back, and the tiles.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from cryopick_cli.evaluation.matching import UNMATCHED, match_nearest_first
from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, Model, load_model
from cryopick_cli.picking.calibrate import calibrate
from cryopick_cli.picking.candidates import working_factor
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.detect import tiles
from cryopick_cli.picking.pick import pick_micrograph
from cryopick_cli.units import Length

CONFIG = PickConfig(contrast="dark")
Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(DEFAULT_WEIGHTS, choose_device("cpu"))


def with_balls(
    shape: tuple[int, int], diameter: float, rng: np.random.Generator, noise: float = 1 / 75
) -> tuple[Micrograph, Floats]:
    """Plant projected balls in noise, about a diameter and a half apart; gives their centres, px.

    ``noise`` is its deviation over the depth of a ball, for each pixel of diameter.
    """
    array = rng.standard_normal(shape, dtype=np.float32) * np.float32(noise * diameter)
    grid = [np.arange(diameter, side - diameter, 1.5 * diameter) for side in shape]
    y, x = np.meshgrid(*grid, indexing="ij")
    centres = np.column_stack([x.ravel(), y.ravel()]) + rng.uniform(-0.2, 0.2, (x.size, 2)) * diameter
    half = int(diameter / 2) + 2
    for centre in centres:
        left, top = np.rint(centre).astype(int) - half
        window = slice(top, top + 2 * half + 1), slice(left, left + 2 * half + 1)
        r, c = np.mgrid[window]
        inside = 1 - ((c - centre[0]) ** 2 + (r - centre[1]) ** 2) / (diameter / 2) ** 2
        array[window] -= np.sqrt(np.clip(inside, 0, None)).astype(np.float32)
    return Micrograph(array, None, None), centres  # type: ignore[arg-type]


def pick(model: Model, micrograph: Micrograph, config: PickConfig) -> Floats:
    calibration = calibrate(model, [micrograph], ["one"], config)
    picks = pick_micrograph(model, micrograph, calibration, config)
    found: Floats = picks.loc[picks["accepted"], ["x", "y"]].to_numpy()
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "diameter"),
    [
        ((1024, 1024), 40.0),
        ((1023, 1531), 60.0),
        ((3710, 3838), 120.0),
        ((4096, 4096), 150.0),
        ((4092, 5760), 400.0),
    ],
)
def test_every_ball_comes_back_where_it_was(
    model: Model, shape: tuple[int, int], diameter: float, rng: np.random.Generator
) -> None:
    micrograph, centres = with_balls(shape, diameter, rng)
    found = pick(model, micrograph, CONFIG)
    distance, nearest = cKDTree(found).query(centres)
    pixel = max(1.0, diameter / model.card.operating_point.working_diameter_px)
    assert distance.max() < 0.08 * diameter, "a ball is lost, or found where it is not"
    assert len(found) <= 1.1 * len(centres)
    assert np.median(distance) < 0.02 * diameter
    # No shift of half a pixel anywhere on the way: the mean error is a fraction of the network's pixel.
    shift = (found[nearest] - centres).mean(axis=0)
    assert np.abs(shift).max() < 0.3 * pixel + 4 * distance.std() / np.sqrt(len(centres))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1024, 1024), (1023, 1531), (3710, 3838)])
def test_every_centre_of_clear_particles_is_exact_to_two_px(
    model: Model, shape: tuple[int, int], rng: np.random.Generator
) -> None:
    """With half of the noise above. The last one has a stripe without particles, and seams of tiles."""
    micrograph, centres = with_balls(shape, 60.0, rng, noise=1 / 150)
    found = pick(model, micrograph, CONFIG)
    distance, _ = cKDTree(found).query(centres)
    assert distance.max() < 2.0
    assert len(found) <= 1.01 * len(centres)


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "diameter"), [((3710, 3838), 120.0), ((4096, 4096), 250.0)])
def test_every_centre_of_large_very_clear_particles_is_exact_to_two_px(
    model: Model, shape: tuple[int, int], diameter: float, rng: np.random.Generator
) -> None:
    """The network alone is 2 % of the diameter off at worst, however clear they are."""
    micrograph, centres = with_balls(shape, diameter, rng, noise=1 / 400)
    found = pick(model, micrograph, CONFIG)
    distance, _ = cKDTree(found).query(centres)
    assert distance.max() < 2.0
    assert len(found) <= 1.01 * len(centres)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("quality", "contrast", "pixel_size"),
    [("fast", "dark", None), ("normal", "light", 1.3), ("normal", "auto", 0.7)],
)
def test_so_it_is_however_they_are_looked_at(
    model: Model, quality: str, contrast: str, pixel_size: float | None, rng: np.random.Generator
) -> None:
    micrograph, centres = with_balls((2048, 2500), 120.0, rng, noise=1 / 400)
    sign = -1 if contrast == "light" else 1
    micrograph = replace(micrograph, array=sign * micrograph.array, pixel_size=pixel_size)
    found = pick(model, micrograph, PickConfig(contrast=contrast, quality=quality))
    matching = match_nearest_first(found, centres, 30.0)
    matched = matching.reference_of_pick != UNMATCHED
    assert matched.sum() >= 0.98 * len(centres)  # `fast` may find fewer
    assert (~matched).sum() <= 0.01 * len(centres)
    assert matching.distance_px[matched].max() < 2.0


@pytest.mark.slow
def test_nothing_is_lost_or_found_twice_at_the_seams_of_tiles(model: Model, rng: np.random.Generator) -> None:
    shape, diameter = (8184, 11520), 150.0
    config = PickConfig(contrast="dark", diameter=Length(diameter, "px"))
    factor = working_factor(model, shape, diameter, config)
    view = (round(shape[0] / factor), round(shape[1] / factor))
    assert len(list(tiles(view, config.detection))) == 4
    micrograph, centres = with_balls(shape, diameter, rng)
    found = pick(model, micrograph, config)
    distance, _ = cKDTree(found).query(centres)
    assert distance.max() < 0.25 * diameter
    assert len(found) <= 1.05 * len(centres)
    seam = np.abs(centres - np.array(shape[::-1]) / 2).min(axis=1) < diameter
    assert seam.sum() > 50
    assert np.median(distance[seam]) < 1.5 * np.median(distance[~seam])
