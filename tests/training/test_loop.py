"""The loop: learning rate, running average, steps, and when it saves and validates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cryopick_cli.errors import CryopickError
from cryopick_cli.model.anchors import MatchConfig, lay_anchors
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.device import DeviceChoice
from cryopick_cli.model.losses import Matched, Targets, match_views
from cryopick_cli.model.network import RetinaNet
from cryopick_cli.training import loop
from cryopick_cli.training.checkpoint import TrainingState, load_checkpoint
from cryopick_cli.training.config import OptimiserConfig, TrainConfig
from cryopick_cli.training.dataset import Crops, find_labelled
from cryopick_cli.training.loop import (
    Hooks,
    Progress,
    averaged_network,
    learning_rate,
    new_state,
    running_average,
    train_step,
    train_steps,
)

Recipe = Callable[..., TrainConfig]


def test_learning_rate_rises_in_a_line_and_falls_along_a_cosine() -> None:
    config = OptimiserConfig(steps=1100, warm_up=100, learning_rate=2e-3, final_share=0.01)
    assert learning_rate(0, config) == pytest.approx(2e-5)
    assert learning_rate(49, config) == pytest.approx(1e-3)
    assert learning_rate(99, config) == learning_rate(100, config) == pytest.approx(2e-3)
    assert learning_rate(600, config) == pytest.approx(2e-3 * (0.01 + 0.99 / 2))
    assert learning_rate(1100, config) == pytest.approx(2e-5)
    rates = [learning_rate(step, config) for step in range(100, 1101)]
    assert rates == sorted(rates, reverse=True)


def test_runs_shorter_than_their_warm_up_only_rise() -> None:
    config = OptimiserConfig(steps=10, warm_up=50, learning_rate=1e-3)
    rates = [learning_rate(step, config) for step in range(10)]
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(2e-4)


def test_average_keeps_little_at_first_and_its_share_later() -> None:
    average = running_average(0.998)

    def averaged(old: torch.Tensor, new: torch.Tensor, count: int) -> float:
        average([old], [new], count)
        return old.item()

    one = torch.tensor([1.0])
    assert averaged(torch.tensor([0.0]), one, 0) == pytest.approx(0.9)  # a tenth of the random start
    assert averaged(torch.tensor([0.0]), one, 90) == pytest.approx(9 / 100)
    assert averaged(torch.tensor([0.0]), one, 10**6) == pytest.approx(0.002)
    assert averaged(torch.tensor(3), torch.tensor(7), 5) == 7  # counters are taken as they are


@pytest.fixture
def state(recipe: Recipe, cpu: DeviceChoice) -> TrainingState:
    return new_state(recipe(), cpu)


def example() -> tuple[torch.Tensor, Matched]:
    views = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    none = torch.zeros(0, 3)
    targets = [Targets(torch.tensor([[30.0, 34.0, 24.0]]), none), Targets(none, none)]
    return views, match_views(lay_anchors(NetworkConfig(strides=(8, 16, 32)), 64), targets, MatchConfig())


def weights_of(state: TrainingState) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in state.network.parameters()])


def test_a_step_moves_weights_and_average_and_reports_its_losses(
    state: TrainingState, recipe: Recipe, cpu: DeviceChoice
) -> None:
    before = weights_of(state)
    losses = train_step(state, *example(), recipe(), cpu)
    assert losses.total.item() == pytest.approx(sum(part.item() for part in losses[1:]), rel=1e-5)
    assert not losses.total.requires_grad
    assert not torch.equal(weights_of(state), before)
    assert all(torch.isfinite(parameter).all() for parameter in state.network.parameters())
    assert int(state.average.n_averaged) == 1  # type: ignore[arg-type]
    # Warm-up of two steps: half of the rate in the first.
    assert state.optimiser.param_groups[0]["lr"] == pytest.approx(recipe().optimiser.learning_rate / 2)


def test_steps_on_one_batch_lower_its_loss(state: TrainingState, recipe: Recipe, cpu: DeviceChoice) -> None:
    config = recipe(optimiser=OptimiserConfig(steps=100, warm_up=5, learning_rate=2e-3))
    totals = []
    for _ in range(25):
        totals.append(train_step(state, *example(), config, cpu).total.item())
        state.step += 1
    assert totals[-1] < 0.5 * totals[0]


def test_gradients_are_clipped(
    state: TrainingState, recipe: Recipe, cpu: DeviceChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    step = state.optimiser.step

    def watched() -> Any:
        norms = [p.grad.norm() for p in state.network.parameters() if p.grad is not None]
        seen.append(torch.stack(norms).norm().item())
        return step()

    monkeypatch.setattr(state.optimiser, "step", watched)
    train_step(state, *example(), recipe(optimiser=OptimiserConfig(gradient_norm=1e-3)), cpu)
    assert seen[0] <= 1.001e-3


def test_bfloat16_steps_keep_single_precision_weights(state: TrainingState, recipe: Recipe) -> None:
    device = DeviceChoice(torch.device("cpu"), torch.bfloat16, "a test")
    losses = train_step(state, *example(), recipe(), device)
    assert torch.isfinite(losses.total)
    assert {parameter.dtype for parameter in state.network.parameters()} == {torch.float32}


def test_a_loss_that_is_not_finite_stops_the_run_and_leaves_the_weights(
    state: TrainingState, recipe: Recipe, cpu: DeviceChoice
) -> None:
    views, matched = example()
    before = weights_of(state)
    with pytest.raises(
        CryopickError, match="step 0: found a loss of nan, expected a finite number; lower the"
    ):
        train_step(state, views * float("nan"), matched, recipe(), cpu)
    assert torch.equal(weights_of(state), before)


def test_a_state_starts_from_the_seed_or_from_given_weights(recipe: Recipe, cpu: DeviceChoice) -> None:
    first, again, other = (new_state(recipe(seed=seed), cpu) for seed in (0, 0, 1))
    assert torch.equal(weights_of(first), weights_of(again))
    assert not torch.equal(weights_of(first), weights_of(other))
    assert isinstance(first.network, RetinaNet)
    tuned = new_state(recipe(seed=1), cpu, initial=first.network)
    assert torch.equal(weights_of(tuned), weights_of(first))
    assert torch.equal(next(iter(tuned.average.parameters())), next(iter(first.network.parameters())))


def test_the_averaged_network_is_a_copy_in_evaluation_mode(
    state: TrainingState, recipe: Recipe, cpu: DeviceChoice
) -> None:
    train_step(state, *example(), recipe(), cpu)
    network = averaged_network(state)
    assert not network.training
    before = weights_of(state)
    with torch.no_grad():
        next(network.parameters()).zero_()
    assert torch.equal(weights_of(state), before)
    average: Any = state.average
    assert next(average.module.parameters()).abs().sum() > 0


@pytest.fixture
def run(
    state: TrainingState, planted_data: Path, cpu: DeviceChoice, monkeypatch: pytest.MonkeyPatch
) -> Callable[[TrainConfig], list[str]]:
    """Give a function that trains by a recipe and tells in which order things happened."""

    def train(config: TrainConfig) -> list[str]:
        events: list[str] = []

        def list_sources(number: int) -> Any:
            events.append(f"list round {number}")
            return [find_labelled(source, planted_data) for source in config.sources]

        def validate(network: RetinaNet) -> dict[str, Any]:
            assert not network.training
            events.append(f"validate {state.step}")
            return {"klh": {"ap": 0.5}}

        def report(progress: Progress) -> None:
            assert progress.steps == config.optimiser.steps
            assert progress.loss > 0
            assert progress.seconds > 0
            events.append(f"step {progress.step}")

        monkeypatch.setattr(loop, "save_checkpoint", lambda path, saved: events.append(f"save {saved.step}"))
        hooks = Hooks(validate=validate, report=report)
        train_steps(state, list_sources, config, cpu, planted_data / "checkpoint", hooks)
        return events

    return train


def test_checkpoints_validations_and_listings_come_when_due(
    run: Callable[[TrainConfig], list[str]], recipe: Recipe, state: TrainingState
) -> None:
    config = recipe(optimiser=OptimiserConfig(steps=5, batch=1), checkpoint_every=2, validate_every=4)
    assert run(config) == [
        *("list round 0", "step 1", "step 2", "save 2"),
        *("list round 1", "step 3", "step 4", "validate 4", "save 4"),
        *("list round 2", "step 5", "validate 5", "save 5"),
    ]
    assert [record["step"] for record in state.history] == [2, 4, 5]
    assert set(state.history[0]) == {"step", "total", "focal", "box", "size"}
    assert state.history[1]["klh"] == {"ap": 0.5}


def test_a_resumed_run_goes_on_at_its_step(
    run: Callable[[TrainConfig], list[str]], recipe: Recipe, state: TrainingState
) -> None:
    state.step = 3
    events = run(recipe(optimiser=OptimiserConfig(steps=4, batch=1)))
    assert events[:3] == ["list round 1", "step 4", "validate 4"]
    assert run(recipe(optimiser=OptimiserConfig(steps=4, batch=1))) == []


# Python 3.12 and later warn of any fork in a program with threads; torch's loader forks all the same.
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_worker_processes_give_the_same_crops_in_the_same_order(
    planted_data: Path, recipe: Recipe, cpu: DeviceChoice
) -> None:
    alone, helped = recipe(), recipe(workers=2)
    sources = [find_labelled(source, planted_data) for source in alone.sources]
    batches = [list(loop._load_crops(sources, config, cpu, 1, 4)) for config in (alone, helped)]
    assert len(batches[0]) == 3
    crops = Crops(sources, alone)
    for step, (views, _) in enumerate(batches[0], start=1):  # step 1 of two crops each sees crops 2 and 3
        assert torch.equal(views, torch.stack([crops[2 * step][0], crops[2 * step + 1][0]]))
    for (views, matched), (other_views, other_matched) in zip(*batches, strict=True):
        assert torch.equal(views, other_views)
        assert all(torch.equal(a, b) for a, b in zip(matched, other_matched, strict=True))


def test_asked_to_stop_it_keeps_what_is_done_and_goes_on_later(
    recipe: Recipe, cpu: DeviceChoice, planted_data: Path, tmp_path: Path
) -> None:
    config = recipe()
    state = new_state(config, cpu)
    sources = [find_labelled(source, planted_data) for source in config.sources]
    checkpoint = tmp_path / "checkpoint.safetensors"
    arguments = (state, lambda number: sources, config, cpu, checkpoint)
    train_steps(*arguments, Hooks(stop=lambda: state.step == 3))
    assert state.step == 3
    assert [record["step"] for record in state.history] == [2, 3]
    again = new_state(config, cpu)
    load_checkpoint(checkpoint, again)
    assert again.step == 3
    train_steps(*arguments, Hooks(stop=lambda: True))
    assert state.step == 3
    train_steps(*arguments, Hooks())
    assert state.step == config.optimiser.steps
