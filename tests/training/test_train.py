"""From recipe to weights: what is written, going on after an interruption, and learning for real."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cryopick_cli.errors import InputError, OutputError, WeightsError
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.device import DeviceChoice
from cryopick_cli.model.losses import LossConfig
from cryopick_cli.model.weights import load_model, read_card
from cryopick_cli.settings import from_mapping
from cryopick_cli.training.config import (
    AugmentConfig,
    CropConfig,
    OptimiserConfig,
    TrainConfig,
    ValidationConfig,
)
from cryopick_cli.training.loop import Progress
from cryopick_cli.training.train import CHECKPOINT_FILE, HISTORY_FILE, TrainingTask, train

Recipe = Callable[..., TrainConfig]
PLANTED = ValidationConfig(name="planted", micrographs=Path("mics"), coordinates=Path("coords"), most=1)


def test_a_run_writes_weights_card_history_and_checkpoint(
    planted_data: Path, recipe: Recipe, cpu: DeviceChoice
) -> None:
    config, out = recipe(validation=(PLANTED,)), planted_data / "weights" / "mine"
    steps: list[int] = []
    task = TrainingTask(data=planted_data, out=out, about={"data": "planted"})
    card = train(config, task, cpu, report=lambda p: steps.append(p.step))
    assert steps == [1, 2, 3, 4]
    assert {path.name for path in out.iterdir()} == {
        "model.json",
        "weights.safetensors",
        CHECKPOINT_FILE,
        HISTORY_FILE,
    }
    assert card == read_card(out)
    assert card.name == "mine"
    assert card.network == config.network
    assert card.operating_point.working_diameter_px == config.crop.working_diameter_px
    assert card.about["data"] == "planted"
    assert card.about["steps"] == 4
    assert from_mapping(TrainConfig, card.about["recipe"]) == config
    history = json.loads((out / HISTORY_FILE).read_text())
    assert [record["step"] for record in history] == [2, 4]
    assert set(history[0]["planted"]) == {"ap", "best_f1", "best_threshold", "diameter_ratio"}
    assert load_model(str(out), cpu).network.config == config.network


def test_an_interrupted_run_that_goes_on_ends_in_the_same_weights(
    planted_data: Path, recipe: Recipe, cpu: DeviceChoice
) -> None:
    config = recipe(optimiser=OptimiserConfig(steps=6, batch=2, warm_up=2))

    def interrupt(progress: Progress) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    whole, parted = (TrainingTask(data=planted_data, out=planted_data / name) for name in ("whole", "parted"))
    train(config, whole, cpu)
    with pytest.raises(KeyboardInterrupt):
        train(config, parted, cpu, report=interrupt)
    steps: list[int] = []
    train(config, replace(parted, resume=True), cpu, report=lambda p: steps.append(p.step))
    assert steps == [5, 6]  # the last checkpoint is that of step 4
    for name in ("weights.safetensors", CHECKPOINT_FILE):
        first, second = (load_file(task.out / name) for task in (whole, parted))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_finished_run_is_neither_repeated_nor_replaced(
    planted_data: Path, recipe: Recipe, cpu: DeviceChoice
) -> None:
    config = recipe(optimiser=OptimiserConfig(steps=1, batch=1))
    task = TrainingTask(data=planted_data, out=planted_data / "mine")
    first = train(config, task, cpu)
    with pytest.raises(OutputError, match=r"checkpoint\.safetensors: is there already; add --resume"):
        train(config, task, cpu)
    steps: list[Progress] = []
    again = train(config, replace(task, resume=True), cpu, report=steps.append)
    assert again.sha256 == first.sha256
    assert steps == []


def test_a_checkpoint_of_another_recipe_is_not_resumed(
    planted_data: Path, recipe: Recipe, cpu: DeviceChoice
) -> None:
    task = TrainingTask(data=planted_data, out=planted_data / "mine")
    short = OptimiserConfig(steps=1, batch=1)
    train(recipe(optimiser=short), task, cpu)
    wider = NetworkConfig(resnet_width=8, pyramid_channels=32, head_depth=1, strides=(8, 16, 32))
    with pytest.raises(WeightsError, match="not a checkpoint of this network"):
        train(recipe(optimiser=short, network=wider), replace(task, resume=True), cpu)


def test_fine_tuning_starts_from_the_weights_and_keeps_their_operating_point(
    planted_data: Path, recipe: Recipe, cpu: DeviceChoice
) -> None:
    still = OptimiserConfig(steps=1, batch=1, learning_rate=0.0)
    train(recipe(), TrainingTask(data=planted_data, out=planted_data / "start"), cpu)
    start = load_model(str(planted_data / "start"), cpu)
    point = replace(start.card.operating_point, temperature=1.7)
    initial = replace(start, card=replace(start.card, operating_point=point))
    task = TrainingTask(data=planted_data, out=planted_data / "tuned", initial=initial)
    card = train(recipe(optimiser=still), task, cpu)
    assert card.operating_point == point
    tuned = load_model(str(planted_data / "tuned"), cpu).network
    for mine, theirs in zip(tuned.parameters(), start.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-3, rtol=1e-3)


def test_missing_data_is_told_before_a_step_is_taken(
    planted_data: Path, recipe: Recipe, cpu: DeviceChoice
) -> None:
    elsewhere = replace(PLANTED, name="klh", include=("x*",))
    task = TrainingTask(data=planted_data, out=planted_data / "mine")
    with pytest.raises(InputError, match="source klh: found no micrograph"):
        train(recipe(validation=(elsewhere,)), task, cpu)
    with pytest.raises(InputError, match="is missing"):
        train(recipe(), replace(task, data=planted_data / "nowhere"), cpu)
    assert not (planted_data / "mine").exists()


def learn(config: TrainConfig, data: Path, cpu: DeviceChoice) -> dict[str, Any]:
    """Train on the planted set and give the last validation's figures."""
    train(config, TrainingTask(data=data, out=data / "mine"), cpu)
    history: list[dict[str, Any]] = json.loads((data / "mine" / HISTORY_FILE).read_text())
    figures: dict[str, Any] = history[-1]["planted"]
    return figures


