"""A second opinion on the diameter: what the mean particle looks like in scale space.

Patches about the picks are averaged, then around the circle. A disc of diameter d answers most strongly to
the scale-normalised Laplacian of Gaussian (Lindeberg 1998) of sigma d / (2 sqrt 2). The network says where
picks are, not how large. A particle is no disc: a dense core makes it look smaller than its longest extent,
which is what the diameter is defined by, and a hollow larger. So the two agree within a factor, not a
percentage: only gross differences mean something.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from cryopick_cli.errors import ConfigError

Floats = NDArray[np.float64]

_DISC_DIAMETER_OVER_SIGMA = 2 * np.sqrt(2)


@dataclass(frozen=True, kw_only=True)
class CrossCheckConfig:
    """How the second estimate of the diameter is made, and when the two are too far apart."""

    micrographs: int = field(default=8, metadata={"help": "Micrographs whose picks are averaged, at most."})
    fewest_picks: int = field(default=10, metadata={"help": "Picks below which there is no estimate."})
    reach: float = field(default=1.5, metadata={"help": "Half the edge of the patches, in diameters."})
    alone: float = field(
        default=1.25, metadata={"help": "Diameters within which a pick that counts has no neighbour."}
    )
    scales: int = field(default=48, metadata={"help": "Sigmas tried, from a tenth of the diameter to one."})
    far_apart: float = field(
        default=2.0, metadata={"help": "Factor between the two estimates from which the user is told."}
    )

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        if min(self.micrographs, self.fewest_picks) < 1 or self.scales < 3:
            raise ConfigError(
                "micrographs, fewest_picks, scales: expected at least 1, 1 and 3, found "
                f"{self.micrographs}, {self.fewest_picks} and {self.scales}"
            )
        if not min(self.reach, self.alone) >= 1 or not self.far_apart > 1:
            raise ConfigError(
                f"reach, alone, far_apart: found {self.reach}, {self.alone} and {self.far_apart}, expected "
                "two numbers of at least 1, and one above 1"
            )


def scale_space_diameter(
    picked: Iterable[tuple[NDArray[np.float32], Floats, Floats]], diameter: float, config: CrossCheckConfig
) -> float | None:
    """Estimate the diameter of the mean particle.

    Only picks without near neighbours count, whose rims would be taken for theirs.

    Parameters
    ----------
    picked : iterable of (view, x, y)
        Views with dark particles on a background of zero, all at one scale, with the centres of picks in
        their px.
    diameter : float
        What it is thought to be, px of the views; sets how far is looked.
    config : CrossCheckConfig

    Returns
    -------
    float or None
        Px of the views; the largest that is looked for, 2.8 times what was thought, where it is at least
        that. None where too few picks stand alone, or where the smallest scale answers most strongly, as it
        does to noise.
    """
    half = int(np.ceil(config.reach * diameter))
    total, count = np.zeros((2 * half + 1, 2 * half + 1)), 0
    for view, x, y in picked:
        for column, row in _usable(view.shape, np.column_stack([x, y]), half, config.alone * diameter):
            total += view[row - half : row + half + 1, column - half : column + half + 1]
            count += 1
    return None if count < config.fewest_picks else _strongest_scale(total / count, diameter, config.scales)


def _usable(shape: tuple[int, ...], centres: Floats, half: int, alone: float) -> NDArray[np.int64]:
    """Give columns and rows of the picks that stand alone and whose patch lies inside the view."""
    if len(centres) > 1:
        distance, _ = cKDTree(centres).query(centres, k=2)
        centres = centres[distance[:, 1] >= alone]
    pixels = np.rint(centres).astype(np.int64)
    inside = (pixels >= half) & (pixels < np.array([shape[1], shape[0]]) - half)
    return pixels[inside.all(axis=1)]


def _strongest_scale(patch: Floats, diameter: float, scales: int) -> float | None:
    """Give the diameter of the disc that answers like the patch's centre."""
    half = patch.shape[0] // 2
    rows, columns = np.indices(patch.shape) - half
    ring = np.rint(np.hypot(rows, columns)).astype(np.int64)
    profile = ndimage.mean(patch, ring, np.arange(half + 1))
    profile = profile - profile[-max(1, half // 4) :].mean()
    r = np.arange(half + 1, dtype=np.float64)
    sigmas = diameter * np.geomspace(0.1, 1.0, scales)[:, None]
    kernel = (r**2 / sigmas**2 - 2) * np.exp(-(r**2) / (2 * sigmas**2)) / sigmas**2
    answers = kernel @ (profile * r)
    best = int(answers.argmax())
    return None if best == 0 or answers[best] <= 0 else float(_DISC_DIAMETER_OVER_SIGMA * sigmas[best, 0])
