"""The mask of junk: ice balls, carbon and holes are in it, particles are not, however crowded or clear."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from cryopick_cli.errors import ConfigError
from cryopick_cli.formats.micrograph import read_micrograph
from cryopick_cli.formats.registry import read_coordinates
from cryopick_cli.imaging.junk import JunkConfig, JunkMask, dominant_mode, find_junk, opened

Array = NDArray[np.float32]
SHAPE = (700, 760)
DIAMETER = 40.0


def disc(array: Array, x: float, y: float, diameter: float, grey: float) -> None:
    rows, columns = np.mgrid[: array.shape[0], : array.shape[1]]
    array[(columns - x) ** 2 + (rows - y) ** 2 <= (diameter / 2) ** 2] += grey


def scatter(rng: np.random.Generator, count: int, width: float) -> NDArray[np.float64]:
    """Draw centres that are nearly a diameter apart, in the left ``width`` px."""
    kept: list[NDArray[np.float64]] = []
    for _ in range(4000):
        one = rng.uniform((0, 0), (width, SHAPE[0]))
        if len(kept) < count and all(np.hypot(*(one - other)) > 0.95 * DIAMETER for other in kept):
            kept.append(one)
    return np.array(kept)


@pytest.fixture
def ice(rng: np.random.Generator) -> Array:
    return rng.normal(size=SHAPE).astype(np.float32)


def share(mask: JunkMask, *places: tuple[float, float], diameter: float = DIAMETER) -> list[float]:
    x, y = np.array(places).T
    return mask.share(x, y, np.full(len(x), diameter)).tolist()


def test_plain_ice_and_slopes_of_ice_are_clean(ice: Array) -> None:
    slope = np.linspace(0, 3, SHAPE[1], dtype=np.float32)
    assert find_junk(ice, DIAMETER).area == 0
    assert find_junk(ice + slope, DIAMETER).area == 0


@pytest.mark.parametrize("side", [-1, 1])
def test_uneven_illumination_is_no_junk(side: int, ice: Array) -> None:
    """Half of the view grows brighter or darker, and its noise stronger or weaker, over eleven diameters."""
    ramp = np.clip(np.linspace(-0.7, 1.0, SHAPE[1], dtype=np.float32), 0, None)
    lit = (4 * side * ramp + ice) * np.float32(1.6) ** (side * ramp)
    assert find_junk(lit, DIAMETER).area == 0
    assert find_junk(lit, DIAMETER, JunkConfig(steepness=1e-6)).area > 0.1


@pytest.mark.parametrize("contrast", [0.3, 1.0, 3.0])
@pytest.mark.parametrize(("count", "width"), [(1, 760), (3, 760), (40, 760), (180, 760), (80, 380)])
@pytest.mark.parametrize("believed", [0.75, 1.0, 1.3])
def test_particles_are_never_masked(
    contrast: float, count: int, width: float, believed: float, ice: Array, rng: np.random.Generator
) -> None:
    """Single ones, a field, a crowd, half a view crowded; clear or faint; with their diameter misjudged."""
    centres = scatter(rng, count, width)
    for x, y in centres:
        disc(ice, x, y, DIAMETER, -contrast)
    mask = find_junk(ice, believed * DIAMETER)
    assert np.mean(np.array(share(mask, *centres)) >= 0.5) == 0


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 500.0])
def test_an_ice_ball_is_masked_and_the_particles_around_it_are_not(
    scale: float, light: bool, ice: Array, rng: np.random.Generator
) -> None:
    centres = scatter(rng, 40, 450)
    for x, y in centres:
        disc(ice, x, y, DIAMETER, -1.0)
    disc(ice, 620, 350, 150, -8.0)
    mask = find_junk((-scale if light else scale) * ice, DIAMETER, light=light)
    assert min(share(mask, (620, 350), (590, 350), (620, 390))) == 1
    assert max(share(mask, *centres)) < 0.5
    assert 0.5 < mask.area * np.prod(SHAPE) / (np.pi * 75**2) < 1.8


def test_a_small_blob_darker_than_particles_is_masked(ice: Array, rng: np.random.Generator) -> None:
    centres = scatter(rng, 30, 450)
    for x, y in centres:
        disc(ice, x, y, DIAMETER, -1.5)
    disc(ice, 620, 350, 1.8 * DIAMETER, -8.0)
    mask = find_junk(ice, DIAMETER)
    assert share(mask, (620, 350)) == [1]
    assert max(share(mask, *centres)) < 0.5


@pytest.mark.parametrize("level", [-6.0, 6.0])
def test_a_dark_or_bright_edge_is_masked(level: float, ice: Array) -> None:
    ice[:, 560:] += level
    mask = find_junk(ice, DIAMETER)
    assert share(mask, (660, 350), (660, 30), (400, 350), (100, 350)) == [1, 1, 0, 0]


@pytest.mark.parametrize(("level", "radius"), [(-20.0, 60.0), (-15.0, 100.0), (-25.0, 100.0)])
def test_carbon_with_something_darker_on_it_is_masked(level: float, radius: float, ice: Array) -> None:
    ice[:, 500:] -= 6
    disc(ice, 640, 350, 2 * radius, level)
    assert share(find_junk(ice, DIAMETER), (640, 350), (300, 350)) == [1, 0]


@pytest.mark.parametrize("grain", [0.0, 0.1, 0.5, 2.0])
def test_an_area_of_another_grain_at_the_same_level_is_masked(grain: float, ice: Array) -> None:
    """Such as carbon in a micrograph that was high-pass filtered, or the empty corner of a hole."""
    ice[:, 500:] *= grain
    mask = find_junk(ice, DIAMETER)
    assert share(mask, (660, 350), (660, 100), (300, 350), (100, 100)) == [1, 1, 0, 0]


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("gap", [100, 200, 330, 400, 600])
@pytest.mark.parametrize("contrast", [3.0, 30.0])
def test_neither_a_crowd_nor_the_gap_beside_it_is_junk(
    contrast: float, gap: int, light: bool, ice: Array, rng: np.random.Generator
) -> None:
    """Clear particles, as in a denoised micrograph, but for a stripe in which there is only ice."""
    grid = np.mgrid[20 : SHAPE[1] - gap : 60, 20 : SHAPE[0] - 20 : 60].reshape(2, -1).T
    centres = grid + rng.uniform(-8, 8, grid.shape)
    for x, y in centres:
        disc(ice, x, y, DIAMETER, -contrast)
    mask = find_junk(-ice if light else ice, DIAMETER, light=light)
    assert max(share(mask, *centres)) < 0.5
    assert mask.area < 0.02


def test_stronger_grain_is_masked_beside_faint_particles_too(ice: Array, rng: np.random.Generator) -> None:
    ice[:, 500:] *= 2
    centres = scatter(rng, 60, 430)
    for x, y in centres:
        disc(ice, x, y, DIAMETER, -0.5)
    mask = find_junk(ice, DIAMETER)
    assert min(share(mask, (660, 350), (660, 100))) == 1
    assert max(share(mask, *centres)) < 0.5


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((300, 300), np.float32),
        np.full((300, 300), np.nan, np.float32),
        np.ones((40, 33), np.float32),
        np.tile(np.float32([0, 1]), (300, 150)),
    ],
)
def test_views_without_information_have_no_junk(array: Array) -> None:
    mask = find_junk(array, DIAMETER)
    assert mask.area == 0
    assert mask.full().shape == array.shape


def test_pixels_without_a_value_are_no_junk_by_themselves(ice: Array) -> None:
    ice[300:310, 300:310], ice[0], ice[5, 5] = np.nan, np.inf, -np.inf
    assert find_junk(ice, DIAMETER).area == 0


@pytest.mark.parametrize("diameter", [3.0, 12.0, 90.0, 500.0])
def test_any_size_of_particle_gives_a_mask_of_the_view(diameter: float, ice: Array) -> None:
    mask = find_junk(ice, diameter)
    assert mask.full().shape == SHAPE
    assert mask.area < 1e-3


def test_the_share_is_that_of_the_disc_and_the_mask_goes_back_to_full_size() -> None:
    array = np.zeros((50, 100), dtype=bool)
    array[:, 50:] = True
    mask = JunkMask(array, (100, 200))
    assert share(mask, (50, 50), (99.5, 50), (150, 50), diameter=40) == [0, pytest.approx(0.5, abs=0.1), 1]
    assert share(mask, (-10, -10), (250, 150), diameter=40) == [0, 1]
    full = mask.full()
    assert full.shape == (100, 200)
    assert set(np.unique(full[:, :100])) == {0}
    assert set(np.unique(full[:, 100:])) == {1}


def test_the_dominant_mode_is_that_of_the_ice_where_other_levels_are_many(rng: np.random.Generator) -> None:
    values = np.concatenate([rng.normal(5, 1, 6000), rng.uniform(20, 90, 4000)])
    mode, spread = dominant_mode(values)
    assert mode == pytest.approx(5, abs=0.3)
    assert 0.8 < spread < 2


def test_opening_keeps_what_a_disc_reaches_also_at_the_edge() -> None:
    mask = np.zeros((60, 60), dtype=bool)
    mask[20:24, 5:55] = True  # a line: too thin
    mask[40:60, 20:60] = True  # an area at the edge
    left = opened(mask, 8.0)
    assert not left[:36].any()
    assert left[45:, 30:].all()
    assert not (left & ~mask).any()


def test_smoothing_a_view_does_not_bring_junk(ice: Array) -> None:
    assert find_junk(ndimage.gaussian_filter(ice, 3), DIAMETER).area == 0


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"diameter_px": 0}, "diameter_px: found"),
        ({"short_sides_px": (512, 256)}, "short_sides_px"),
        ({"level": 0}, "level"),
        ({"steepness": 0.0}, "steepness"),
        ({"blob_diameters": 0.9}, "expected more than 1"),
    ],
)
def test_settings_without_meaning_are_refused(values: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        JunkConfig(**values)  # type: ignore[arg-type]


def test_the_ice_ball_of_a_real_micrograph_and_no_haemocyanin(shared_data) -> None:
    folder = shared_data / "micrographs/ice_ball_mrc"
    mask = find_junk(read_micrograph(folder / "Ucsf_stack_1142_DW.mrc").array, 25.0).full() > 0.5
    ball = read_micrograph(folder / "contamination_mask.mrc").array > 0.5
    assert (mask & ball).sum() / ball.sum() > 0.85
    assert (mask & ~ball).sum() / mask.sum() < 0.15
    klh = shared_data / "micrographs/klh/far_from_focus"
    name = "01nov26b.001.001.001.002"
    table = read_coordinates(klh / f"coordinates/{name}.csv")
    junk = find_junk(read_micrograph(klh / f"images/{name}.jpg").array, 87.5)
    assert junk.share(*(table[c].to_numpy() for c in ("x", "y", "diameter_px"))).max() < 0.5
