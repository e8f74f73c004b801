"""Projections keep the mass, the place and the size of a particle."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cryopick_cli.simulation.projection import coarsen, draw_orientations, paste, project
from cryopick_cli.simulation.structure import Structure


@pytest.fixture
def particle(rng: np.random.Generator) -> Structure:
    xyz = rng.normal(0.0, [30.0, 20.0, 10.0], (3000, 3))
    return Structure.centred(name="p", category="c", xyz=xyz, electrons=rng.uniform(1, 40, 3000), blur=2.0)


def test_coarsening_keeps_mass_and_centre(particle: Structure) -> None:
    coarse = coarsen(particle, 5.0, 100_000)
    assert len(coarse.xyz) < len(particle.xyz)
    assert coarse.electrons.sum() == pytest.approx(particle.electrons.sum(), rel=1e-5)
    np.testing.assert_allclose(np.average(coarse.xyz, axis=0, weights=coarse.electrons), 0.0, atol=1e-2)


def test_coarsening_obeys_the_limit_and_blurs_more(particle: Structure) -> None:
    coarse = coarsen(particle, 1.0, 200)
    assert len(coarse.xyz) <= 200
    assert coarse.blur > particle.blur


def test_projection_keeps_the_mass_in_every_direction(particle: Structure, rng: np.random.Generator) -> None:
    stamps = project(particle, draw_orientations(rng, 12, 0.5), 3.7, np.zeros(12))
    np.testing.assert_allclose(stamps.sum(axis=(1, 2)), particle.electrons.sum(), rtol=1e-4)


def test_projection_is_centred(particle: Structure, rng: np.random.Generator) -> None:
    stamps = project(particle, draw_orientations(rng, 5, 0.0), 2.0, np.zeros(5))
    centre = stamps.shape[1] // 2
    y, x = np.indices(stamps.shape[1:]) - centre
    for stamp in stamps:
        assert (stamp * x).sum() / stamp.sum() == pytest.approx(0.0, abs=0.02)
        assert (stamp * y).sum() / stamp.sum() == pytest.approx(0.0, abs=0.02)


def test_projection_shows_the_axes_turned_into_the_plane(particle: Structure) -> None:
    upright, along_x = np.eye(3), Rotation.from_euler("y", 90, degrees=True).as_matrix()
    stamps = project(particle, np.stack([upright, along_x]), 2.0, np.zeros(2))
    _, x = np.indices(stamps.shape[1:]) - stamps.shape[1] // 2
    spread = [np.sqrt((stamp * x**2).sum() / stamp.sum()) * 2.0 for stamp in stamps]
    assert spread[0] == pytest.approx(30.0, rel=0.06)
    assert spread[1] == pytest.approx(10.0, rel=0.06)


def test_broken_particles_lose_the_share_asked_for() -> None:
    xyz = np.random.default_rng(1).normal(0, 20, (4000, 3))
    even = Structure.centred(name="p", category="c", xyz=xyz, electrons=np.ones(4000), blur=1.0)
    stamps = project(even, np.stack([np.eye(3)] * 2), 2.0, np.array([0.0, 0.25]))
    assert stamps[1].sum() / stamps[0].sum() == pytest.approx(0.75, abs=0.01)


def test_orientations_are_rotations_and_prefer_a_direction(rng: np.random.Generator) -> None:
    turns = draw_orientations(rng, 200, 1.0)
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.eye(3)[None].repeat(200, 0), atol=1e-9)
    views = turns[:, 2, :]
    principal = np.linalg.svd(views)[1][0] ** 2 / len(views)
    anywhere = draw_orientations(rng, 200, 0.0)[:, 2, :]
    assert np.linalg.svd(anywhere)[1][0] ** 2 / 200 < 0.5
    # Looking down one axis or all around in one plane: both are far from even.
    assert principal > 0.45


def test_paste_keeps_mass_and_subpixel_place() -> None:
    canvas = np.zeros((40, 50), np.float32)
    stamp = np.zeros((7, 7), np.float32)
    stamp[2:5, 2:5] = 1.0
    paste(canvas, stamp, 20.3, 15.8)
    y, x = np.indices(canvas.shape)
    assert canvas.sum() == pytest.approx(9.0, rel=1e-5)
    assert (canvas * x).sum() / 9.0 == pytest.approx(20.3, abs=1e-4)
    assert (canvas * y).sum() / 9.0 == pytest.approx(15.8, abs=1e-4)


@pytest.mark.parametrize(("x", "y"), [(-1.0, 10.0), (49.6, 39.5), (25.0, -3.2), (-30.0, 10.0), (90.0, 90.0)])
def test_paste_at_and_beyond_the_edge_adds_what_fits(x: float, y: float) -> None:
    big = np.zeros((240, 250), np.float32)
    small = np.zeros((40, 50), np.float32)
    stamp = np.random.default_rng(3).random((9, 9)).astype(np.float32)
    paste(big, stamp, x + 100, y + 100)
    paste(small, stamp, x, y)
    np.testing.assert_allclose(small, big[100:140, 100:150], atol=1e-6)
