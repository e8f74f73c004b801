"""Copies of a few micrographs in which there is no particle, and what the network makes of them.

One copy has its contrast inverted, the other its phases drawn anew. What is found in them at a threshold is
about as much as is found wrongly in the micrographs themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.imaging.junk import JunkMask
from cryopick_cli.imaging.normalise import fill_non_finite
from cryopick_cli.imaging.phases import randomise_phases
from cryopick_cli.imaging.resample import resample, working_shape
from cryopick_cli.model.weights import Model
from cryopick_cli.picking.candidates import find_candidates, working_factor
from cryopick_cli.picking.choice import chosen
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.consistency import SizePrior
from cryopick_cli.picking.detect import Candidates
from cryopick_cli.picking.threshold import DecoyScores, Floats
from cryopick_cli.picking.weighing import weigh
from cryopick_cli.progress import Advance, unheard


@dataclass(frozen=True)
class Genuine:
    """A micrograph of the sample: its name, the diameter expected in it (px), its candidates and its junk."""

    name: str
    micrograph: Micrograph
    diameter_px: float | None
    found: Candidates
    mask: JunkMask | None = None
    """Where it shows no ice, where that counts."""


def choose_copied(names: Iterable[str], config: PickConfig) -> list[str]:
    """Choose the micrographs to make decoys of, by the hash that chose the sample.

    Averaged scores are to be compared with averaged ones, which cost many looks: then there are fewer decoys.
    """
    limits = config.thresholding
    count = limits.averaged_decoy_micrographs if config.quality == "best" else limits.decoy_micrographs
    return chosen(names, count, config.seed)


def score_decoys(
    model: Model,
    genuine: Sequence[Genuine],
    prior: SizePrior | None,
    config: PickConfig,
    *,
    light: bool,
    advance: Advance = unheard,
) -> DecoyScores:
    """Score the candidates of a few micrographs and of their decoys alike.

    Only those that could become picks count; junk is where the micrograph itself has it.
    """
    scores: tuple[list[Floats], ...] = ([], [], [])
    copied = choose_copied([one.name for one in genuine], config)
    for one in (one for one in genuine if one.name in copied):
        inverted = find_candidates(model, one.micrograph.array, one.diameter_px, config, light=not light)
        for kind, found in enumerate((one.found, inverted, _find_in_noise(model, one, config))):
            weighed = weigh(found, one.micrograph, prior, model.card.operating_point, config, one.mask)
            scores[kind].append(weighed.score[weighed.eligible])
        advance(one.name)
    return DecoyScores(*(np.concatenate(kind) if kind else np.zeros(0) for kind in scores))


def _find_in_noise(model: Model, one: Genuine, config: PickConfig) -> Candidates:
    """Find candidates in noise made from a micrograph, in the micrograph's pixels."""
    array = fill_non_finite(one.micrograph.array)
    factor = working_factor(model, array.shape, one.diameter_px, config)
    shape = working_shape((array.shape[0], array.shape[1]), max(1.0, factor))
    digest = hashlib.sha256(f"{config.seed}:{one.name}".encode()).digest()
    noise = randomise_phases(resample(array, shape), np.random.default_rng(list(digest[:8])))
    scale = array.shape[1] / shape[1]
    diameter = None if one.diameter_px is None else one.diameter_px / scale
    found = find_candidates(model, noise, diameter, config)
    return found._replace(x=found.x * scale, y=found.y * scale, diameter=found.diameter * scale)
