"""Move picks to where the mean particle of the data set fits best.

The network's centres are a per cent of the diameter off, however clear the particle is, and more for kinds
of particle that it does not know. Each pick is therefore laid on the mean of the confident ones. By how much
it fits is the logarithm of a likelihood: with the noise and the variety of particles as its variance, and the
network's centre as prior, a clear particle moves to its centre and one lost in noise hardly moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.ndimage import gaussian_filter1d

from cryopick_cli.errors import ConfigError
from cryopick_cli.picking.cross_check import CrossCheckConfig
from cryopick_cli.picking.detect import Candidates
from cryopick_cli.picking.mean_particle import RING, Floats, Rings, ring_radius
from cryopick_cli.picking.view import View
from cryopick_cli.units import rescale_coordinate


@dataclass(frozen=True, kw_only=True)
class RecentreConfig:
    """How the mean particle is made, and how far it moves a pick."""

    picks: int = field(
        default=50, metadata={"help": "Best picks of a micrograph that are averaged, at most."}
    )
    fewest_picks: int = field(
        default=CrossCheckConfig.fewest_picks,
        metadata={"help": "Picks below which there is no mean particle."},
    )
    reach: float = field(default=0.7, metadata={"help": "How far the mean particle goes, in diameters."})
    rim: float = field(default=0.15, metadata={"help": "Over how much of that it fades out, in diameters."})
    smoothing: float = field(
        default=0.06,
        metadata={
            "help": "How finely it is drawn (sigma, in diameters): views of one particle share no more."
        },
    )
    spread: float = field(
        default=0.012, metadata={"help": "Standard deviation of the network's centres, in diameters."}
    )
    furthest: float = field(default=0.1, metadata={"help": "How far a pick may move, in diameters."})
    caution: float = field(
        default=2.0, metadata={"help": "Factor on the variance, as neighbouring pixels share their noise."}
    )

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        if min(self.picks, self.fewest_picks) < 1:
            raise ConfigError(
                f"picks, fewest_picks: found {self.picks} and {self.fewest_picks}, expected at least 1"
            )
        given = (self.smoothing, self.spread, self.furthest, self.caution)
        if not 0 < self.rim < self.reach or not min(given) > 0:
            raise ConfigError(
                "rim, reach, smoothing, spread, furthest, caution: expected positive numbers, the rim below "
                f"the reach, found {self.rim}, {self.reach} and {given}"
            )


@dataclass(frozen=True)
class MeanParticle:
    """The mean of the confident picks of a data set, in views such as the network is shown."""

    profile: tuple[float, ...]
    """Grey value by ring, from the centre outwards, see `mean_particle.RING`."""
    variance: float
    """Of a pixel about it."""


def mean_particle(rings: Rings, config: RecentreConfig) -> MeanParticle | None:
    """Give the mean particle, None where too few picks have shown one."""
    if rings.picks < config.fewest_picks or not rings.variance > 0:
        return None
    grey, pixels = (gaussian_filter1d(of, config.smoothing / RING) for of in (rings.grey, rings.pixels))
    return MeanParticle(tuple(float(value) for value in grey / pixels), rings.variance)


def recentre(
    found: Candidates,
    view: View,
    mean: MeanParticle,
    diameter_px: float,
    which: NDArray[np.bool_],
    config: RecentreConfig,
    device: torch.device,
) -> Candidates:
    """Move candidates to where they fit the mean particle best.

    Parameters
    ----------
    found : Candidates
        ``(n,)`` each, in px of the micrograph.
    view : View
        What the network was shown of it.
    mean : MeanParticle
    diameter_px : float
        Of the particle, px of the micrograph.
    which : (n,) bool
        Those that have its size. The others stay, as do those not wholly inside and those that fit nowhere
        near.
    config : RecentreConfig
    device : torch.device
        Where to reckon.
    """
    across = view.across(diameter_px)
    x, y = view.from_micrograph(found.x, found.y)
    height, width = view.array.shape
    half = across / 2
    rows = np.flatnonzero(which & (x >= half) & (y >= half) & (x < width - half) & (y < height - half))
    if len(rows) == 0:
        return found
    fit = _correlate(view.array, _kernel(mean, across, config), device) / (config.caution * mean.variance)
    x[rows], y[rows] = _climb(fit, x[rows], y[rows], config.spread * across, config.furthest * across)
    moved_x, moved_y = found.x.copy(), found.y.copy()
    moved_x[rows] = rescale_coordinate(x[rows], 1 / view.factor_x)
    moved_y[rows] = rescale_coordinate(y[rows], 1 / view.factor_y)
    return found._replace(x=moved_x, y=moved_y)


def _kernel(mean: MeanParticle, across: float, config: RecentreConfig) -> NDArray[np.float32]:
    """Draw the mean particle, ``across`` px large, without its mean and fading out towards its rim."""
    half = int(np.ceil(config.reach * across))
    steps = np.arange(-half, half + 1)
    radius = np.hypot(steps, steps[:, None]) / across
    grey = np.interp(radius, ring_radius(len(mean.profile)), mean.profile)
    inside = np.clip((config.reach - radius) / config.rim, 0, 1)
    weight = 0.5 - 0.5 * np.cos(np.pi * inside)
    return np.asarray((grey - np.average(grey, weights=weight)) * weight, dtype=np.float32)


def _correlate(
    view: NDArray[np.float32], kernel: NDArray[np.float32], device: torch.device
) -> NDArray[np.float32]:
    """Correlate a view with a kernel of odd size, centre on pixel; beyond its edge the view is 0."""
    half = kernel.shape[0] // 2
    shape = [next_fast_len(side + half, real=True) for side in view.shape]
    centred = np.zeros(shape, dtype=np.float32)
    centred[: kernel.shape[0], : kernel.shape[1]] = kernel
    centred = np.roll(centred, (-half, -half), (0, 1))
    seen, wanted = (torch.from_numpy(array).to(device) for array in (np.ascontiguousarray(view), centred))
    product = torch.fft.rfft2(seen, s=shape) * torch.fft.rfft2(wanted).conj()
    both = torch.fft.irfft2(product, s=shape)[: view.shape[0], : view.shape[1]]
    return np.asarray(both.cpu().numpy())


def _climb(
    fit: NDArray[np.float32], x: Floats, y: Floats, spread: float, furthest: float
) -> tuple[Floats, Floats]:
    """Find the best fit near each pick, to a fraction of a pixel; without one, the pick stays."""
    reach = int(np.ceil(furthest)) + 1
    steps = np.arange(-reach, reach + 1)
    columns, rows = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    dx, dy = steps + (columns - x)[:, None], steps + (rows - y)[:, None]
    at = (
        np.clip(rows[:, None] + steps, 0, fit.shape[0] - 1)[:, :, None],
        np.clip(columns[:, None] + steps, 0, fit.shape[1] - 1)[:, None, :],
    )
    distance = dx[:, None, :] ** 2 + dy[:, :, None] ** 2
    belief = fit[at] - distance / (2 * spread**2)
    inner = np.where(distance <= furthest**2, belief, -np.inf)[:, 1:-1, 1:-1]
    best = inner.reshape(len(x), -1).argmax(axis=1)
    row, column = (index + 1 for index in np.divmod(best, inner.shape[2]))
    one = np.arange(len(x))
    shift_x, sure_x = _summit(*(belief[one, row, column + step] for step in (-1, 0, 1)))
    shift_y, sure_y = _summit(*(belief[one, row + step, column] for step in (-1, 0, 1)))
    moved = sure_x & sure_y
    return (
        np.where(moved, x + dx[one, column] + shift_x, x),
        np.where(moved, y + dy[one, row] + shift_y, y),
    )


def _summit(before: Floats, here: Floats, after: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Find the top of the parabola through three neighbours, from the middle one; tell whether it has one."""
    curvature = before - 2 * here + after
    top = (here >= before) & (here >= after) & (curvature < 0)
    return np.where(top, (before - after) / (2 * np.where(top, curvature, -1.0)), 0.0), top
