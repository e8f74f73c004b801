"""What others did to a micrograph before it reached us: filters, denoising, 8-bit clipping, inversion."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from cryopick_cli.simulation.config import AppearanceConfig
from cryopick_cli.simulation.structure import FloatArray


def band_pass(micrograph: FloatArray, low_sigma: float, high_sigma: float) -> FloatArray:
    """Smooth with a Gaussian of ``low_sigma`` px and take away one of ``high_sigma`` px (0: none)."""
    # A cosine transform mirrors the micrograph at its edges: opposite edges do not bleed into each other.
    rows, columns = (np.pi * np.arange(side, dtype=np.float32) / side for side in micrograph.shape)
    squared = np.float32(-0.5) * (columns**2 + rows[:, None] ** 2)
    transfer = np.exp(squared * np.float32(low_sigma**2))
    if high_sigma > 0:
        transfer -= np.exp(squared * np.float32(high_sigma**2))
    return np.asarray(fft.idctn(fft.dctn(micrograph) * transfer), dtype=np.float32)


def denoise(rng: np.random.Generator, micrograph: FloatArray, particle_px: float) -> FloatArray:
    """Give the smooth, blotchy look of a denoiser: strong smoothing with a little of the noise left."""
    smooth = ndimage.gaussian_filter(micrograph, min(0.05 * particle_px + 0.6, 3.0), truncate=2.5)
    centre, spread = float(smooth.mean()), 2.0 * float(smooth.std()) + 1e-6
    squeezed = spread * np.tanh((smooth - centre) / spread)
    return np.asarray(squeezed + np.float32(rng.uniform(0.0, 0.15)) * (micrograph - smooth), dtype=np.float32)


def to_eight_bit(micrograph: FloatArray, clip_share: float) -> FloatArray:
    """Clip ``clip_share`` of the pixels at either end and round to 0 to 255 (float32)."""
    sample = micrograph[::4, ::4]
    low, high = np.quantile(sample, [clip_share, 1.0 - clip_share])
    scaled = (micrograph - np.float32(low)) * np.float32(255.0 / max(high - low, 1e-6))
    return np.asarray(np.clip(np.rint(scaled), 0, 255), dtype=np.float32)


def change_appearance(
    rng: np.random.Generator, micrograph: FloatArray, config: AppearanceConfig, particle_px: float
) -> tuple[FloatArray, list[str]]:
    """Apply a random choice of the looks of shared data; gives the micrograph and what was done."""
    done = []
    if rng.random() < config.filtered_probability:
        low = rng.uniform(0.4, np.clip(particle_px / 9.0, 0.5, 6.0))
        high = rng.uniform(0.3, 2.0) * particle_px if rng.random() < 0.7 else 0.0
        micrograph = band_pass(micrograph, low, high)
        done.append("filtered")
    if rng.random() < config.denoised_probability:
        micrograph = denoise(rng, micrograph, particle_px)
        done.append("denoised")
    if rng.random() < config.eight_bit_probability:
        micrograph = to_eight_bit(micrograph, float(rng.choice([1e-4, 1e-3, 0.01])))
        done.append("8-bit")
    if rng.random() < config.inverted_probability:
        micrograph = -micrograph
        done.append("inverted")
    return micrograph, done
