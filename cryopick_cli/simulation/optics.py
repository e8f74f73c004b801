"""The microscope: electron wavelength, interaction constant, wave transfer, contrast transfer function.

Underfocus is positive, as in RELION. Lengths are in Å; Cs is in mm where the name says so.
Formulas: Reimer & Kohl, Transmission Electron Microscopy, 5th edition, chapters 3 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryopick_cli.simulation.structure import FloatArray

_REST_ENERGY_KEV = 510.998950
_HC_KEV_ANGSTROM = 12.398419843


def electron_wavelength(voltage_kv: float) -> float:
    """Give the relativistic wavelength in Å: 0.0197 at 300 kV, 0.0251 at 200 kV."""
    return float(_HC_KEV_ANGSTROM / np.sqrt(voltage_kv * (2.0 * _REST_ENERGY_KEV + voltage_kv)))


def interaction_constant(voltage_kv: float) -> float:
    """Give the phase per projected potential, rad per V Å: 6.53e-4 at 300 kV."""
    energy = _REST_ENERGY_KEV + voltage_kv
    numerator = 2.0 * np.pi * energy
    return float(
        numerator / (electron_wavelength(voltage_kv) * voltage_kv * (energy + _REST_ENERGY_KEV) * 1000.0)
    )


@dataclass(frozen=True, kw_only=True)
class Optics:
    """The optics of one micrograph."""

    voltage_kv: float = 300.0
    spherical_aberration_mm: float = 2.7
    defocus: float = 15000.0
    """Mean underfocus, Å."""
    astigmatism: float = 0.0
    """Half difference of the two principal defoci, Å."""
    astigmatism_deg: float = 0.0
    """Direction of the larger defocus from the x axis towards y, degrees."""
    amplitude_contrast: float = 0.1
    b_factor: float = 80.0
    """Envelope exp(-B k²/4), Å²."""
    phase_shift_deg: float = 0.0
    drift: float = 0.0
    """Length of a straight drift during the exposure, Å."""
    drift_deg: float = 0.0

    @property
    def wavelength(self) -> float:
        """Electron wavelength, Å."""
        return electron_wavelength(self.voltage_kv)


def absorption(optics: Optics) -> float:
    """Give the amplitude lost per phase so that the share of amplitude contrast comes out, tan(asin(A))."""
    return float(np.tan(np.arcsin(optics.amplitude_contrast)))


def frequency_grid(shape: tuple[int, int], pixel_size: float) -> tuple[FloatArray, FloatArray]:
    """Give the spatial frequencies along y (h, 1) and x (1, w) in 1/Å, in the order of an FFT."""
    along_y = np.fft.fftfreq(shape[0], pixel_size).astype(np.float32)[:, None]
    along_x = np.fft.fftfreq(shape[1], pixel_size).astype(np.float32)[None, :]
    return along_y, along_x


def aberration_phase(optics: Optics, along_y: FloatArray, along_x: FloatArray) -> FloatArray:
    """Give chi = pi lambda dz(angle) k² - pi/2 Cs lambda³ k⁴, radians."""
    wavelength = optics.wavelength
    cs = optics.spherical_aberration_mm * 1e7
    squared = along_x**2 + along_y**2
    angle = np.deg2rad(optics.astigmatism_deg)
    # dz(angle) k² = dz k² + A (cos 2a (kx² - ky²) + sin 2a 2 kx ky): no arctangent needed.
    bent = (
        np.float32(np.cos(2 * angle)) * (along_x**2 - along_y**2)
        + np.float32(2 * np.sin(2 * angle)) * along_x * along_y
    )
    focus = np.float32(optics.defocus) * squared + np.float32(optics.astigmatism) * bent
    return np.asarray(
        np.float32(np.pi * wavelength) * focus - np.float32(0.5 * np.pi * cs * wavelength**3) * squared**2
    )


def envelope(optics: Optics, along_y: FloatArray, along_x: FloatArray) -> FloatArray:
    """Give the damping by coherence and motion: exp(-B k²/4), times a sinc where the specimen drifted."""
    damping = np.exp(np.float32(-optics.b_factor / 4.0) * (along_x**2 + along_y**2))
    if optics.drift > 0:
        angle = np.deg2rad(optics.drift_deg)
        along = np.float32(np.cos(angle)) * along_x + np.float32(np.sin(angle)) * along_y
        damping = damping * np.sinc(np.float32(optics.drift) * along)
    return np.asarray(damping, dtype=np.float32)


def contrast_transfer(optics: Optics, along_y: FloatArray, along_x: FloatArray) -> FloatArray:
    """Give the CTF, -sin(chi + phase shift + asin(amplitude contrast)) without envelope; protein is dark."""
    offset = np.deg2rad(optics.phase_shift_deg) + np.arcsin(optics.amplitude_contrast)
    return np.asarray(-np.sin(aberration_phase(optics, along_y, along_x) + np.float32(offset)))


def wave_transfer(optics: Optics, along_y: FloatArray, along_x: FloatArray) -> NDArray[np.complex64]:
    """Give exp(i chi) times the envelope, the phase plate acting on all but the unscattered beam."""
    phase = aberration_phase(optics, along_y, along_x)
    if optics.phase_shift_deg:
        phase = phase + np.float32(np.deg2rad(optics.phase_shift_deg))
        phase[0, 0] = 0.0
    transfer = np.empty(phase.shape, dtype=np.complex64)
    transfer.real = np.cos(phase)
    transfer.imag = np.sin(phase)
    transfer *= envelope(optics, along_y, along_x)
    return transfer
