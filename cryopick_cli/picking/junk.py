"""What a mask of junk does to picks: a soft penalty, a cut, or nothing. How the mask is found: imaging.

Knows no network and no files.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cryopick_cli.imaging.junk import JunkMask

Floats = NDArray[np.float64]

DROP, FLAG, KEEP = MODES = ("drop", "flag", "keep")
# What is left of the score of a candidate that lies on junk altogether.
_LEFT = 0.2
# Share of its disc from which a candidate lies on junk.
MOST = 0.5
# A mask of this share of the view or more must not hold most of what looks like particles.
_DOUBTFUL_AREA = 0.25


def judged(mask: JunkMask, x: Floats, y: Floats, diameter: Floats, score: Floats) -> JunkMask:
    """Give the mask, or an all-clear one where the candidates of the micrograph speak against it.

    A large mask that holds most of the evidence for particles is not believed: there carbon or gold fills
    most of the view, and what differs from the dominant level is the ice.
    """
    if mask.area < _DOUBTFUL_AREA or len(x) == 0:
        return mask
    evidence = score**2
    on_junk = evidence[mask.share(x, y, diameter) > MOST].sum()
    return mask.cleared() if on_junk > 0.5 * evidence.sum() else mask


def junk_of(mask: JunkMask | None, x: Floats, y: Floats, diameter: Floats) -> Floats:
    """Give the share of each candidate's disc that lies on junk, 0 to 1; zeros without a mask."""
    return np.zeros(len(x)) if mask is None or len(x) == 0 else mask.share(x, y, diameter)


def fade_of(junk: Floats, mode: str) -> Floats:
    """Give the factor on the score of what lies on junk, 0.2 where all of its disc does; 1 under ``keep``."""
    return np.ones_like(junk) if mode == KEEP else 1 - (1 - _LEFT) * junk


def allowed(junk: Floats, mode: str) -> NDArray[np.bool_]:
    """Tell which candidates may be accepted: under ``drop`` those less than half on junk."""
    return np.asarray((junk < MOST) | (mode != DROP), dtype=np.bool_)
