"""The diameter in scale space: right for discs, near for rings and spheres, silent where nothing is seen."""

from __future__ import annotations

import numpy as np
import pytest

from cryopick_cli.errors import ConfigError
from cryopick_cli.picking.cross_check import CrossCheckConfig, scale_space_diameter
from cryopick_cli.picking.mean_particle import add_rings, measure_rings, stand_alone

CONFIG = CrossCheckConfig()
CENTRES = np.array([[x, y] for x in range(150, 800, 95) for y in range(150, 500, 95)], dtype=np.float64)


def view_of(shape: str, diameter: float, rng: np.random.Generator, noise: float = 1.0) -> np.ndarray:
    view = rng.normal(0, noise, (650, 930)).astype(np.float32)
    rows, columns = np.indices(view.shape)
    for x, y in CENTRES:
        distance = np.hypot(columns - x, rows - y) / (diameter / 2)
        if shape == "disc":
            view[distance <= 1] -= 1
        elif shape == "ring":
            view[(distance <= 1) & (distance > 0.5)] -= 1
        else:
            view -= np.sqrt(np.clip(1 - distance**2, 0, None)).astype(np.float32)
    return view


def diameter_in(*views: tuple[np.ndarray, np.ndarray], thought: float = 40.0) -> float | None:
    """Give what the picks of some views look like, px; each is an array and (n, 2) centres."""
    rings = []
    for view, centres in views:
        lone = centres[stand_alone(*centres.T, thought, CONFIG.alone)]
        rings.append(measure_rings(view, *lone.T, thought, CONFIG.reach))
    found = scale_space_diameter(add_rings(rings), CONFIG)
    return None if found is None else found * thought


@pytest.mark.parametrize("thought", [28.0, 40.0, 60.0])
@pytest.mark.parametrize(
    ("shape", "low", "high"), [("disc", 0.95, 1.05), ("ring", 0.9, 1.3), ("ball", 0.75, 1)]
)
def test_the_mean_particle_tells_its_diameter(
    shape: str, low: float, high: float, thought: float, rng: np.random.Generator
) -> None:
    view = view_of(shape, 40.0, rng)
    found = diameter_in((view, CENTRES), thought=thought)
    assert found is not None
    assert low <= found / 40.0 <= high


def test_picks_of_several_views_count_together(rng: np.random.Generator) -> None:
    views = [(view_of("disc", 40.0, rng), CENTRES[i::4]) for i in range(4)]
    assert all(len(centres) < CONFIG.fewest_picks for _, centres in views)
    assert diameter_in(views[0]) is None
    assert diameter_in(*views) == pytest.approx(40.0, rel=0.06)


def test_what_is_far_larger_than_thought_looks_far_larger(rng: np.random.Generator) -> None:
    view = view_of("disc", 60.0, rng)
    found = diameter_in((view, CENTRES), thought=22.0)
    assert found is not None
    assert found >= CONFIG.far_apart * 22.0


def test_noise_gives_no_size(rng: np.random.Generator) -> None:
    found = diameter_in((view_of("disc", 1.0, rng), CENTRES))
    assert found is None or found < 25


def test_picks_with_near_neighbours_do_not_count(rng: np.random.Generator) -> None:
    view = view_of("disc", 40.0, rng)
    pairs = np.concatenate([CENTRES, CENTRES + np.array([50.0, 0.0])])
    assert diameter_in((view, pairs)) is None


def test_picks_without_a_whole_patch_do_not_count(rng: np.random.Generator) -> None:
    corners = np.linspace([3.0, 3.0], [900.0, 3.0], 12)
    assert diameter_in((view_of("disc", 40.0, rng), corners)) is None


def test_light_particles_are_no_dark_ones(rng: np.random.Generator) -> None:
    view = -view_of("disc", 40.0, rng, noise=0.1)
    found = diameter_in((view, CENTRES))
    assert found is None or found != pytest.approx(40.0, rel=0.3)


def test_settings_without_meaning_are_refused() -> None:
    with pytest.raises(ConfigError, match="found 0, 10 and 48"):
        CrossCheckConfig(micrographs=0)
    with pytest.raises(ConfigError, match="reach, alone, far_apart"):
        CrossCheckConfig(far_apart=1.0)
