"""Changes to a crop's grey values that a real micrograph may have gone through before it reaches the picker.

Shared micrographs are often filtered, denoised, stretched or stored in eight bits. Every function takes
and gives an (h, w) float32 array of about unit spread; lengths are tied to the particle's diameter in px.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

from cryopick_cli.imaging.normalise import NormaliseConfig, background, normalise, robust_statistics
from cryopick_cli.imaging.phases import randomise_phases
from cryopick_cli.training.config import AugmentConfig

Array = NDArray[np.float32]


def augment(crop: Array, diameter: float, config: AugmentConfig, rng: Generator, clip: float) -> Array:
    """Apply each change with its probability, in the order in which they happen to a file, and normalise.

    Parameters
    ----------
    crop : (h, w) float32
        Any grey scale, particles dark.
    diameter : float
        Of the particles, px.
    config : AugmentConfig
    rng : numpy Generator
    clip : float
        Largest grey value kept, as in the network's own normalisation.
    """

    def happens(probability: float) -> bool:
        return bool(rng.random() < probability)

    crop = _standardise(crop)
    if happens(config.gradient):
        crop = add_gradient(crop, rng)
    if happens(config.band_pass):
        crop = band_pass(crop, diameter, rng)
    if happens(config.denoise):
        crop = denoise(crop, rng)
    if happens(config.local_contrast):
        crop = even_local_contrast(crop, diameter, rng)
    if happens(config.squash):
        crop = squash(crop, rng)
    if happens(config.eight_bit):
        crop = to_eight_bits(crop, rng)
    if happens(config.noise):
        crop = crop + rng.normal(0, rng.uniform(0.05, 0.7), crop.shape).astype(np.float32)
    crop = normalise(crop, draw_normalisation(crop.shape, diameter, clip, rng))
    if happens(config.gain):
        crop = np.clip(crop * np.float32(rng.uniform(0.7, 1.35)), -clip, clip)
    return crop


def make_decoy(crop: Array, config: AugmentConfig, rng: Generator) -> Array | None:
    """Make a crop that looks like the given one and holds no particle, with its probability; else None.

    Noise of the same spectrum teaches that texture is not enough, the wrong contrast that particles are dark.
    """
    kind = rng.random()
    if kind < config.phase_noise:
        return randomise_phases(crop, rng)
    return -crop if kind < config.phase_noise + config.wrong_contrast else None


def draw_normalisation(
    shape: tuple[int, ...], diameter: float, clip: float, rng: Generator
) -> NormaliseConfig:
    """Draw how broad a background is removed: up to half of the side, no narrower than a particle."""
    fraction = np.exp(rng.uniform(np.log(1 / 14), np.log(0.45)))
    return NormaliseConfig(background_fraction=max(float(fraction), 0.6 * diameter / min(shape)), clip=clip)


def band_pass(crop: Array, diameter: float, rng: Generator) -> Array:
    """Blur by half a pixel to a seventh of the diameter; mostly remove what is broader too."""
    crop = ndimage.gaussian_filter(crop, rng.uniform(0.5, max(0.6, diameter / 7)))
    if rng.random() < 0.6:
        crop = crop - background(crop, max(2.0, rng.uniform(0.3, 2.0) * diameter))
    return _standardise(crop)


def denoise(crop: Array, rng: Generator) -> Array:
    """Smooth flat areas and keep edges, as denoisers do: a median filter, mixed with the original."""
    eight_bit = Image.fromarray(_stretch(crop, 0.2, 99.8))
    median = np.asarray(eight_bit.filter(ImageFilter.MedianFilter(int(rng.choice([3, 5])))), dtype=np.float32)
    keep = np.float32(rng.uniform(0.0, 0.3))
    return _standardise(_standardise(median) + keep * crop)


def even_local_contrast(crop: Array, diameter: float, rng: Generator) -> Array:
    """Divide by the local spread over one to four diameters, as local equalisation does."""
    sigma = rng.uniform(1.0, 4.0) * max(diameter, 12.0)
    variance = np.maximum(background(crop**2, sigma) - background(crop, sigma) ** 2, 1e-3)
    even: Array = crop / np.sqrt(variance)
    return _standardise(even)


def squash(crop: Array, rng: Generator) -> Array:
    """Press the extremes together with a tanh, sometimes lopsidedly, as a display stretch does."""
    steepness, shift = np.float32(rng.uniform(0.3, 0.9)), np.float32(rng.uniform(-0.8, 0.8))
    squashed: Array = np.tanh(steepness * (crop + shift))
    return squashed


def to_eight_bits(crop: Array, rng: Generator) -> Array:
    """Store in 256 grey levels between two percentiles."""
    low = rng.uniform(0.0, 2.0)
    return _stretch(crop, low, 100 - low).astype(np.float32)


def add_gradient(crop: Array, rng: Generator) -> Array:
    """Add a slope across the crop, as thicker ice does."""
    rows = np.linspace(-0.5, 0.5, crop.shape[0], dtype=np.float32)[:, None]
    columns = np.linspace(-0.5, 0.5, crop.shape[1], dtype=np.float32)[None, :]
    slope = rng.normal(0, 1.5, 2).astype(np.float32)
    tilted: Array = crop + slope[0] * rows + slope[1] * columns
    return tilted


def _standardise(crop: Array) -> Array:
    centre, spread = robust_statistics(crop)
    return ((crop - centre) / max(spread, 1e-6)).astype(np.float32)


def _stretch(crop: Array, low: float, high: float) -> NDArray[np.uint8]:
    bottom, top = np.percentile(crop[::3, ::3], [low, high])
    scaled = (crop - bottom) / max(top - bottom, 1e-6) * 255
    levels: NDArray[np.uint8] = np.clip(np.round(scaled), 0, 255).astype(np.uint8)
    return levels
