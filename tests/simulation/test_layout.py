"""Where particles lie: distance, number, clusters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from cryopick_cli.simulation.config import LayoutConfig
from cryopick_cli.simulation.layout import draw_centres, draw_count, thin_to_spacing

EVEN = LayoutConfig(clustered_probability=0.0, uneven_probability=0.0, spacing=(1.0, 1.0))


def test_no_two_centres_are_closer_than_the_spacing(rng: np.random.Generator) -> None:
    centres = draw_centres(rng, EVEN, 300, 20.0, 1024)
    assert len(centres) == 300
    nearest = cKDTree(centres).query(centres, k=2)[0][:, 1]
    assert nearest.min() >= 20.0


def test_centres_lie_in_view_or_just_outside(rng: np.random.Generator) -> None:
    centres = draw_centres(rng, EVEN, 1000, 30.0, 512)
    assert centres.min() >= -15.0
    assert centres.max() <= 511 + 15.0
    assert ((centres < 0) | (centres > 511)).any()


def test_thinning_keeps_the_first_come() -> None:
    candidates = np.array([[10.0, 10.0], [12.0, 10.0], [30.0, 10.0], [-5.0, 10.0], [-8.0, 10.0]])
    kept = thin_to_spacing(candidates, 10.0, 10)
    np.testing.assert_array_equal(kept, candidates[[0, 2, 3]])
    assert len(thin_to_spacing(candidates, 10.0, 2)) == 2
    assert thin_to_spacing(np.zeros((0, 2)), 10.0, 2).shape == (0, 2)


def test_clusters_leave_empty_ground(rng: np.random.Generator) -> None:
    clustered = LayoutConfig(clustered_probability=1.0, uneven_probability=0.0, spacing=(0.8, 0.8))

    def empty_cells(config: LayoutConfig) -> float:
        shares = []
        for _ in range(8):
            centres = draw_centres(rng, config, 400, 20.0, 1024)
            cells = np.histogram2d(*centres.T, bins=8, range=[[0, 1023]] * 2)[0]
            shares.append((cells == 0).mean())
        return float(np.mean(shares))

    assert empty_cells(EVEN) < 0.03
    assert empty_cells(clustered) > 0.1


@pytest.mark.parametrize("diameter", [14.0, 60.0, 200.0])
def test_count_stays_in_bounds(diameter: float, rng: np.random.Generator) -> None:
    counts = [draw_count(rng, LayoutConfig(), diameter, 1024) for _ in range(300)]
    most = 0.75 * 1024**2 / (0.25 * np.pi * diameter**2)
    assert min(counts) >= 1
    assert max(counts) <= min(1200, round(most))
    assert len(set(counts)) > 5
