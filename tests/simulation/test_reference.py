"""The reference diameter against shapes of known size and against rendered density; who is to ignore."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cryopick_cli.simulation.projection import project
from cryopick_cli.simulation.reference import (
    COLUMNS,
    FAINT_SHARE,
    reference_diameter,
    reference_table,
    visible_share,
)
from cryopick_cli.simulation.structure import Structure
from cryopick_cli.simulation.structures import StructureLibrary


def solid(points: NDArray[np.float64], blur: float = 2.0) -> Structure:
    return Structure.centred(name="s", category="c", xyz=points, electrons=np.ones(len(points)), blur=blur)


def ball(rng: np.random.Generator, count: int, inner: float = 0.0) -> NDArray[np.float64]:
    direction = rng.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return np.asarray(direction * rng.uniform(inner**3, 1.0, (count, 1)) ** (1 / 3))


def tube(rng: np.random.Generator, count: int, inner: float) -> NDArray[np.float64]:
    angle, radius = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.uniform(inner**2, 1.0, count))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), rng.uniform(-1, 1, count)], 1)


def test_ball_measures_its_diameter(rng: np.random.Generator) -> None:
    assert reference_diameter(solid(100.0 * ball(rng, 20000))) == pytest.approx(200.0, rel=0.05)


def test_shell_measures_its_outer_diameter(rng: np.random.Generator) -> None:
    assert reference_diameter(solid(62.0 * ball(rng, 8000, inner=0.65))) == pytest.approx(124.0, rel=0.05)


def test_rod_measures_its_length(rng: np.random.Generator) -> None:
    rod = tube(rng, 8000, 0.0) * [20.0, 20.0, 100.0]
    assert reference_diameter(solid(rod)) == pytest.approx(200.0, rel=0.05)


def test_barrel_measures_its_side_and_not_its_diagonal(rng: np.random.Generator) -> None:
    # Keyhole limpet haemocyanin: 350 Å wide and 400 Å high, 531 Å from rim to rim.
    barrel = tube(rng, 20000, 0.7) * [175.0, 175.0, 200.0]
    assert reference_diameter(solid(barrel, 4.0)) == pytest.approx(400.0, rel=0.04)


def test_diameter_does_not_depend_on_orientation(rng: np.random.Generator) -> None:
    box = rng.uniform(-1, 1, (20000, 3)) * [100.0, 60.0, 40.0]
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    assert reference_diameter(solid(box @ turn)) == pytest.approx(reference_diameter(solid(box)), rel=0.06)


def test_faint_tail_does_not_count(rng: np.random.Generator) -> None:
    core = 50.0 * ball(rng, 20000)
    tail = rng.uniform(-1, 1, (60, 3)) * [150.0, 3.0, 3.0]
    assert reference_diameter(solid(np.concatenate([core, tail]))) == pytest.approx(100.0, rel=0.08)


def test_diameter_is_the_width_of_the_rendered_density(rng: np.random.Generator) -> None:
    structure = solid(tube(rng, 60000, 0.6) * [60.0, 60.0, 90.0])
    upright = np.array([[[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]])
    stamp = project(structure, upright, 2.0, np.zeros(1))[0]
    profile = stamp.max(axis=0)
    wide = np.flatnonzero(profile > FAINT_SHARE * np.percentile(stamp[stamp > 0], 80))
    assert reference_diameter(structure) == pytest.approx((np.ptp(wide) + 1) * 2.0, rel=0.05)


@pytest.mark.parametrize(
    ("identifier", "low", "high"), [("6Z6U", 115, 130), ("1AON", 180, 210), ("4HHB", 58, 70)]
)
def test_known_particles_measure_what_people_say(
    shared_data: Path, identifier: str, low: float, high: float
) -> None:
    library = StructureLibrary.open(shared_data / "structures")
    path = next(path for path in library.table["path"] if identifier in path)
    assert low < reference_diameter(library.read(path)) < high


def test_flat_particle_is_measured_too(rng: np.random.Generator) -> None:
    sheet = np.column_stack([rng.uniform(-50, 50, (5000, 2)), np.zeros(5000)])
    assert reference_diameter(solid(sheet)) == pytest.approx(100.0, rel=0.1)


def test_visible_share_at_edge_corner_and_middle() -> None:
    covered = np.zeros((220, 220), np.bool_)
    centres = np.array([[100.0, 100.0], [-0.5, 100.0], [-0.5, -0.5], [-40.0, 50.0]])
    inside, free = visible_share(centres, 40.0, covered, 10)
    np.testing.assert_allclose(inside, [1.0, 0.5, 0.25, 0.0], atol=0.05)
    np.testing.assert_allclose(free, 1.0)


def test_junk_hides_what_lies_under_it() -> None:
    covered = np.zeros((220, 220), np.bool_)
    covered[:, 110:] = True  # x from 100 px of the micrograph on
    _, free = visible_share(np.array([[50.0, 50.0], [99.5, 50.0], [150.0, 50.0]]), 40.0, covered, 10)
    np.testing.assert_allclose(free, [1.0, 0.5, 0.0], atol=0.05)


def test_table_has_the_columns_of_the_contract() -> None:
    table = reference_table(np.array([[1.0, 2.0]]), np.array([30.0]), np.array([0.9]), np.array([False]))
    assert tuple(table.columns) == COLUMNS
    assert table.iloc[0].tolist() == [1.0, 2.0, 30.0, 0.9, False]