@pytest.mark.slow
def test_a_short_training_learns_the_planted_particles(
    planted_data: Path, recipe: Recipe, cpu: DeviceChoice
) -> None:
    config = recipe(
        optimiser=OptimiserConfig(steps=240, batch=4, warm_up=10, learning_rate=3e-3, average=0.95),
        crop=CropConfig(size_px=128, smallest_side_px=100, working_diameter_px=28.0, working_share=0.9),
        augment=AugmentConfig(
            phase_noise=0, wrong_contrast=0, band_pass=0, denoise=0, local_contrast=0, squash=0
        ),
        loss=LossConfig(fewest_anchors=1),
        validation=(PLANTED,),
        checkpoint_every=240,
        validate_every=240,
    )
    figures = learn(config, planted_data, cpu)
    assert figures["best_f1"] > 0.9
    assert figures["ap"] > 0.9
    assert figures["diameter_ratio"] == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_resnet_18_overfits_in_a_hundred_steps(planted_data: Path, recipe: Recipe, cpu: DeviceChoice) -> None:
    config = recipe(
        network=NetworkConfig(pyramid_channels=16, head_depth=1, strides=(8, 16, 32)),
        optimiser=OptimiserConfig(steps=100, batch=4, warm_up=5, learning_rate=1e-3, average=0.9),
        crop=CropConfig(size_px=128, smallest_side_px=100, working_diameter_px=28.0, working_share=1.0),
        augment=AugmentConfig(
            phase_noise=0, wrong_contrast=0, band_pass=0, denoise=0, local_contrast=0, squash=0
        ),
        loss=LossConfig(fewest_anchors=1),
        validation=(PLANTED,),
        checkpoint_every=100,
        validate_every=100,
    )
    figures = learn(config, planted_data, cpu)
    assert figures["best_f1"] > 0.8
    assert figures["diameter_ratio"] == pytest.approx(1, abs=0.15)
