"""What is added to a structure: micelle, genome, flexible part."""

from __future__ import annotations

import numpy as np
import pytest

from cryopick_cli.simulation.config import ParticleConfig
from cryopick_cli.simulation.species import add_flexible_part, add_genome, add_micelle, draw_species
from cryopick_cli.simulation.structure import Structure
from cryopick_cli.simulation.structures import StructureLibrary


def make(points: np.ndarray, category: str = "enzyme") -> Structure:
    return Structure.centred(
        name="p", category=category, xyz=points, electrons=np.full(len(points), 30.0), blur=2.0
    )


def test_micelle_is_a_belt_about_the_long_axis(rng: np.random.Generator) -> None:
    channel = make(rng.uniform(-1, 1, (4000, 3)) * [20.0, 20.0, 60.0])
    dressed = add_micelle(rng, channel)
    assert dressed.electrons.sum() > 1.05 * channel.electrons.sum()
    extent = np.ptp(dressed.xyz, axis=0)
    assert extent[2] == pytest.approx(120.0, rel=0.05)
    assert np.all(extent[:2] > 60.0)


def test_genome_fills_the_capsid_and_nothing_else(rng: np.random.Generator) -> None:
    direction = rng.standard_normal((8000, 3))
    capsid = make(150.0 * direction / np.linalg.norm(direction, axis=1, keepdims=True), "virus capsid")
    filled = add_genome(rng, capsid)
    radius = np.linalg.norm(filled.xyz, axis=1)
    assert radius.max() < 153.0
    inner = filled.electrons[radius < 100.0].sum() / (4.19 * 100.0**3)
    assert 0.4 * 0.43 * 0.9 < inner < 0.6 * 0.43 * 1.1


def test_flexible_part_moves_a_quarter_at_most_and_keeps_the_mass(rng: np.random.Generator) -> None:
    protein = make(rng.normal(0, 20, (2000, 3)))
    flexible = add_flexible_part(rng, protein)
    moved = np.abs(flexible.xyz - protein.xyz).max(axis=1) > 0
    assert 0.05 < moved.mean() <= 0.26
    assert flexible.electrons.sum() == protein.electrons.sum()


@pytest.mark.parametrize("wanted", [14.0, 60.0, 200.0])
def test_drawn_species_fits_the_size_wanted(wanted: float, rng: np.random.Generator) -> None:
    config = ParticleConfig()
    for _ in range(5):
        species = draw_species(rng, config, StructureLibrary.open(None), wanted)
        assert 0.7 * config.pixel_size[0] < species.diameter / wanted < 1.3 * config.pixel_size[1]
