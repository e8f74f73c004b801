"""What training minimises: focal loss for the class, smooth L1 for the box, and size consistency.

Size consistency is the prior that all particles of a micrograph have nearly one size (Lin, Li, Liu & Yoo,
"Picking particles in cryo-EM images without knowing particle size").
"""

from __future__ import annotations

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
    match: MatchConfig = field(default_factory=MatchConfig)

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        if self.size_form not in SIZE_FORMS:
            raise ConfigError(f"size_form: found {self.size_form!r}, expected one of {SIZE_FORMS}")
        if min(self.box_weight, self.size_weight) < 0:
            raise ConfigError("box_weight and size_weight: expected 0 or more")


class Targets(NamedTuple):
    """What a view holds: ``particles`` (p, 3) to learn, ``ignored`` (q, 3) to leave out; x, y, diameter."""

    particles: Tensor
    ignored: Tensor


class Losses(NamedTuple):
    """The loss and its parts, scalars; the parts are already weighted."""

    total: Tensor
    focal: Tensor
    box: Tensor
    size: Tensor


def compute_losses(output: Output, targets: list[Targets], config: LossConfig) -> Losses:
    """Compare the network's output with the reference of each view.

    Focal and box loss are sums over the batch divided by its number of particle anchors (at least one a
    view), so that a view without particles counts as much as it has false alarms.
    """
    focal = output.logits.new_zeros(())
    box = output.logits.new_zeros(())
    size = output.logits.new_zeros(())
    positives = 0
    for logits, deltas, target in zip(output.logits, output.deltas, targets, strict=True):
        labels, index = match(output.anchors, target.particles, target.ignored, config.match)
        counted = labels != IGNORED
        is_particle = labels == PARTICLE
        focal = focal + sigmoid_focal_loss(
            logits[counted],
            is_particle[counted].to(logits.dtype),
            alpha=config.focal_alpha,
            gamma=config.focal_gamma,
            reduction="sum",
        )
        anchors = output.anchors[is_particle]
        wanted = encode(target.particles[index[is_particle]], anchors)
        box = box + smooth_l1_loss(deltas[is_particle], wanted, beta=config.box_beta, reduction="sum")
        predicted = counted & (is_particle | (logits.detach().sigmoid() >= config.size_score))
        diameters = decode(deltas[predicted], output.anchors[predicted])[:, 2]
        size = size + size_consistency(diameters, logits[predicted].detach().sigmoid(), config.size_form)
        positives += max(1, int(is_particle.sum()))
    focal = focal / positives
    box = config.box_weight * box / positives
    size = config.size_weight * size / len(targets)
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
