"""The specimen as the beam sees it: a canvas of phase and loss, larger than the micrograph by a margin.

Particles, ice and junk write into it; `simulate` sends a wave through it. Also here: the smooth random fields
that several effects share.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cryopick_cli.simulation.structure import FloatArray


@dataclass(frozen=True)
class Material:
    """A material in the beam: mean inner potential, V, and inelastic mean free path, Å."""

    potential: float
    mean_free_path: float


# Potentials are what the wave sees against its surroundings: protein against ice, the others against vacuum.
ICE = Material(3.0, 2800.0)
CARBON = Material(9.0, 1500.0)
GOLD = Material(8.0, 110.0)
PROTEIN = Material(3.0, 2500.0)
WHOLE = (slice(None), slice(None))


@dataclass(kw_only=True)
class Specimen:
    """What lies in the beam.

    Parameters
    ----------
    edge
        Edge of the canvas, px: the micrograph and ``margin`` on every side.
    margin
        px.
    pixel_size
        Å/px.
    phase_per_volt
        Interaction constant, rad per V Å.
    """

    edge: int
    margin: int
    pixel_size: float
    phase_per_volt: float
    phase: FloatArray = field(init=False)
    """Phase of the transmitted wave, rad."""
    loss: FloatArray = field(init=False)
    """Amplitude lost, as the exponent of exp(-loss)."""
    thickness: FloatArray = field(init=False)
    """Ice thickness relative to the mean; 0 where there is no ice."""
    mean_thickness: float = field(init=False, default=0.0)
    """Of the ice, Å; 0 until there is ice."""
    covered: NDArray[np.bool_] = field(init=False)
    """True under junk that hides particles."""

    def __post_init__(self) -> None:
        shape = (self.edge, self.edge)
        self.phase = np.zeros(shape, np.float32)
        self.loss = np.zeros(shape, np.float32)
        self.thickness = np.ones(shape, np.float32)
        self.covered = np.zeros(shape, np.bool_)

    @property
    def view_px(self) -> int:
        """Edge of the micrograph within the canvas, px."""
        return self.edge - 2 * self.margin

    @property
    def scale(self) -> float:
        """Size of a working-scale pixel (micrograph 1024 px wide) in pixels of this canvas."""
        return self.view_px / 1024.0

    def window(self, x: float, y: float, reach: float) -> tuple[slice, slice, FloatArray, FloatArray]:
        """Cut the square of half edge ``reach`` px about (x, y); give its offsets from the centre."""
        top, bottom = max(0, int(y - reach)), min(self.edge, int(y + reach) + 2)
        left, right = max(0, int(x - reach)), min(self.edge, int(x + reach) + 2)
        dy = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(y)
        dx = np.arange(left, right, dtype=np.float32)[None, :] - np.float32(x)
        return slice(top, bottom), slice(left, right), dy, dx

    def add_weak(self, phase: FloatArray, absorption: float) -> None:
        """Add a phase (rad) whose amplitude contrast is ``absorption`` per rad."""
        self.phase += phase
        self.loss += np.float32(absorption) * phase

    def add_material(
        self, thickness: FloatArray, material: Material, where: tuple[slice, slice] = WHOLE
    ) -> None:
        """Add ``thickness`` Å of a material; a negative thickness takes it away."""
        self.phase[where] += np.float32(material.potential * self.phase_per_volt) * thickness
        self.loss[where] += thickness / np.float32(2.0 * material.mean_free_path)


def smooth_field(rng: np.random.Generator, edge: int, modes: int, slope: float = 1.0) -> FloatArray:
    """Draw a smooth random field, mean 0 and about unit variance, float32 (edge, edge).

    Sum of cosines of up to ``modes`` half periods along each side, amplitudes falling with frequency to the
    power ``slope``.
    """
    number = np.arange(modes + 1)
    coefficient = (
        rng.standard_normal((modes + 1, modes + 1)) / np.hypot(number[:, None], number).clip(1.0) ** slope
    )
    coefficient[0, 0] = 0.0
    basis = np.cos(np.pi * np.outer(np.arange(edge) + 0.5, number) / edge).astype(np.float32)
    drawn = basis @ coefficient.astype(np.float32) @ basis.T
    return np.asarray(drawn / max(float(drawn.std()), 1e-6), dtype=np.float32)


def wobbly_radius(rng: np.random.Generator, angle: FloatArray, roughness: float) -> FloatArray:
    """Give the radius of a random closed outline at each angle, mean about 1."""
    radius = np.ones_like(angle)
    for number in range(2, 8):
        radius += np.float32(roughness / number * rng.standard_normal()) * np.cos(
            np.float32(number) * angle + np.float32(rng.uniform(0, 2 * np.pi))
        )
    return np.clip(radius, 0.25, None)
