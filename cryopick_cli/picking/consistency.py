"""Size consistency at inference: all particles of a data set have nearly one size, so odd sizes fade.

The mode of log diameter over confident candidates is the data set's size; each score is multiplied by a
soft factor of the distance to it. How near to each other picks may lie goes with the size. Works on tables of
diameters and scores; knows no micrographs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryopick_cli.errors import ConfigError

Floats = NDArray[np.float64]

SIZE_PRIORS = ("auto", "soft", "hard", "off")
ANY_SIZE = 99.0
"""A window in log diameter that nothing is outside of."""


@dataclass(frozen=True, kw_only=True)
class ConsistencyConfig:
    """How strongly a size that differs from the data set's counts against a candidate."""

    bandwidth: float = field(
        default=0.06, metadata={"help": "Kernel width of the size histogram, in log diameter."}
    )
    narrowest: float = field(
        default=0.28, metadata={"help": "Smallest spread of the prior, in log diameter."}
    )
    widest: float = field(default=0.35, metadata={"help": "Largest spread of the prior, in log diameter."})
    least_factor: float = field(
        default=0.5,
        metadata={"help": "What a score is multiplied by where the size is far off (auto, soft)."},
    )
    fewest: int = field(
        default=5, metadata={"help": "Confident candidates below which there is no size to go by."}
    )
    window: float = field(
        default=0.35, metadata={"help": "What a hard prior lets through, in log diameter each way."}
    )
    second_share: float = field(
        default=0.3, metadata={"help": "Share of the first mode's height from which a second one counts."}
    )
    spacing: float = field(
        default=0.5, metadata={"help": "Least distance of two picks, in diameters, where none is given."}
    )
    crowded_spacing: float = field(
        default=0.3, metadata={"help": "The same where particles are seen to overlap."}
    )
    crowded_distance: float = field(
        default=0.7, metadata={"help": "Diameters within which two picks are particles that overlap."}
    )
    crowded_share: float = field(
        default=0.15, metadata={"help": "Share of overlapping picks from which nearer ones are kept too."}
    )
    crowded_fewest: int = field(
        default=50, metadata={"help": "Picks of the sample below which overlap is not judged."}
    )
    valley: float = field(
        default=0.4,
        metadata={"help": "Largest height between two modes, as a share of the lower one's."},
    )

    def __post_init__(self) -> None:
        """Refuse priors without meaning."""
        if not 0 < self.narrowest <= self.widest:
            raise ConfigError(
                f"narrowest, widest: found {self.narrowest} and {self.widest}, expected two rising numbers"
            )
        if not 0 <= self.least_factor <= 1:
            raise ConfigError(f"least_factor: found {self.least_factor}, expected a share from 0 to 1")
        if not self.window > 0 or not 0 < self.valley < 1 or not 0 < self.second_share <= 1:
            raise ConfigError(
                f"window, valley, second_share: found {self.window}, {self.valley} and {self.second_share}, "
                "expected a positive number and two shares"
            )
        if not 0 < self.crowded_spacing <= self.spacing or not 0 < self.crowded_share <= 1:
            raise ConfigError(
                f"crowded_spacing, spacing, crowded_share: found {self.crowded_spacing}, {self.spacing} and "
                f"{self.crowded_share}, expected two rising positive numbers, and a share"
            )
        if not self.bandwidth > 0 or self.fewest < 1:
            raise ConfigError(
                f"bandwidth, fewest: found {self.bandwidth} and {self.fewest}, expected more than 0, and at "
                "least 1"
            )


@dataclass(frozen=True)
class SizePrior:
    """The size of a data set's particles, in the unit of the diameters, and its spread in log diameter."""

    diameter: float
    spread: float
    second: float | None = None
    """A second size, where the data set clearly has two."""
    window: float | None = None
    """Where given, sizes within this of a mode count in full and others not at all."""
    spacing: float = ConsistencyConfig.spacing
    """Least distance of two picks, in diameters."""
    least_factor: float = ConsistencyConfig.least_factor
    """The factor of sizes far off, where there is no window."""

    def factor(self, diameter: Floats) -> Floats:
        """Give the factor by which scores fade for their size.

        It is ``b + (1 - b) exp(-(ln d - ln d0)² / 2 spread²)`` with ``b`` the ``least_factor``. With two
        sizes the nearer one counts.
        """
        distance = np.abs(np.log(diameter / self.diameter))
        if self.second is not None:
            distance = np.minimum(distance, np.abs(np.log(diameter / self.second)))
        if self.window is not None:
            return np.asarray(distance <= self.window, dtype=np.float64)
        bell = np.exp(-0.5 * (distance / self.spread) ** 2)
        return np.asarray(self.least_factor + (1 - self.least_factor) * bell, dtype=np.float64)

    def nearest(self, diameter: Floats) -> Floats:
        """Give the data set's size that each diameter is nearest to."""
        second = self.diameter if self.second is None else self.second
        return np.where(self.is_second(diameter), second, self.diameter)

    def is_second(self, diameter: Floats) -> NDArray[np.bool_]:
        """Tell which diameters are nearer to the second size than to the first."""
        if self.second is None:
            return np.zeros(diameter.shape, dtype=np.bool_)
        border = np.sqrt(self.diameter * self.second)
        return np.asarray((diameter > border) == (self.second > self.diameter))


