"""Noise with the texture of a micrograph: its amplitudes, with phases drawn anew. Nothing is found in it."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import fft


def randomise_phases(array: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """Draw the phases of an array's Fourier transform anew and keep the amplitudes.

    Parameters
    ----------
    array : (h, w) float32
        Finite values.
    rng : numpy Generator

    Returns
    -------
    (h, w) float32
        Mean 0.
    """
    noise = fft.rfft2(rng.standard_normal(array.shape, dtype=np.float32))
    amplitude = np.abs(fft.rfft2(array - array.mean()))
    phase = noise / np.maximum(np.abs(noise), 1e-12)
    return np.asarray(fft.irfft2(amplitude * phase, s=array.shape), dtype=np.float32)
