"""A second opinion on the diameter: what the mean particle looks like in scale space.

The picks are averaged around the circle (``mean_particle.py``). A disc of diameter d answers most strongly to
the scale-normalised Laplacian of Gaussian (Lindeberg 1998) of sigma d / (2 sqrt 2). The network says where
picks are, not how large. A particle is no disc: a dense core makes it look smaller than its longest extent,
which is what the diameter is defined by, and a hollow larger. So the two agree within a factor, not a
percentage: only gross differences mean something.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cryopick_cli.errors import ConfigError
from cryopick_cli.picking.mean_particle import Rings

_DISC_DIAMETER_OVER_SIGMA = 2 * np.sqrt(2)


@dataclass(frozen=True, kw_only=True)
class CrossCheckConfig:
    """How the second estimate of the diameter is made, and when the two are too far apart."""

    micrographs: int = field(default=8, metadata={"help": "Micrographs whose picks are averaged, at most."})
    fewest_picks: int = field(default=10, metadata={"help": "Picks below which there is no estimate."})
    reach: float = field(default=1.5, metadata={"help": "How far about a pick is looked, in diameters."})
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


def scale_space_diameter(rings: Rings, config: CrossCheckConfig) -> float | None:
    """Estimate the diameter of the mean particle.

    Parameters
    ----------
    rings : Rings
        About picks without near neighbours, ``config.reach`` diameters far, in views with dark particles on
        a background of zero.
    config : CrossCheckConfig

    Returns
    -------
    float or None
        In the diameter of the rings, so that 1 is what was thought; the largest that is looked for, 2.8,
        where it is at least that. None where too few picks stand alone, or where the smallest scale answers
        most strongly, as it does to noise.
    """
    if rings.picks < config.fewest_picks:
        return None
    profile = rings.profile - rings.profile[-max(1, len(rings.profile) // 4) :].mean()
    r = rings.radius
    sigmas = np.geomspace(0.1, 1.0, config.scales)[:, None]
    kernel = (r**2 / sigmas**2 - 2) * np.exp(-(r**2) / (2 * sigmas**2)) / sigmas**2
    answers = kernel @ (profile * r)
    best = int(answers.argmax())
    return None if best == 0 or answers[best] <= 0 else float(_DISC_DIAMETER_OVER_SIGMA * sigmas[best, 0])
