"""Move picks to where the mean particle of the data set fits best.

The network's centres are a per cent of the diameter off, however clear the particle is, and more for kinds
of particle that it does not know. So each pick is laid on the mean of sure ones. Noise, and how particles
differ from the mean, move the place where it fits best; by how much is measured on the same picks
(`MeanParticle.noise`). Weighed against the network's centre, a clear particle moves to its centre, and one
lost in noise hardly moves. It is no more than a weighing: the network has seen the same noise.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import fftconvolve
from scipy.spatial import cKDTree

from cryopick_cli.errors import ConfigError
from cryopick_cli.picking.detect import Candidates
from cryopick_cli.picking.edges import is_inside
from cryopick_cli.picking.mean_particle import RING, Floats, Rings
from cryopick_cli.picking.view import View

Patches = NDArray[np.float32]

# Picks that are laid on the mean particle at once; bounds the memory.
_AT_ONCE = 256
# Where there is no noise at all, as where particles are clipped; keeps the likelihood finite.
_LEAST_NOISE = 1e-3
# Nearest candidates that are asked whether they disturb a pick; all keep a distance from each other.
_NEIGHBOURS = 12
# How many of the outermost rings show what lies about the particle: 0.15 diameters.
_OUTER_RINGS = 6


@dataclass(frozen=True, kw_only=True)
class RecentreConfig:
    """How the mean particle is drawn, which picks it moves, and how far."""

    picks: int = field(
        default=50, metadata={"help": "Best picks of a micrograph that are averaged, at most."}
    )
    sure: float = field(default=0.5, metadata={"help": "Score of a pick that is averaged, at least."})
    reach: float = field(default=0.7, metadata={"help": "How far the mean particle goes, in diameters."})
    rim: float = field(default=0.15, metadata={"help": "Over how much of that it fades out, in diameters."})
    smoothing: float = field(
        default=0.06,
        metadata={
            "help": "How much it is blurred (sigma, in diameters): views of one particle share no more."
        },
    )
    spread: float = field(
        default=0.01, metadata={"help": "Standard deviation of the network's centres, in diameters."}
    )
    furthest: float = field(default=0.05, metadata={"help": "How far a pick may move, in diameters."})
    alone: float = field(
        default=1.0,
        metadata={"help": "How far apart a pick that moves and a likely neighbour are, in mean diameters."},
    )
    likely: float = field(default=0.2, metadata={"help": "Score of such a neighbour, at least."})
    window: float = field(
        default=0.35,
        metadata={"help": "How far from the data set's size those are that move, in log diameter."},
    )

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        if self.picks < 1 or not 0 <= min(self.sure, self.likely) <= max(self.sure, self.likely) <= 1:
            raise ConfigError(
                f"picks, sure, likely: found {self.picks}, {self.sure} and {self.likely}, expected at least "
                "1 and two scores from 0 to 1"
            )
        given = (self.smoothing, self.spread, self.furthest, self.alone, self.window)
        if not 0 < self.rim < self.reach or not min(given) > 0:
            raise ConfigError(
                "rim, reach, smoothing, spread, furthest, alone, window: expected positive numbers, the rim "
                f"below the reach, found {self.rim}, {self.reach} and {given}"
            )


@dataclass(frozen=True)
class MeanParticle:
    """The mean of sure picks of a data set, in views such as the network is shown."""

    profile: tuple[float, ...]
    """Grey value by ring, from the centre outwards, blurred."""
    noise: float
    """What turns a correlation with it into the logarithm of a likelihood: the variance of the correlation's
    slope at a centre, over the curvature it has there. For white noise it is the variance of a pixel."""
    ring: float = RING
    """Width of a ring, in diameters."""

    def __post_init__(self) -> None:
        """Refuse what nothing can be laid on."""
        if not self.profile or not min(self.noise, self.ring) > 0:
            raise ConfigError(
                f"profile, noise, ring: found {len(self.profile)} values, {self.noise} and {self.ring}, "
                "expected one or more, and two positive numbers"
            )


def draw_mean_particle(rings: Rings, fewest_picks: int, config: RecentreConfig) -> MeanParticle | None:
    """Average picks; None where there are too few, or where they have no outline in common.

    ``rings`` are as far as ``config.reach``.

    The correlation with a round particle has the slope ``sum K'(r) cos θ`` times grey value at its centre. It
    is 0 but for noise, for what is not round, and for the error of the centre. With ``cos 3θ`` in place of
    ``cos θ`` the error falls out, and what is left varies about as much.
    """
    if rings.picks < fewest_picks:
        return None
    blurred, pixels = (gaussian_filter1d(of, config.smoothing / RING) for of in (rings.grey, rings.pixels))
    profile = blurred / pixels
    kernel = (profile - _outer_level(profile)) * _fade(rings.radius, config)
    kernel_slope, slope = (np.gradient(of, RING) for of in (kernel, profile))
    curvature = 0.5 * float((rings.pixels * kernel_slope * slope).sum()) / rings.picks
    # Both parts of a complex normal value have this variance; by the median, so that dirt counts little.
    variance = float(np.median(np.abs(rings.trefoil @ kernel_slope) ** 2)) / (2 * np.log(2))
    if not curvature > 0:
        return None
    noise = max(variance / curvature, _LEAST_NOISE)
    return MeanParticle(tuple(float(value) for value in profile), noise)


def recentre(
    found: Candidates,
    which: NDArray[np.bool_],
    view: View,
    mean: MeanParticle,
    diameter_px: float,
    config: RecentreConfig,
) -> Candidates:
    """Move candidates to where they fit the mean particle best.

    Parameters
    ----------
    found : Candidates
        ``(n,)`` each, in px of the micrograph.
    which : (n,) bool
        Those that may move, see :func:`may_move`. Of them stay those not wholly inside the view, and those
        without a best fit within ``config.furthest``.
    view : View
        What the network was shown of the micrograph.
    mean : MeanParticle
    diameter_px : float
        Of the particle, px of the micrograph.
    config : RecentreConfig

    Returns
    -------
    Candidates
        The same with other ``x`` and ``y``.
    """
    across_px = view.across_px(diameter_px)
    x, y = view.places_in_view(found.x, found.y)
    rows = np.flatnonzero(which & is_inside(x, y, (view.array.shape[0], view.array.shape[1]), across_px / 2))
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        x[some], y[some] = _lay_on(view.array, x[some], y[some], mean, across_px, config)
    there_x, there_y = view.places_in_micrograph(x[rows], y[rows])
    new_x, new_y = found.x.copy(), found.y.copy()
    new_x[rows], new_y[rows] = there_x, there_y
    return found._replace(x=new_x, y=new_y)


def may_move(
    found: Candidates, score: Floats, diameter_px: float, least_distance_px: float, config: RecentreConfig
) -> NDArray[np.bool_]:
    """Tell which candidates may be moved: those of the data set's size that no neighbour disturbs.

    The mean particle is that of lone ones; where discs overlap, it fits best a little towards the neighbour.
    And no two may come nearer to each other than ``least_distance_px``.

    Parameters
    ----------
    found : Candidates
        ``(n,)`` each, one a particle.
    score : (n,) float64
    diameter_px, least_distance_px : float
        In the unit of ``found``.
    config : RecentreConfig
    """
    moves = np.abs(np.log(found.diameter / diameter_px)) <= config.window
    centres = np.column_stack([found.x, found.y])
    if len(centres) > 1:
        # A candidate is its own nearest one; a few of the others are enough, as they keep a distance.
        apart, which = cKDTree(centres).query(centres, k=min(_NEIGHBOURS + 1, len(centres)))
        apart, which = apart[:, 1:], which[:, 1:]
        likely = score[which] >= config.likely
        touching = config.alone * (diameter_px + np.maximum(found.diameter[which], diameter_px)) / 2
        safe = least_distance_px + 2 * config.furthest * diameter_px
        moves &= ((apart >= safe) & (~likely | (apart >= touching))).all(axis=1)
    return moves


def _fade(radius: Floats, config: RecentreConfig) -> Floats:
    """Give the weight of the mean particle at some radii in diameters: 1, and 0 from its reach on."""
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip((config.reach - radius) / config.rim, 0, 1)))


def _outer_level(profile: Floats) -> float:
    """Give the grey value about the mean particle: there it must end without a step, to see no neighbour."""
    return float(profile[-_OUTER_RINGS:].mean())


def _lay_on(
    view: NDArray[np.float32],
    x: Floats,
    y: Floats,
    mean: MeanParticle,
    across_px: float,
    config: RecentreConfig,
) -> tuple[Floats, Floats]:
    """Give where some picks fit the mean particle best, px of the view."""
    kernel, reach = _draw_kernel(mean, across_px, config), int(np.ceil(config.furthest * across_px)) + 1
    columns, rows = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    patches = _cut_patches(view, columns, rows, kernel.shape[0] // 2 + reach)
    # Correlation of each patch with the kernel, at all shifts up to the reach.
    fit = fftconvolve(patches, kernel[None, ::-1, ::-1], mode="valid", axes=(1, 2)) / mean.noise
    dx, dy = _climb(fit, x - columns, y - rows, config.spread * across_px, config.furthest * across_px)
    return x + dx, y + dy


def _draw_kernel(mean: MeanParticle, across_px: float, config: RecentreConfig) -> NDArray[np.float32]:
    """Draw the mean particle, ``across_px`` large, on a background of 0 and fading out towards its rim."""
    half = int(np.ceil(config.reach * across_px))
    steps = np.arange(-half, half + 1)
    radius = np.hypot(steps, steps[:, None]) / across_px
    rings = (np.arange(len(mean.profile)) + 0.5) * mean.ring
    grey, weight = np.interp(radius, rings, mean.profile), _fade(radius, config)
    return np.asarray((grey - _outer_level(np.array(mean.profile))) * weight, dtype=np.float32)


def _cut_patches(
    view: NDArray[np.float32], columns: NDArray[np.int64], rows: NDArray[np.int64], half: int
) -> Patches:
    """Cut out squares of ``2 half + 1`` px about some pixels; outside the view is 0, which is ice."""
    steps = np.arange(-half, half + 1)
    row, column = (rows[:, None] + steps)[:, :, None], (columns[:, None] + steps)[:, None, :]
    inside = (row >= 0) & (row < view.shape[0]) & (column >= 0) & (column < view.shape[1])
    grey = view[np.clip(row, 0, view.shape[0] - 1), np.clip(column, 0, view.shape[1] - 1)]
    return np.where(inside, grey, np.float32(0))


def _climb(fit: Patches, x: Floats, y: Floats, spread: float, furthest: float) -> tuple[Floats, Floats]:
    """Find how far it is to the best fit near each pick, to a fraction of a pixel; without one, it is 0.

    Parameters
    ----------
    fit : (n, k, k)
        Logarithm of the likelihood at whole steps around the middle.
    x, y : (n,)
        Where the picks are found, steps from the middle.
    spread, furthest : float
        Standard deviation of that, and the longest way, in steps.
    """
    reach = fit.shape[1] // 2
    steps = np.arange(-reach, reach + 1)
    dx, dy = steps - x[:, None], steps - y[:, None]
    distance_squared = dx[:, None, :] ** 2 + dy[:, :, None] ** 2
    belief = fit - distance_squared / (2 * spread**2)
    near = distance_squared <= furthest**2
    inner = np.where(near, belief, -np.inf)[:, 1:-1, 1:-1]
    best = inner.reshape(len(x), -1).argmax(axis=1)
    row, column = (index + 1 for index in np.divmod(best, inner.shape[2]))
    one = np.arange(len(x))
    shift_x, sure_x = _summit(*(belief[one, row, column + step] for step in (-1, 0, 1)))
    shift_y, sure_y = _summit(*(belief[one, row + step, column] for step in (-1, 0, 1)))
    way_x, way_y = dx[one, column] + shift_x, dy[one, row] + shift_y
    share = np.minimum(1, furthest / np.maximum(np.hypot(way_x, way_y), 1e-9)) * (
        sure_x & sure_y & near[one, row, column]
    )
    return way_x * share, way_y * share


def _summit(before: Floats, here: Floats, after: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Find the top of the parabola through three neighbours, from the middle one; tell whether it has one."""
    curvature = before - 2 * here + after
    top = (here >= before) & (here >= after) & (curvature < 0)
    return np.where(top, (before - after) / (2 * np.where(top, curvature, -1.0)), 0.0), top
