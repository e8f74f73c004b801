"""The view of a micrograph that the network sees, and the way back from its pixels to the micrograph's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cryopick_cli.imaging.normalise import NormaliseConfig, fill_non_finite, normalise
from cryopick_cli.imaging.resample import resample, working_shape
from cryopick_cli.picking.detect import Candidates
from cryopick_cli.units import rescale_coordinate

Floats = NDArray[np.float64]

# A broad background is never taken so narrow that it follows a particle of the working diameter.
_BACKGROUND_DIAMETERS = 1.5


@dataclass(frozen=True)
class View:
    """A resampled, normalised micrograph with dark particles."""

    array: NDArray[np.float32]
    factor_x: float
    """Micrograph pixels in a working pixel, along x; along y it may differ in the fourth digit."""
    factor_y: float

    def inverted(self) -> View:
        """Give the view with the other sign: what it would be if particles were light, or the reverse."""
        return replace(self, array=-self.array)

    def places_in_view(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Give places in working pixels that are given in pixels of the micrograph."""
        return rescale_coordinate(x, self.factor_x), rescale_coordinate(y, self.factor_y)

    def places_in_micrograph(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Give places in pixels of the micrograph that are given in working pixels."""
        return rescale_coordinate(x, 1 / self.factor_x), rescale_coordinate(y, 1 / self.factor_y)

    def across_px(self, diameter_px: float) -> float:
        """Give how many working pixels a diameter measures that is given in pixels of the micrograph."""
        return float(diameter_px / np.sqrt(self.factor_x * self.factor_y))

    def to_micrograph(self, found: Candidates) -> Candidates:
        """Move candidates from working pixels to pixels of the micrograph."""
        x, y = self.places_in_micrograph(found.x, found.y)
        return Candidates(x, y, found.diameter * np.sqrt(self.factor_x * self.factor_y), found.logit)


def prepare_view(
    array: NDArray[np.float32],
    factor: float,
    working_diameter_px: float,
    config: NormaliseConfig,
    *,
    light: bool = False,
) -> View:
    """Resample a micrograph so that ``factor`` of its pixels become one, and normalise it.

    Parameters
    ----------
    array : (h, w) float32
        The micrograph as read.
    factor : float
        Working pixel size over pixel size; below 1 enlarges.
    working_diameter_px : float
        Diameter that particles are expected to have in the view.
    config : NormaliseConfig
        The network's own.
    light : bool
        Whether particles are lighter than the ice.
    """
    shape = working_shape((array.shape[0], array.shape[1]), factor)
    small = resample(fill_non_finite(array), shape)
    broad = max(config.background_fraction, _BACKGROUND_DIAMETERS * working_diameter_px / min(shape))
    even = normalise(
        -small if light else small, NormaliseConfig(background_fraction=min(broad, 10.0), clip=config.clip)
    )
    return View(even, array.shape[1] / shape[1], array.shape[0] / shape[0])
