"""What lies in and on the ice and is no particle: frost, beads, film, fragments, filaments, aggregates.

Each function adds one effect to a `Specimen`. Materials enter with their thickness (Å), inner potential and
inelastic mean free path, so that fringes and darkness follow from the optics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryopick_cli.simulation.specimen import (
    GOLD,
    ICE,
    PROTEIN,
    Material,
    Specimen,
    smooth_field,
    wobbly_radius,
)
from cryopick_cli.simulation.structure import FloatArray


def _place(rng: np.random.Generator, specimen: Specimen) -> tuple[float, float]:
    x, y = rng.uniform(0, specimen.edge, 2)
    return float(x), float(y)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A rounded body: centre (px of the canvas), mean radius (px), height (Å), unevenness of its outline."""

    x: float
    y: float
    radius: float
    height: float
    roughness: float


def add_blob(rng: np.random.Generator, specimen: Specimen, material: Material, blob: Blob) -> None:
    """Add a blob of a material, a little stretched, and cover what lies under it."""
    rows, columns, dy, dx = specimen.window(blob.x, blob.y, 1.8 * blob.radius)
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return
    stretch = np.float32(np.exp(rng.normal(0, 0.12)))
    turn = rng.uniform(0, np.pi)
    along = (np.float32(np.cos(turn)) * dx + np.float32(np.sin(turn)) * dy) * stretch
    across = (np.float32(np.cos(turn)) * dy - np.float32(np.sin(turn)) * dx) / stretch
    outline = wobbly_radius(rng, np.arctan2(across, along), blob.roughness) * np.float32(blob.radius)
    inside = np.clip(1.0 - (along**2 + across**2) / outline**2, 0.0, None)
    profile = (blob.height * inside ** np.float32(rng.uniform(0.3, 0.7))).astype(np.float32)
    specimen.add_material(profile, material, (rows, columns))
    specimen.covered[rows, columns] |= inside > 0


def add_frost(rng: np.random.Generator, specimen: Specimen) -> None:
    """Add frost and ethane blobs of 4 to 60 working px, faint to dark, single and in chains."""
    count = int(_log_uniform(rng, 1, 30))
    usual = _log_uniform(rng, 4, 28) * specimen.scale
    roughness = _log_uniform(rng, 0.02, 0.3)
    flatness = _log_uniform(rng, 0.1, 1.0)
    for _ in range(count):
        x, y = _place(rng, specimen)
        radius = float(usual * np.exp(rng.normal(0, 0.5)))
        for _ in range(1 if rng.random() < 0.75 else int(rng.integers(2, 6))):
            height = min(flatness * rng.uniform(0.5, 1.5) * 2.0 * radius * specimen.pixel_size, 1500.0)
            add_blob(rng, specimen, ICE, Blob(x=x, y=y, radius=radius, height=height, roughness=roughness))
            x, y = x + rng.normal(0, 1.2 * radius), y + rng.normal(0, 1.2 * radius)
            radius *= rng.uniform(0.6, 1.2)


def add_ice_balls(rng: np.random.Generator, specimen: Specimen) -> None:
    """Add one to three balls that hide a good part of the view."""
    for _ in range(int(rng.integers(1, 4))):
        radius, height = rng.uniform(70, 420) * specimen.scale, rng.uniform(500, 3000)
        x, y = _place(rng, specimen)
        add_blob(rng, specimen, ICE, Blob(x=x, y=y, radius=radius, height=height, roughness=0.15))


def add_gold_beads(rng: np.random.Generator, specimen: Specimen) -> None:
    """Add dark round beads of one size, 50 to 150 Å wide, at least 3 px."""
    radius = max(rng.uniform(25, 75) / specimen.pixel_size, 1.5)
    height = 1.2 * radius * specimen.pixel_size
    for _ in range(int(rng.integers(1, 30))):
        x, y = _place(rng, specimen)
        add_blob(rng, specimen, GOLD, Blob(x=x, y=y, radius=radius, height=height, roughness=0.04))


