"""The ice: its thickness over the micrograph and the texture of its molecules."""

from __future__ import annotations

import numpy as np
from scipy import fft

from cryopick_cli.simulation.config import JunkConfig
from cryopick_cli.simulation.specimen import ICE, Specimen, smooth_field
from cryopick_cli.simulation.structure import FloatArray

WATER_DENSITY = 0.0314
"""Molecules per Å³ of low-density amorphous ice (0.94 g/cm³)."""

WATER_POTENTIAL = 111.0
"""Potential of a water molecule integrated over its volume, V Å³: 3.5 V of mean inner potential."""

STRUCTURE_FACTOR = 0.02
"""Of amorphous ice at small angles, about: its density varies less than an ideal gas by this in variance."""


def texture_sigma(thickness: float, pixel_size: float, phase_per_volt: float) -> float:
    """Give the deviation (rad) of the phase of ice ``thickness`` Å thick in pixels of ``pixel_size`` Å."""
    molecules = WATER_DENSITY * thickness * pixel_size**2
    single = WATER_POTENTIAL / pixel_size**2 * phase_per_volt
    return float(single * np.sqrt(STRUCTURE_FACTOR * molecules))


def texture(rng: np.random.Generator, edge: int, clumping: float) -> FloatArray:
    """Draw the texture of ice, unit variance per pixel before ``clumping`` adds slow variation (float32)."""
    white = rng.standard_normal((edge, edge), dtype=np.float32)
    if clumping <= 0:
        return white
    spectrum = fft.rfft2(white)
    across = np.fft.rfftfreq(edge).astype(np.float32)
    down = np.fft.fftfreq(edge).astype(np.float32)[:, None]
    frequency = np.sqrt(across**2 + down**2).clip(1.0 / edge)
    spectrum *= 1.0 + np.float32(clumping) * (0.02 / frequency)
    return np.asarray(fft.irfft2(spectrum, s=(edge, edge)), dtype=np.float32)


def draw_thickness(rng: np.random.Generator, specimen: Specimen) -> None:
    """Give the ice a gradient, a lens (thin in the middle of the hole) or slow waves."""
    kind = rng.random()
    if kind < 0.45:
        profile = smooth_field(rng, specimen.edge, 1)
    elif kind < 0.7:
        axis = np.linspace(-1, 1, specimen.edge, dtype=np.float32)
        x, y = rng.uniform(-0.8, 0.8, 2).astype(np.float32)
        profile = (axis - x) ** 2 + (axis[:, None] - y) ** 2 - np.float32(0.8)
    else:
        profile = smooth_field(rng, specimen.edge, 3)
    specimen.thickness *= np.exp(np.float32(np.exp(rng.uniform(np.log(0.01), np.log(0.25)))) * profile)


def add_ice(rng: np.random.Generator, specimen: Specimen, thickness: float, config: JunkConfig) -> float:
    """Add the texture and the loss of ice of mean ``thickness`` Å; gives the texture's deviation, rad."""
    specimen.mean_thickness = thickness
    noise = float(np.exp(rng.uniform(*np.log(config.ice_noise))))
    sigma = texture_sigma(thickness, specimen.pixel_size, specimen.phase_per_volt) * noise
    clumping = rng.uniform(0.0, 1.5) if rng.random() < 0.6 else 0.0
    specimen.phase += np.float32(sigma) * texture(rng, specimen.edge, clumping) * np.sqrt(specimen.thickness)
    specimen.loss += np.float32(thickness / (2.0 * ICE.mean_free_path)) * specimen.thickness
    return sigma
