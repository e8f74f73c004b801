"""One kind of particle in one micrograph: drawn, dressed (micelle, genome, flexible part), measured."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryopick_cli.simulation.config import ParticleConfig
from cryopick_cli.simulation.reference import reference_diameter
from cryopick_cli.simulation.shapes import make_shape, random_ball
from cryopick_cli.simulation.structure import PROTEIN_ELECTRONS, Structure
from cryopick_cli.simulation.structures import StructureLibrary


@dataclass(frozen=True, kw_only=True)
class Species:
    """A particle with its reference diameter in Å."""

    structure: Structure
    diameter: float


def _extend(structure: Structure, xyz: NDArray[np.float64], electrons: float, blur: float) -> Structure:
    """Add points that share ``electrons`` evenly; the sharper of the two blurs is kept."""
    added = np.full(len(xyz), electrons / len(xyz), np.float32)
    return Structure.centred(
        name=structure.name,
        category=structure.category,
        xyz=np.concatenate([structure.xyz, xyz]),
        electrons=np.concatenate([structure.electrons, added]),
        blur=min(structure.blur, blur),
    )


def add_micelle(rng: np.random.Generator, structure: Structure) -> Structure:
    """Add a belt of detergent or lipid about the long axis of a membrane protein."""
    _, axes = np.linalg.eigh(np.cov(structure.xyz.T, aweights=structure.electrons))
    local = structure.xyz @ axes[:, ::-1]  # the longest axis first
    level = rng.uniform(-0.25, 0.25) * np.ptp(local[:, 0])
    near = np.abs(local[:, 0] - level) < 15.0
    if near.sum() < 20:
        return structure
    half = np.quantile(np.abs(local[near, 1:] - local[near, 1:].mean(axis=0)), 0.95, axis=0)
    grow = rng.uniform(15.0, 28.0)
    radii = np.array([rng.uniform(18.0, 28.0), half[0] + grow, half[1] + grow])
    count = 2500
    belt = random_ball(rng, count)
    hollow = (belt[:, 1] * radii[1] / half[0]) ** 2 + (belt[:, 2] * radii[2] / half[1]) ** 2 < 0.8
    belt = belt[~hollow] * radii
    if len(belt) < 50:
        return structure
    middle = local[near, 1:].mean(axis=0)
    volume = 4.19 * float(radii.prod()) * len(belt) / count
    xyz = (belt + np.array([level, middle[0], middle[1]])) @ axes[:, ::-1].T
    return _extend(structure, xyz, volume * PROTEIN_ELECTRONS * rng.uniform(0.2, 0.6), 4.0)


def add_genome(rng: np.random.Generator, structure: Structure) -> Structure:
    """Fill a capsid with a disordered ball at 0.4 to 0.6 of the density of protein."""
    radius = np.quantile(np.linalg.norm(structure.xyz, axis=1), 0.08)
    volume = 4.19 * float(radius) ** 3
    return _extend(
        structure, random_ball(rng, 6000) * radius, volume * PROTEIN_ELECTRONS * rng.uniform(0.4, 0.6), 6.0
    )


def add_flexible_part(rng: np.random.Generator, structure: Structure) -> Structure:
    """Smear a piece on one side of the particle, as flexible domains do."""
    direction = rng.standard_normal(3)
    direction /= np.linalg.norm(direction)
    along = structure.xyz @ direction.astype(np.float32)
    moving = along > np.quantile(along, rng.uniform(0.75, 0.92))
    xyz = structure.xyz.copy()
    spread = rng.uniform(0.05, 0.12) * float(np.ptp(along))
    xyz[moving] += rng.normal(0, spread, (int(moving.sum()), 3)).astype(np.float32)
    return dataclasses.replace(structure, xyz=xyz)


def draw_species(
    rng: np.random.Generator, particles: ParticleConfig, library: StructureLibrary, diameter_px: float
) -> Species:
    """Draw a particle that can be ``diameter_px`` working pixels wide at an allowed pixel size."""
    structure = None
    if rng.random() >= particles.procedural_share:
        structure = library.draw(rng, diameter_px, particles.pixel_size, particles.usual_pixel_size)
    if structure is None:
        low, high = particles.pixel_size
        pixel = float(np.clip(particles.usual_pixel_size * np.exp(rng.normal(0, 0.5)), low, high))
        structure = make_shape(rng, float(np.clip(pixel * diameter_px, 60.0, 1400.0)))
    structure = _dress(rng, particles, structure)
    return Species(structure=structure, diameter=reference_diameter(structure))


def _dress(rng: np.random.Generator, particles: ParticleConfig, structure: Structure) -> Structure:
    if structure.category == "membrane protein":
        return add_micelle(rng, structure) if rng.random() < particles.micelle_probability else structure
    if structure.category == "virus capsid":
        return add_genome(rng, structure) if rng.random() < particles.genome_probability else structure
    return add_flexible_part(rng, structure) if rng.random() < particles.flexible_probability else structure
