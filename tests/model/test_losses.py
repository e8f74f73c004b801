"""Losses: formulas by hand, what each pushes to, and views without anything to learn."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from cryopick_cli.errors import ConfigError
from cryopick_cli.model.anchors import encode
from cryopick_cli.model.losses import (
    LossConfig,
    Losses,
    Targets,
    compute_losses,
    match_views,
    size_consistency,
)
from cryopick_cli.model.network import Output

NONE = torch.zeros((0, 3))
ONES = torch.ones(5)


def rows(*particles: tuple[float, float, float]) -> Tensor:
    return torch.tensor(particles, dtype=torch.float32).reshape(-1, 3)


GRID = range(0, 256, 16)
ANCHORS = rows(*((x, y, size) for y in GRID for x in GRID for size in (20, 40)))


def says(particles: Tensor, confidence: float, deltas: Tensor | None = None) -> Output:
    """Make the output of a network that is sure of the anchors nearest to these particles alone."""
    logits = torch.full((1, len(ANCHORS)), -confidence)
    right = torch.zeros(1, len(ANCHORS), 3) if deltas is None else deltas
    for particle in particles:
        best = ((ANCHORS - particle) ** 2).sum(1).argmin()
        logits[0, best] = confidence
        if deltas is None:
            right[0, best] = encode(particle[None], ANCHORS[best : best + 1])[0]
    return Output(logits, right, ANCHORS)


def losses_of(output: Output, *targets: Targets, **settings: Any) -> Losses:
    config = LossConfig(**{"fewest_anchors": 1, **settings})
    return compute_losses(output, match_views(output.anchors, targets, config.match), config)


PARTICLES = rows((64, 64, 40), (160, 96, 40), (96, 208, 40))


def test_total_is_the_sum_of_the_weighted_parts() -> None:
    output = says(PARTICLES, 2.0, deltas=0.1 * torch.randn(1, len(ANCHORS), 3))
    target = Targets(PARTICLES, NONE)
    plain = losses_of(output, target, box_weight=1.0, size_weight=1.0)
    weighted = losses_of(output, target, box_weight=3.0, size_weight=0.5)
    assert weighted.focal.item() == pytest.approx(plain.focal.item())
    assert weighted.box.item() == pytest.approx(3 * plain.box.item())
    assert weighted.size.item() == pytest.approx(0.5 * plain.size.item())
    assert weighted.total.item() == pytest.approx(sum(part.item() for part in weighted[1:]))
    assert losses_of(output, target, size_weight=0.0).size.item() == 0


def test_focal_loss_of_one_anchor_is_the_formula() -> None:
    """``- alpha (1 - p)^gamma log p`` of a particle, ``- (1 - alpha) p^gamma log (1 - p)`` of background."""
    anchors, target = rows((50, 50, 20), (150, 50, 20)), Targets(rows((50, 50, 20)), NONE)
    p, q = 0.3, 0.2
    logits = torch.tensor([[math.log(p / (1 - p)), math.log(q / (1 - q))]])
    found = losses_of(Output(logits, torch.zeros(1, 2, 3), anchors), target).focal.item()
    expected = -0.25 * (1 - p) ** 2 * math.log(p) - 0.75 * q**2 * math.log(1 - q)
    assert found == pytest.approx(expected, rel=1e-5)


def test_right_answers_cost_little_and_wrong_ones_more() -> None:
    target = Targets(PARTICLES, NONE)
    right = losses_of(says(PARTICLES, 6.0), target)
    missed = losses_of(says(NONE, 6.0), target)
    invented = losses_of(says(torch.cat([PARTICLES, rows((208, 208, 40))]), 6.0), target)
    assert right.focal < 0.02
    assert right.box.item() == pytest.approx(0, abs=1e-6)
    assert missed.focal > 1
    assert invented.focal > right.focal + 1


def test_box_loss_is_smooth_l1_of_the_code() -> None:
    """An offset of 0.05 anchor sizes costs 0.05² / (2 beta); one of 1, beyond beta, 1 - beta / 2."""
    anchors, target = rows((50, 50, 20)), Targets(rows((50, 50, 20)), NONE)
    deltas = torch.tensor([[[0.05, 1.0, 0.0]]])
    found = losses_of(Output(torch.zeros(1, 1), deltas, anchors), target, box_weight=1.0).box.item()
    assert found == pytest.approx(0.05**2 / 0.2 + (1 - 0.05), rel=1e-5)


def test_descent_learns_an_easy_view() -> None:
    torch.manual_seed(0)
    logits = torch.full((1, len(ANCHORS)), -2.0, requires_grad=True)
    deltas = (0.3 * torch.randn(1, len(ANCHORS), 3)).requires_grad_()
    optimiser = torch.optim.Adam([logits, deltas], lr=0.1)
    history = []
    for _ in range(60):
        optimiser.zero_grad()
        losses = losses_of(Output(logits, deltas, ANCHORS), Targets(PARTICLES, NONE))
        losses.total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        history.append(losses)
    assert history[-1].focal < 0.05 * history[0].focal
    assert history[-1].box < 0.05 * history[0].box
    assert history[-1].size <= history[0].size + 1e-3


def test_ignored_places_cost_nothing() -> None:
    spot = rows((208, 208, 40))
    output = says(torch.cat([PARTICLES, spot]), 6.0)
    ignored = losses_of(output, Targets(PARTICLES, spot)).focal
    assert ignored.item() < losses_of(output, Targets(PARTICLES, NONE)).focal.item() - 1
    assert ignored < 0.02


def test_a_view_without_particles_counts_its_false_alarms_only() -> None:
    quiet = losses_of(says(NONE, 6.0), Targets(NONE, NONE))
    noisy = losses_of(says(PARTICLES, 6.0), Targets(NONE, NONE))
    assert quiet.total < 0.02
    assert noisy.focal > 3
    assert noisy.box == 0


@pytest.mark.parametrize("form", ["log", "linear"])
def test_empty_views_have_finite_gradients(form: str) -> None:
    logits = torch.full((2, len(ANCHORS)), -3.0, requires_grad=True)
    deltas = torch.zeros(2, len(ANCHORS), 3, requires_grad=True)
    everywhere = rows((128, 128, 2000))  # no anchor overlaps it by a third, so none is left out
    nothing = [Targets(NONE, NONE), Targets(NONE, everywhere)]
    config = LossConfig(size_form=form)
    matched = match_views(ANCHORS, nothing, config.match)
    losses = compute_losses(Output(logits, deltas, ANCHORS), matched, config)
    losses.total.backward()  # type: ignore[no-untyped-call]
    assert math.isfinite(losses.total.item())
    assert logits.grad is not None
    assert deltas.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert torch.isfinite(deltas.grad).all()


def test_views_of_a_batch_weigh_the_same() -> None:
    one, empty = says(PARTICLES, 1.0), says(NONE, 1.0)
    both = Output(torch.cat([one.logits, empty.logits]), torch.cat([one.deltas, empty.deltas]), ANCHORS)
    full, nothing = Targets(PARTICLES, NONE), Targets(NONE, NONE)
    alone = losses_of(one, full).focal.item() + losses_of(empty, nothing).focal.item()
    assert losses_of(both, full, nothing).focal.item() == pytest.approx(alone / 2, rel=1e-5)


def test_views_of_few_particles_share_their_loss_among_the_fewest_anchors() -> None:
    """Three particles lie on three anchors: twelve in their place divide by four times as much."""
    output, target = says(PARTICLES, 1.0), Targets(PARTICLES, NONE)
    plain, shared = losses_of(output, target), losses_of(output, target, fewest_anchors=12)
    assert shared.focal.item() == pytest.approx(plain.focal.item() / 4, rel=1e-5)


def test_linear_size_consistency_is_the_variance_of_the_talk() -> None:
    sizes = torch.tensor([200.0, 210.0, 190.0, 120.0])
    mean = sum(sizes.tolist()) / 4
    expected = sum((size - mean) ** 2 for size in sizes.tolist()) / 4
    assert size_consistency(sizes, torch.ones(4), "linear").item() == pytest.approx(expected)


@pytest.mark.parametrize("form", ["log", "linear"])
def test_equal_sizes_cost_nothing(form: str) -> None:
    assert size_consistency(torch.full((5,), 40.0), ONES, form).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("form", ["log", "linear"])
def test_fewer_than_two_sizes_cost_nothing_and_can_be_differentiated(count: int, form: str) -> None:
    sizes = torch.full((count,), 40.0, requires_grad=True)
    loss = size_consistency(sizes, torch.ones(count), form)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert sizes.grad is not None
    assert not sizes.grad.any()


def test_log_form_does_not_depend_on_the_scale() -> None:
    sizes, scores = torch.tensor([30.0, 40.0, 44.0, 70.0, 39.0]), torch.tensor([0.5, 0.9, 0.8, 0.4, 0.7])
    small = size_consistency(sizes, scores, "log").item()
    assert small > 0
    assert size_consistency(5 * sizes, scores, "log").item() == pytest.approx(small, rel=1e-4)
    assert size_consistency(5 * sizes, scores, "linear").item() == pytest.approx(
        25 * size_consistency(sizes, scores, "linear").item()
    )


def test_log_form_pulls_the_odd_size_and_leaves_the_others() -> None:
    sizes = torch.tensor([40.0, 40.0, 40.0, 40.0, 120.0], requires_grad=True)
    size_consistency(sizes, ONES, "log").backward()  # type: ignore[no-untyped-call]
    assert sizes.grad is not None
    assert sizes.grad[4] > 0  # descent makes it smaller
    assert not sizes.grad[:4].any()


def test_linear_form_moves_the_centre_with_an_outlier() -> None:
    """Why the robust form exists: one false alarm pulls every right size."""
    sizes = torch.tensor([40.0, 40.0, 40.0, 40.0, 120.0], requires_grad=True)
    size_consistency(sizes, ONES, "linear").backward()  # type: ignore[no-untyped-call]
    assert sizes.grad is not None
    assert (sizes.grad[:4] < 0).all()


def test_log_form_grows_straight_and_not_as_the_square_with_an_outlier() -> None:
    near, far = (
        size_consistency(torch.tensor([40.0, 40.0, 40.0, 40.0, 40.0 * factor]), ONES, "log").item()
        for factor in (2.0, 4.0)
    )
    assert far / near < 2.5
    assert far < 0.3


def test_sizes_of_low_scores_weigh_less() -> None:
    sizes = torch.tensor([40.0, 40.0, 40.0, 120.0, 120.0])
    doubtful = torch.tensor([0.9, 0.9, 0.9, 0.3, 0.3])
    assert size_consistency(sizes, doubtful, "log") < size_consistency(sizes, ONES, "log")


def test_size_loss_sees_confident_predictions_that_are_no_particle() -> None:
    """A false alarm of another size adds to the size loss from ``size_score`` on."""
    alarm = rows((208, 208, 20))
    sure, unsure = (
        losses_of(says(torch.cat([PARTICLES, alarm]), 3.0), Targets(PARTICLES, NONE), size_score=score)
        for score in (0.5, 0.99)
    )
    assert unsure.size.item() == pytest.approx(0, abs=1e-6)
    assert sure.size > 0.001


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"size_form": "cubic"}, "size_form: found 'cubic', expected one of"),
        ({"box_weight": -1.0}, "box_weight and size_weight"),
        ({"size_weight": -1.0}, "box_weight and size_weight"),
        ({"fewest_anchors": 0}, "fewest_anchors: found 0, expected 1 or more"),
    ],
)
def test_settings_without_meaning_are_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        LossConfig(**values)