def find_second_mode(
    diameter: Floats, weight: Floats, first: float, config: ConsistencyConfig
) -> float | None:
    """Find a second size: a clear peak of its own in the distribution, at least half an octave away.

    Parameters
    ----------
    diameter, weight : (n,) float64
        Of candidates of which none stands for another's particle.
    first : float
        The mode already known.
    config : ConsistencyConfig
        How high the second peak, and how low the valley between, must be.
    """
    if len(diameter) == 0:
        return None
    log_size = np.log(diameter)
    grid = np.arange(log_size.min() - 0.3, log_size.max() + 0.3, config.bandwidth / 4)
    density = smooth_histogram(log_size, weight, grid, config.bandwidth)
    at_first = int(np.abs(grid - np.log(first)).argmin())
    peaks = np.flatnonzero((density[1:-1] >= density[:-2]) & (density[1:-1] > density[2:])) + 1
    far = peaks[np.abs(grid[peaks] - grid[at_first]) >= 0.5 * np.log(2)]
    if len(far) == 0:
        return None
    best = int(far[density[far].argmax()])
    low = density[min(best, at_first) : max(best, at_first) + 1].min()
    stands_out = density[best] >= config.second_share * density[at_first]
    return float(np.exp(grid[best])) if stands_out and low <= config.valley * density[best] else None


def find_mode(diameter: Floats, weight: Floats, bandwidth: float) -> tuple[float, float]:
    """Give the mode of a weighted distribution of diameters on a log axis, and the weight near it.

    Parameters
    ----------
    diameter, weight : (n,) float64
        Positive, at least one.
    bandwidth : float
        Sigma of the Gaussian kernel, in log diameter.

    Returns
    -------
    mode : float
        Unit of ``diameter``.
    density : float
        Sum of the weights seen through the kernel at the mode.
    """
    log_size = np.log(diameter)
    grid = np.arange(log_size.min() - bandwidth, log_size.max() + 2 * bandwidth, bandwidth / 4)
    density = smooth_histogram(log_size, weight, grid, bandwidth)
    best = int(density.argmax())
    return float(np.exp(grid[best])), float(density[best])


def smooth_histogram(values: Floats, weight: Floats, grid: Floats, bandwidth: float) -> Floats:
    """Sum Gaussian kernels of height ``weight`` at ``values`` on an even grid."""
    step = grid[1] - grid[0]
    edges = np.concatenate([grid - step / 2, grid[-1:] + step / 2])
    counts, _ = np.histogram(values, edges, weights=weight)
    sigma = bandwidth / step
    smooth = ndimage.gaussian_filter1d(counts.astype(np.float64), sigma, mode="constant")
    return np.asarray(smooth * sigma * np.sqrt(2 * np.pi), dtype=np.float64)


def estimate_prior(diameter: Floats, score: Floats, config: ConsistencyConfig) -> SizePrior | None:
    """Estimate the size of a data set's particles from candidates of many micrographs.

    Scores weigh with their square, so that confident candidates decide. The spread is the robust one of the
    candidates within half an octave of the mode, kept between the configured limits.

    Returns
    -------
    SizePrior or None
        None where there are too few candidates to speak of a size.
    """
    weight = score**2
    if len(diameter) < config.fewest:
        return None
    mode, _ = find_mode(diameter, weight, config.bandwidth)
    distance = np.abs(np.log(diameter / mode))
    near = distance < 0.5 * np.log(2)
    spread = 1.4826 * weighted_median(distance[near], weight[near])
    centre = np.exp(weighted_median(np.log(diameter[near]), weight[near]))
    spread = float(np.clip(spread, config.narrowest, config.widest))
    return SizePrior(float(centre), spread, spacing=config.spacing, least_factor=config.least_factor)


def size_agreement(
    diameter: Floats, score: Floats, prior: SizePrior | None, config: ConsistencyConfig
) -> float:
    """Give the share of candidates that agree on the data set's size, or on one of two; 0 without any.

    Scores weigh with their square, and each counts by the kernel of the size histogram: in full where the
    size is the mode itself. Particles have one size; what the network makes of noise and dirt has many.

    Parameters
    ----------
    diameter, score : (n,) float64
        Of candidates of which none stands for another's particle, after the size prior.
    prior : SizePrior, optional
        It tells the other size where there are two. The first is the mode of these candidates, so that a
        diameter that was given and is not quite right does no harm.
    config : ConsistencyConfig
    """
    weight = score**2
    if not weight.any():
        return 0.0
    mode, _ = find_mode(diameter, weight, config.bandwidth)
    sizes = [mode]
    if prior is not None and prior.second is not None:
        sizes.append(max(prior.diameter, prior.second, key=lambda size: abs(np.log(size / mode))))
    distance = np.abs(np.log(diameter[:, None] / np.array(sizes))).min(axis=1)
    return float((weight * np.exp(-0.5 * (distance / config.bandwidth) ** 2)).sum() / weight.sum())


def weighted_median(values: Floats, weight: Floats) -> float:
    """Give the value below which half of the weight lies; at least one value."""
    order = values.argsort()
    cumulated = weight[order].cumsum()
    return float(values[order][np.searchsorted(cumulated, cumulated[-1] / 2)])
