"""The camera: shot noise, modulation transfer, read noise and defects.

Intensities come in as the mean fraction of the incident beam; counts go out.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from cryopick_cli.simulation.config import DetectorConfig
from cryopick_cli.simulation.structure import FloatArray

EXACT_BELOW = 60.0
"""Below this mean count electrons follow Poisson's law; above, the normal law that it tends to."""


def count_electrons(rng: np.random.Generator, mean: FloatArray) -> FloatArray:
    """Draw the number of electrons in each pixel from its mean, float32."""
    if float(mean.mean()) < EXACT_BELOW:
        return rng.poisson(mean).astype(np.float32)
    noise = rng.standard_normal(mean.shape, dtype=np.float32)
    return np.asarray(mean + np.sqrt(mean) * noise, dtype=np.float32)


def apply_modulation(counts: FloatArray, at_nyquist: float) -> FloatArray:
    """Blur signal and noise alike by a transfer that falls to ``at_nyquist`` at the highest frequency."""
    height, width = counts.shape
    across = np.fft.rfftfreq(width).astype(np.float32)
    down = np.fft.fftfreq(height).astype(np.float32)[:, None]
    transfer = np.exp(np.float32(4.0 * np.log(at_nyquist)) * (across**2 + down**2))
    return np.asarray(fft.irfft2(fft.rfft2(counts) * transfer, s=counts.shape), dtype=np.float32)


def add_defects(rng: np.random.Generator, counts: FloatArray, config: DetectorConfig) -> list[str]:
    """Add hot and dead pixels, dead lines and gain stripes in place; gives the names of what was added."""
    added = []
    deviation = float(counts.std())
    if rng.random() < config.hot_pixel_probability:
        number = int(rng.integers(1, 60))
        row, column = rng.integers(0, counts.shape[0], number), rng.integers(0, counts.shape[1], number)
        counts[row, column] += np.float32(deviation) * rng.uniform(-8, 40, number).astype(np.float32)
        added.append("hot pixels")
    if rng.random() < config.dead_line_probability:
        target = counts if rng.random() < 0.5 else counts.T
        first, number = int(rng.integers(0, target.shape[0])), int(rng.integers(1, 4))
        target[first : first + number] = counts.mean() * np.float32(rng.choice([0.0, 1.0]))
        added.append("dead lines")
    if rng.random() < config.stripe_probability:
        target = counts if rng.random() < 0.5 else counts.T
        steps = rng.normal(0, rng.uniform(0.02, 0.2) * deviation, target.shape[0])
        width = int(rng.choice([1, 4, 16, 128]))
        target += np.repeat(steps, width)[: target.shape[0], None].astype(np.float32)
        added.append("gain stripes")
    return added
