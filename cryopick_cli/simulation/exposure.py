"""From specimen to intensity: the microscope, the wave through it, and how well particles show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from cryopick_cli.simulation.config import OpticsConfig
from cryopick_cli.simulation.optics import Optics, contrast_transfer, envelope, frequency_grid, wave_transfer
from cryopick_cli.simulation.specimen import Specimen
from cryopick_cli.simulation.structure import FloatArray


def draw_optics(rng: np.random.Generator, config: OpticsConfig) -> Optics:
    """Draw a microscope and its setting for one micrograph."""
    choice = rng.random()
    voltage = 300.0
    if choice < config.voltage_200_share:
        voltage = 200.0
    elif choice < config.voltage_200_share + config.voltage_120_share:
        voltage = 120.0
    low, high = config.spherical_aberration
    cs = float(np.clip(rng.choice([low, 1.2, 2.0, high, high, high]), low, high))
    plate = rng.random() < config.phase_plate_probability
    # A beta law puts the bulk at 1 to 2.5 µm and leaves some close to focus and some far from it.
    share = rng.uniform(0.0, 0.4) if plate else rng.beta(1.8, 2.0)
    defocus = config.defocus[0] + share * (config.defocus[1] - config.defocus[0])
    return Optics(
        voltage_kv=voltage,
        spherical_aberration_mm=cs,
        defocus=defocus * 1e4,
        astigmatism=rng.uniform(*config.astigmatism) * 1e4,
        astigmatism_deg=rng.uniform(0, 180),
        amplitude_contrast=rng.uniform(*config.amplitude_contrast),
        b_factor=float(np.exp(rng.uniform(*np.log(config.b_factor)))),
        phase_shift_deg=rng.uniform(*config.phase_plate_deg) if plate else 0.0,
        drift=rng.uniform(*config.drift) if rng.random() < config.drift_probability else 0.0,
        drift_deg=rng.uniform(0, 180),
    )


@dataclass(frozen=True, kw_only=True)
class NearSlab:
    """Particles nearer to the lens by ``distance`` Å: phase (rad, canvas) and amplitude lost per rad.

    The defocus of the optics is theirs; the rest of the specimen is ``distance`` closer to focus.
    """

    phase: FloatArray
    absorption: float
    distance: float


def expose(specimen: Specimen, optics: Optics, near: NearSlab | None = None) -> FloatArray:
    """Send a plane wave through the specimen and the lens.

    Gives the intensity of the view, float32 (h, w), 1 where nothing is in the beam. Two slabs are
    multislice: free propagation between them.
    """
    along_y, along_x = frequency_grid(specimen.phase.shape, specimen.pixel_size)
    wave = np.exp(1j * specimen.phase - specimen.loss)
    if near is not None:
        travel = np.float32(-np.pi * optics.wavelength * near.distance) * (along_x**2 + along_y**2)
        wave = fft.ifft2(fft.fft2(wave) * np.exp(1j * travel))
        wave *= np.exp(np.complex64(1j - near.absorption) * near.phase)
    wave = fft.ifft2(fft.fft2(wave) * wave_transfer(optics, along_y, along_x))
    inner = slice(specimen.margin, specimen.edge - specimen.margin)
    seen = wave[inner, inner]
    return np.asarray(seen.real**2 + seen.imag**2, dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class NoiseLevel:
    """What hides particles: mean electrons per pixel, and the deviation (rad) of the ice's phase texture."""

    electrons: float
    ice_sigma: float
    longest_period: float
    """Å; slower variation is taken for background."""


def detectability(
    phase: FloatArray, count: int, optics: Optics, pixel_size: float, noise: NoiseLevel
) -> float:
    """Give a particle's signal to noise under the best linear filter: root of the sum of |signal|² / noise.

    Parameters
    ----------
    phase
        float32 canvas (h, w): the phase of all ``count`` particles and nothing else, rad.
    pixel_size
        Å/px.
    noise
        Shot noise and the texture of the ice; the latter goes through the same transfer as the particles.

    Notes
    -----
    About 5 is what template matching can still find; people see particles from about 10.
    """
    if count == 0:
        return 0.0
    along_y, along_x = frequency_grid(phase.shape, pixel_size)
    along_x = along_x[:, : phase.shape[1] // 2 + 1]
    transfer = (2.0 * contrast_transfer(optics, along_y, along_x) * envelope(optics, along_y, along_x)) ** 2
    power = np.abs(fft.rfft2(phase)) ** 2 * transfer / (1.0 / noise.electrons + noise.ice_sigma**2 * transfer)
    power[along_x**2 + along_y**2 < noise.longest_period**-2.0] = 0.0
    # The columns of a half spectrum stand for two, save the first (and the last of an even one: negligible).
    total = 2.0 * float(power.sum()) - float(power[:, 0].sum())
    return float(np.sqrt(total / phase.size / count))
