"""The support and its faults: edges of carbon and gold, holes without ice, cracks, the edge of the beam."""

from __future__ import annotations

import numpy as np

from cryopick_cli.simulation.contamination import bent_line
from cryopick_cli.simulation.specimen import CARBON, GOLD, ICE, Specimen, smooth_field
from cryopick_cli.simulation.structure import FloatArray


def rim_distance(rng: np.random.Generator, specimen: Specimen, roughness: float) -> FloatArray:
    """Give the distance (px) outwards from a rim that crosses the view.

    The rim is an arc of 0.6 to 3 edges radius about a centre on one side, rough by up to ``roughness`` px.
    """
    axis = np.arange(specimen.edge, dtype=np.float32)
    direction = rng.uniform(0, 2 * np.pi)
    radius = rng.uniform(0.6, 3.0) * specimen.edge
    # The rim passes 0.05 to 0.45 edges from the middle of the view.
    back = rng.uniform(0.05, 0.45) * specimen.edge - radius
    x, y = specimen.edge / 2 + back * np.cos(direction), specimen.edge / 2 + back * np.sin(direction)
    rough = smooth_field(rng, specimen.edge, 24) * np.float32(
        rng.uniform(0.1, 1.0) * roughness * specimen.scale
    )
    return np.asarray(
        np.hypot(axis - np.float32(x), axis[:, None] - np.float32(y)) - np.float32(radius) + rough
    )


def add_carbon_edge(rng: np.random.Generator, specimen: Specimen) -> None:
    """Add the rim of a hole in carbon film, with the grain of carbon."""
    distance = rim_distance(rng, specimen, 6.0)
    film = np.clip(distance / np.float32(rng.uniform(1.0, 8.0) * specimen.scale), 0.0, 1.0)
    thickness = rng.uniform(60, 300)
    grain = rng.uniform(0.3, 1.0) * 4.0 * np.sqrt(thickness) / specimen.pixel_size
    noise = rng.standard_normal(film.shape, dtype=np.float32) * np.float32(grain)
    specimen.add_material(film * (np.float32(thickness) + noise), CARBON)
    specimen.covered |= distance > 0


def add_gold_edge(rng: np.random.Generator, specimen: Specimen) -> None:
    """Add the rim of a gold foil: nearly black, grained."""
    distance = rim_distance(rng, specimen, 3.0)
    film = np.clip(distance / np.float32(2.0 * specimen.scale), 0.0, 1.0)
    grain = 1.0 + np.float32(0.06) * smooth_field(rng, specimen.edge, 60, 0.2)
    specimen.add_material(film * np.float32(rng.uniform(80, 400)) * grain, GOLD)
    specimen.covered |= distance > 0


def add_empty_hole(rng: np.random.Generator, specimen: Specimen) -> None:
    """Take the ice away on one side of a wavy rim; the rim itself is thick."""
    distance = rim_distance(rng, specimen, 20.0)
    width = np.float32(rng.uniform(3, 15) * specimen.scale)
    rim = np.exp(-0.5 * (distance / width) ** 2) * np.float32(rng.uniform(20, 200))
    gone = np.clip(distance / 3.0, 0.0, 1.0)
    specimen.thickness *= np.clip(1.0 - gone, 0.02, 1.0)
    specimen.add_material(rim - gone * np.float32(rng.uniform(50, 250)), ICE)
    specimen.covered |= distance > 0


def add_cracks(rng: np.random.Generator, specimen: Specimen) -> None:
    """Add one to three cracks: thin, bright, jagged lines where the ice is torn."""
    for _ in range(int(rng.integers(1, 4))):
        jagged = smooth_field(rng, specimen.edge, 40, 1.2) * np.float32(rng.uniform(2, 15) * specimen.scale)
        distance, _ = bent_line(rng, specimen, rng.normal(0, 0.3), 0.0)
        half = np.float32(rng.uniform(1.0, 6.0) * specimen.scale)
        crack = np.clip(1.0 - np.abs(distance + jagged) / half, 0.0, 1.0)
        specimen.thickness *= np.clip(1.0 - 2.0 * crack, 0.05, 1.0)
        specimen.add_material(-np.float32(rng.uniform(30, 250)) * np.sqrt(crack), ICE)
        specimen.covered |= crack > 0


def add_beam_edge(rng: np.random.Generator, specimen: Specimen) -> None:
    """Darken the view beyond the edge of the beam."""
    distance = rim_distance(rng, specimen, 1.0)
    specimen.loss += np.clip(distance / np.float32(rng.uniform(3.0, 40.0) * specimen.scale), 0.0, 4.0)
    specimen.covered |= distance > 0
