"""All particles of a micrograph: drawn, laid out, projected, and written down in the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from cryopick_cli.simulation.config import ParticleConfig, SimulationConfig
from cryopick_cli.simulation.contamination import aggregate_centres
from cryopick_cli.simulation.layout import draw_centres, draw_count
from cryopick_cli.simulation.projection import coarsen, draw_orientations, paste, project
from cryopick_cli.simulation.reference import reference_table, visible_share
from cryopick_cli.simulation.species import Species, draw_species
from cryopick_cli.simulation.specimen import Specimen
from cryopick_cli.simulation.structure import FloatArray
from cryopick_cli.simulation.structures import StructureLibrary

HIDDEN_BEYOND = 0.5
"""A particle with less than this share free of junk is to be ignored."""

LEAST_BLUR_PX = 0.45
"""Points splatted on a grid are blurred by at least this (Gaussian sigma), or the grid would show."""

CUT_BEYOND = 2.0 / 3.0
"""A particle with less than this share inside the micrograph is to be ignored."""


@dataclass(frozen=True, kw_only=True)
class Particle:
    """A particle in its place.

    Parameters
    ----------
    projection
        float32 (edge, edge), electrons per pixel of a whole one, not blurred; particles may share it.
    occupancy
        Share of the electrons that this one has.
    x, y
        Centre, px of the canvas.
    """

    projection: FloatArray
    occupancy: np.float32
    x: float
    y: float

    def lies_in(self, region: NDArray[np.bool_]) -> bool:
        """Say whether the centre is in a region of the canvas; beyond the canvas its edge decides."""
        height, width = region.shape
        return bool(region[np.clip(round(self.y), 0, height - 1), np.clip(round(self.x), 0, width - 1)])


@dataclass(frozen=True, kw_only=True)
class Population:
    """The particles of one micrograph.

    Parameters
    ----------
    particles
        All that were drawn, those in aggregates too.
    blur_px
        Gaussian sigma that all projections still need, px.
    electrons
        float32 canvas, projected electrons per Å² of all particles.
    reference
        Table of `reference.COLUMNS`.
    diameter
        Of the largest species, Å.
    aggregated
        Whether some lie in aggregates.
    """

    particles: tuple[Particle, ...]
    blur_px: float
    electrons: FloatArray
    reference: pd.DataFrame
    diameter: float
    aggregated: bool

    def electrons_within(self, region: NDArray[np.bool_], pixel_size: float) -> FloatArray:
        """Give the electrons of the particles whose centres lie in a region, each particle whole.

        Parameters
        ----------
        region
            bool canvas.
        pixel_size
            Å/px.

        Returns
        -------
        float32 canvas
            Projected electrons per Å². Those of a region and of what is outside it add up to ``electrons``.
        """
        chosen = [particle for particle in self.particles if particle.lies_in(region)]
        return superpose(chosen, self.blur_px, region.shape, pixel_size)


def draw_kinds(
    rng: np.random.Generator, config: SimulationConfig, library: StructureLibrary
) -> tuple[list[Species], float]:
    """Draw one or two species and the pixel size (Å, of the micrograph as written) that they share."""
    particles = config.particles
    wanted = float(np.exp(rng.uniform(*np.log(particles.diameter_px))))
    first = draw_species(rng, particles, library, wanted)
    pixel = float(np.clip(first.diameter / wanted, *particles.pixel_size))
    kinds = [first]
    if rng.random() < particles.second_species_probability:
        low, high = particles.diameter_px
        second = draw_species(
            rng, particles, library, float(np.clip(wanted * np.exp(rng.uniform(-0.7, 0.7)), low, high))
        )
        if low <= second.diameter / pixel <= high:
            kinds.append(second)
    return kinds, pixel * 1024.0 / config.size_px


def populate(
    rng: np.random.Generator, config: SimulationConfig, specimen: Specimen, kinds: list[Species]
) -> Population:
    """Lay out and project all particles; those in aggregates cover what lies under them."""
    groups: list[tuple[Species, NDArray[np.float64]]] = []
    aggregated = rng.random() < config.junk.strength * config.junk.aggregate_probability
    if aggregated:
        diameter_px = kinds[0].diameter / specimen.pixel_size
        piles = aggregate_centres(rng, diameter_px, config.size_px)
        _cover(specimen, piles, diameter_px)
        groups.append((kinds[0], piles))
    if rng.random() >= config.layout.empty_probability:
        groups += _lay_out(rng, config, specimen.pixel_size, kinds)
    particles: list[Particle] = []
    blur_px = LEAST_BLUR_PX
    for kind, centres in groups:
        projected, blur = _project_particles(rng, config.particles, kind, centres, specimen)
        particles += projected
        blur_px = max(blur_px, blur)
    tables = [_judge(centres, kind.diameter / specimen.pixel_size, specimen) for kind, centres in groups]
    if aggregated:
        # Whoever stands apart in a pile is neither a particle that one must find nor background.
        tables[0] = tables[0].assign(ignore=True)
    return Population(
        particles=tuple(particles),
        blur_px=blur_px,
        electrons=superpose(particles, blur_px, specimen.phase.shape, specimen.pixel_size),
        reference=pd.concat(tables, ignore_index=True) if tables else _nothing(),
        diameter=max(kind.diameter for kind in kinds),
        aggregated=aggregated,
    )


def superpose(
    particles: Sequence[Particle], blur_px: float, shape: tuple[int, int], pixel_size: float
) -> FloatArray:
    """Add particles up on a canvas (float32, ``shape``) and blur them; gives electrons per Å²."""
    canvas = np.zeros(shape, np.float32)
    for particle in particles:
        paste(canvas, particle.projection * particle.occupancy, particle.x, particle.y)
    if particles:
        canvas = ndimage.gaussian_filter(canvas, blur_px, truncate=3.0)
    return canvas / np.float32(pixel_size**2)


def _lay_out(
    rng: np.random.Generator, config: SimulationConfig, pixel_size: float, kinds: list[Species]
) -> list[tuple[Species, NDArray[np.float64]]]:
    """Draw centres that keep the distance of the largest species, and who stands on which."""
    largest = max(kind.diameter for kind in kinds) / pixel_size
    count = draw_count(rng, config.layout, largest, config.size_px)
    centres = draw_centres(rng, config.layout, count, largest, config.size_px)
    kind_of = rng.integers(0, len(kinds), len(centres))
    groups = [(kind, centres[kind_of == number]) for number, kind in enumerate(kinds)]
    return [(kind, chosen) for kind, chosen in groups if len(chosen)]


def _project_particles(
    rng: np.random.Generator,
    config: ParticleConfig,
    species: Species,
    centres: NDArray[np.float64],
    specimen: Specimen,
) -> tuple[list[Particle], float]:
    """Project a species' particles; gives them and the blur that is still due, px."""
    count = max(1, min(config.orientations, len(centres)))
    structure = coarsen(
        species.structure, 0.7 * specimen.pixel_size, max(300, config.projected_points // count)
    )
    preferred = rng.uniform(0.4, 0.95) if rng.random() < config.preferred_orientation_probability else 0.0
    broken = np.zeros(count)
    if rng.random() < config.broken_probability:
        broken = np.where(rng.random(count) < rng.uniform(0.05, 0.3), rng.uniform(0.1, 0.4, count), 0.0)
    stamps = project(structure, draw_orientations(rng, count, preferred), specimen.pixel_size, broken)
    occupancy = rng.uniform(0.85, 1.0, len(centres)).astype(np.float32)
    turns = rng.integers(0, 8, len(centres))
    particles = []
    for number, (x, y) in enumerate(centres + specimen.margin):
        stamp = stamps[number % count]
        stamp = np.rot90(stamp.T if turns[number] >= 4 else stamp, turns[number] % 4)
        particles.append(Particle(projection=stamp, occupancy=occupancy[number], x=x, y=y))
    return particles, structure.blur / specimen.pixel_size


def _cover(specimen: Specimen, piles: NDArray[np.float64], diameter_px: float) -> None:
    """Mark the discs of piled particles as covered."""
    for x, y in piles + specimen.margin:
        rows, columns, dy, dx = specimen.window(x, y, diameter_px / 2)
        if rows.stop > rows.start and columns.stop > columns.start:
            specimen.covered[rows, columns] |= dx**2 + dy**2 < (diameter_px / 2) ** 2


def _judge(centres: NDArray[np.float64], diameter_px: float, specimen: Specimen) -> pd.DataFrame:
    """Make the reference table of one species; what is cut or hidden too much is to ignore."""
    inside, free = visible_share(centres, diameter_px, specimen.covered, specimen.margin)
    ignore = (inside < CUT_BEYOND) | (free < HIDDEN_BEYOND)
    return reference_table(centres, np.full(len(centres), diameter_px), np.minimum(inside, free), ignore)


def _nothing() -> pd.DataFrame:
    return reference_table(np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros(0, np.bool_))