def add_denatured_film(rng: np.random.Generator, specimen: Specimen) -> None:
    """Add a mottled film of unfolded protein, in patches or everywhere."""
    grain = max(rng.uniform(15, 60) / specimen.pixel_size, 1.0)
    noise = rng.standard_normal((specimen.edge, specimen.edge), dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, grain, truncate=2.5)
    noise = np.clip(noise / noise.std() - np.float32(rng.uniform(0.0, 1.5)), 0.0, 2.5)
    if rng.random() < 0.7:
        noise *= np.clip(smooth_field(rng, specimen.edge, 6) * 2.0 - np.float32(rng.uniform(-1, 1)), 0.0, 1.0)
    specimen.add_material(noise * np.float32(rng.uniform(4, 20)), PROTEIN)


def add_fragments(rng: np.random.Generator, specimen: Specimen, particle_px: float) -> None:
    """Add ten to some hundred small bits of protein, well below the particle's size (px)."""
    largest = 0.16 * particle_px
    count = int(_log_uniform(rng, 10, 500))
    spots = np.zeros((specimen.edge, specimen.edge), np.float32)
    row, column = rng.integers(0, specimen.edge, (2, count))
    np.add.at(spots, (row, column), rng.uniform(0.2, 1.0, count).astype(np.float32))
    sigma = rng.uniform(min(0.8, 0.5 * largest), max(0.6 * largest, 0.81))
    spots = ndimage.gaussian_filter(spots, sigma, truncate=3.0) * np.float32(2 * np.pi * sigma**2)
    thickness = min(2.0 * sigma * specimen.pixel_size, 60.0) * rng.uniform(0.4, 1.0)
    specimen.add_material(spots * np.float32(thickness), PROTEIN)


def bent_line(
    rng: np.random.Generator, specimen: Specimen, bend: float, wobble: float
) -> tuple[FloatArray, FloatArray]:
    """Give each pixel's distance (px) across a line through a random place, and the way along it from there.

    ``bend`` is the sagitta over the whole canvas as a share of its edge; ``wobble`` px of random winding.
    """
    x, y = _place(rng, specimen)
    turn = rng.uniform(0, np.pi)
    axis = np.arange(specimen.edge, dtype=np.float32)
    dx, dy = axis - np.float32(x), axis[:, None] - np.float32(y)
    along = np.float32(np.cos(turn)) * dx + np.float32(np.sin(turn)) * dy
    across = np.float32(np.cos(turn)) * dy - np.float32(np.sin(turn)) * dx
    across += np.float32(bend / specimen.edge) * along**2
    if wobble > 0:
        across += np.float32(wobble) * smooth_field(rng, specimen.edge, 6)
    return across, along


def add_filaments(rng: np.random.Generator, specimen: Specimen) -> None:
    """Add filaments of one width (20 to 260 Å): straight or winding, solid or hollow, long or short."""
    width = float(np.clip(_log_uniform(rng, 20, 260) / specimen.pixel_size, 2.0, 60.0 * specimen.scale))
    hollow, stiff, long = rng.random() < 0.4, rng.random() < 0.5, rng.random() < 0.6
    depth = np.float32(min(width * specimen.pixel_size, 200.0) * rng.uniform(0.3, 0.8))
    for _ in range(int(rng.integers(1, 7))):
        bend = 0.0 if stiff else rng.normal(0, 0.15)
        winding = 0.0 if stiff else rng.uniform(0, 0.06) * specimen.edge
        distance, along = bent_line(rng, specimen, bend, winding)
        squared = (distance / np.float32(width / 2)) ** 2
        profile = np.sqrt(np.clip(1.0 - squared, 0.0, None))
        if hollow:
            profile -= np.float32(0.8) * np.sqrt(np.clip(0.2 - squared, 0.0, None))
        if not long:
            profile *= np.abs(along) < np.float32(width * rng.uniform(2.0, 12.0))
        specimen.add_material(profile * depth, PROTEIN)
        if width > 8 * specimen.scale:
            specimen.covered |= profile > 0


def aggregate_centres(rng: np.random.Generator, diameter_px: float, edge: int) -> NDArray[np.float64]:
    """Draw the centres (n, 2) of particles piled into one to four aggregates, px of the micrograph."""
    piles = []
    for _ in range(int(rng.integers(1, 5))):
        count = int(rng.integers(6, 40))
        spread = 0.28 * diameter_px * np.sqrt(count)
        turn, squeeze = rng.uniform(0, np.pi), rng.uniform(0.3, 1.0)
        offset = rng.standard_normal((count, 2)) * spread * [1.0, squeeze]
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        piles.append(rng.uniform(0, edge, 2) + offset @ rotation)
    return np.concatenate(piles)
