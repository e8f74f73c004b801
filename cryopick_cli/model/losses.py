"""What training minimises: focal loss for the class, smooth L1 for the box, and size consistency.

Size consistency is the prior that all particles of a micrograph have nearly one size (Lin, Li, Liu & Yoo,
"Picking particles in cryo-EM images without knowing particle size").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss
from torchvision.ops import sigmoid_focal_loss

from cryopick_cli.errors import ConfigError
from cryopick_cli.model.anchors import IGNORED, PARTICLE, MatchConfig, decode, encode, match
from cryopick_cli.model.network import Output

SIZE_FORMS = ("log", "linear")


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the three losses and the form of the third."""

    focal_alpha: float = field(
        default=0.25, metadata={"help": "Focal loss: weight of particles against background."}
    )
    focal_gamma: float = field(default=2.0, metadata={"help": "Focal loss: how little easy anchors count."})
    box_weight: float = field(default=2.0, metadata={"help": "Weight of the box loss."})
    box_beta: float = field(default=0.1, metadata={"help": "Where smooth L1 turns from square to straight."})
    size_weight: float = field(
        default=0.1, metadata={"help": "Weight of the size-consistency loss; 0 is off."}
    )
    size_form: str = field(
        default="log",
        metadata={
            "help": "Size consistency as written in the talk (linear, px²) or robust on log sizes (log)."
        },
    )
    size_score: float = field(
        default=0.3, metadata={"help": "Score from which an anchor is a predicted particle."}
    )
    fewest_anchors: int = field(
        default=8, metadata={"help": "A view's losses are shared among its particle anchors, at least these."}
    )
    match: MatchConfig = field(default_factory=MatchConfig)

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        if self.size_form not in SIZE_FORMS:
            raise ConfigError(f"size_form: found {self.size_form!r}, expected one of {SIZE_FORMS}")
        if min(self.box_weight, self.size_weight) < 0:
            raise ConfigError("box_weight and size_weight: expected 0 or more")
        if self.fewest_anchors < 1:
            raise ConfigError(f"fewest_anchors: found {self.fewest_anchors}, expected 1 or more")


class Targets(NamedTuple):
    """What a view holds: ``particles`` (p, 3) to learn, ``ignored`` (q, 3) to leave out; x, y, diameter."""

    particles: Tensor
    ignored: Tensor


class Matched(NamedTuple):
    """Which anchors of ``n`` views stand for particles, and what the box subnet should say of those ``k``."""

    labels: Tensor
    """(n, a): PARTICLE, BACKGROUND or IGNORED."""
    views: Tensor
    """(k,): the view of each particle's anchor."""
    rows: Tensor
    """(k,): its place among the anchors."""
    wanted: Tensor
    """(k, 3): the particle, coded by that anchor."""


class Losses(NamedTuple):
    """The loss and its parts, scalars; the parts are already weighted."""

    total: Tensor
    focal: Tensor
    box: Tensor
    size: Tensor


def match_views(anchors: Tensor, targets: Sequence[Targets], config: MatchConfig) -> Matched:
    """Match every view's particles to the anchors, which are the same in all; needs no network output.

    Parameters
    ----------
    anchors : (a, 3)
    targets : sequence of Targets
        One a view.
    config : MatchConfig
    """
    labels, views, rows, wanted = [], [], [], []
    for number, target in enumerate(targets):
        label, index = match(anchors, target.particles, target.ignored, config)
        row = torch.nonzero(label == PARTICLE).squeeze(1)
        labels.append(label)
        rows.append(row)
        views.append(torch.full_like(row, number))
        wanted.append(encode(target.particles[index[row]], anchors[row]))
    return Matched(torch.stack(labels), torch.cat(views), torch.cat(rows), torch.cat(wanted))


def compute_losses(output: Output, matched: Matched, config: LossConfig) -> Losses:
    """Compare the network's output with the reference of each view.

    Focal and box loss of a view are sums over its anchors divided by the number of its particle anchors
    (``fewest_anchors`` at least), then averaged over the batch: a crowded view counts no more than one with
    few particles, and a view without any counts by its false alarms.
    """
    is_particle = matched.labels == PARTICLE
    counted = matched.labels != IGNORED
    share = is_particle.sum(dim=1).clamp_min(config.fewest_anchors)
    focal = sigmoid_focal_loss(
        output.logits, is_particle.to(output.logits.dtype), alpha=config.focal_alpha, gamma=config.focal_gamma
    )
    focal = ((focal * counted).sum(dim=1) / share).mean()
    found = output.deltas[matched.views, matched.rows]
    box = smooth_l1_loss(found, matched.wanted, beta=config.box_beta, reduction="none").sum(dim=1)
    box = config.box_weight * (box / share[matched.views]).sum() / len(share)
    scores = output.logits.detach().sigmoid()
    predicted = counted & (is_particle | (scores >= config.size_score))
    diameters = decode(output.deltas, output.anchors)[..., 2]
    sizes = [
        size_consistency(diameter[chosen], score[chosen], config.size_form)
        for diameter, score, chosen in zip(diameters, scores, predicted, strict=True)
    ]
    size = config.size_weight * torch.stack(sizes).mean()
    return Losses(focal + box + size, focal, box, size)


def size_consistency(diameters: Tensor, scores: Tensor, form: str) -> Tensor:
    """Penalise sizes that differ from those of the other particles of the view.

    ``linear`` is the talk's formula, the variance of the predicted sizes: ``1/N sum_i (s_i - 1/N sum_i
    s_i)^2``, px². ``log`` measures log sizes against their score-weighted median with a Huber penalty, so
    that large particles weigh no more than small ones and single false alarms do not move the centre.

    Parameters
    ----------
    diameters : (k,)
        Predicted diameters in one view, px.
    scores : (k,)
        Their scores, without gradient.
    form : {"linear", "log"}

    Returns
    -------
    scalar, 0 for fewer than two particles
    """
    if len(diameters) < 2:
        return diameters.sum() * 0.0
    if form == "linear":
        return ((diameters - diameters.mean()) ** 2).mean()
    log_size = torch.log(diameters)
    centre = _weighted_median(log_size.detach(), scores)
    penalty = smooth_l1_loss(log_size, centre.expand_as(log_size), beta=0.2, reduction="none")
    return (penalty * scores).sum() / scores.sum().clamp_min(1e-6)


def _weighted_median(values: Tensor, weights: Tensor) -> Tensor:
    order = values.argsort()
    cumulated = weights[order].cumsum(0)
    middle = torch.searchsorted(cumulated, cumulated[-1:] / 2).clamp_max(len(values) - 1)
    return values[order][middle]
