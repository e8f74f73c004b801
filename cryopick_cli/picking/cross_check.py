"""A second opinion on the diameter, in which the network has no say: the mean particle in scale space.

Patches about the picks are averaged, then around the circle. A disc of diameter d answers most strongly to
the scale-normalised Laplacian of Gaussian (Lindeberg 1998) of sigma d / (2 sqrt 2). A particle is no disc: a
dense core makes it look smaller than its longest extent, which is what the diameter is defined by, and a
hollow larger. So the two agree within a factor, not a percentage: only gross differences mean something.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryopick_cli.errors import ConfigError

Floats = NDArray[np.float64]

_DISC_DIAMETER_OVER_SIGMA = 2 * np.sqrt(2)


@dataclass(frozen=True, kw_only=True)
class CrossCheckConfig:
    """How the second estimate of the diameter is made, and when the two are too far apart."""

    micrographs: int = field(default=4, metadata={"help": "Micrographs whose picks are averaged, at most."})
    fewest_picks: int = field(default=10, metadata={"help": "Picks below which there is no estimate."})
    reach: float = field(default=2.0, metadata={"help": "Half the edge of the patches, in diameters."})
    scales: int = field(default=48, metadata={"help": "Sigmas tried, from a tenth of the diameter to one."})
    far_apart: float = field(
        default=1.8, metadata={"help": "Factor between the two estimates from which the user is told."}
    )

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        if min(self.micrographs, self.fewest_picks) < 1 or self.scales < 3:
            raise ConfigError(
                "micrographs, fewest_picks, scales: expected at least 1, 1 and 3, found "
                f"{self.micrographs}, {self.fewest_picks} and {self.scales}"
            )
        if not self.reach >= 1 or not self.far_apart > 1:
            raise ConfigError(
                f"reach, far_apart: found {self.reach} and {self.far_apart}, expected at least 1, and more "
                "than 1"
            )


def scale_space_diameter(
    picked: Iterable[tuple[NDArray[np.float32], Floats, Floats]], diameter: float, config: CrossCheckConfig
) -> float | None:
    """Estimate the diameter of the mean particle.

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
        Px of the views; None where there are too few picks, or no scale answers most strongly.
    """
    half = int(np.ceil(config.reach * diameter))
    total, count = np.zeros((2 * half + 1, 2 * half + 1)), 0
    for view, x, y in picked:
        for column, row in _inside(view.shape, x, y, half):
            total += view[row - half : row + half + 1, column - half : column + half + 1]
            count += 1
    return None if count < config.fewest_picks else _strongest_scale(total / count, diameter, config.scales)


def _inside(shape: tuple[int, ...], x: Floats, y: Floats, half: int) -> NDArray[np.int64]:
    """Give columns and rows of the centres whose patch lies inside the view."""
    centres = np.rint(np.column_stack([x, y])).astype(np.int64)
    inside = (centres >= half) & (centres < np.array([shape[1], shape[0]]) - half)
    return centres[inside.all(axis=1)]


def _strongest_scale(patch: Floats, diameter: float, scales: int) -> float | None:
    """Give the diameter of the disc that answers like the patch's centre, None at the ends of the range."""
    half = patch.shape[0] // 2
    rows, columns = np.indices(patch.shape) - half
    radius = np.hypot(rows, columns)
    ring = np.rint(radius).astype(np.int64)
    profile = ndimage.mean(patch, ring, np.arange(half + 1))
    profile = profile - profile[-max(1, half // 4) :].mean()
    r = np.arange(half + 1, dtype=np.float64)
    sigmas = diameter * np.geomspace(0.1, 1.0, scales)[:, None]
    kernel = (r**2 / sigmas**2 - 2) * np.exp(-(r**2) / (2 * sigmas**2)) / sigmas**2
    answers = kernel @ (profile * r)
    best = int(answers.argmax())
    if best in (0, scales - 1) or answers[best] <= 0:
        return None
    return float(_DISC_DIAMETER_OVER_SIGMA * sigmas[best, 0])
