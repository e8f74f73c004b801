"""Procedural particles: size, density, symmetry, holes."""

from __future__ import annotations

import numpy as np
import pytest

from cryopick_cli.simulation.reference import reference_diameter
from cryopick_cli.simulation.shapes import MAKERS, make_barrel, make_shape, make_shell, symmetry_operators
from cryopick_cli.simulation.structure import PROTEIN_ELECTRONS


@pytest.mark.parametrize("kind", MAKERS)
def test_shape_is_about_as_large_as_asked(kind: str, rng: np.random.Generator) -> None:
    for diameter in (80.0, 250.0):
        found = [reference_diameter(make_shape(rng, diameter, kind)) for _ in range(6)]
        assert 0.75 * diameter < np.median(found) < 1.2 * diameter


@pytest.mark.parametrize("kind", MAKERS)
def test_shape_is_no_denser_than_protein(kind: str, rng: np.random.Generator) -> None:
    structure = make_shape(rng, 150.0, kind)
    assert structure.name == kind
    assert structure.category == "procedural"
    volume_of_ball = np.pi / 6.0 * (2.0 * np.linalg.norm(structure.xyz, axis=1).max()) ** 3
    assert 0.01 < structure.electrons.sum() / volume_of_ball / PROTEIN_ELECTRONS < 1.0
    np.testing.assert_allclose(np.average(structure.xyz, axis=0, weights=structure.electrons), 0, atol=1e-2)


def test_shares_of_the_kinds_make_a_whole(rng: np.random.Generator) -> None:
    assert sum(share for share, _ in MAKERS.values()) == pytest.approx(1.0)
    assert {make_shape(rng, 100.0).name for _ in range(60)} == set(MAKERS)


@pytest.mark.parametrize("make", [make_barrel, make_shell])
def test_hollow_shapes_are_hollow(make: object, rng: np.random.Generator) -> None:
    points = [make(rng) for _ in range(12)]  # type: ignore[operator]
    # Of most, hardly a point lies near the axis; some are filled on purpose.
    near = [(np.hypot(p[:, 0], p[:, 1]) < 0.25 * np.abs(p[:, 0]).max()).mean() for p in points]
    assert np.median(near) < 0.08


@pytest.mark.parametrize(("order", "dihedral", "count"), [(1, False, 1), (7, False, 7), (5, True, 10)])
def test_symmetry_operators_form_a_group(order: int, dihedral: bool, count: int) -> None:
    operators = symmetry_operators(order, dihedral=dihedral)
    assert len(operators) == count
    np.testing.assert_allclose(np.linalg.det(operators), 1.0)
    products = np.einsum("aij,bjk->abik", operators, operators).reshape(-1, 1, 9)
    distance = np.abs(products - operators.reshape(1, -1, 9)).max(axis=2)
    np.testing.assert_allclose(distance.min(axis=1), 0.0, atol=1e-12)
