"""The training loop: AdamW on random crops, averaged weights, checkpoints and validations on the way."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from cryopick_cli.errors import ConfigError, CryopickError
from cryopick_cli.model.anchors import lay_anchors
from cryopick_cli.model.device import DeviceChoice
from cryopick_cli.model.losses import Losses, Matched, compute_losses
from cryopick_cli.model.network import RetinaNet
from cryopick_cli.training.checkpoint import TrainingState, save_checkpoint
from cryopick_cli.training.config import OptimiserConfig, TrainConfig
from cryopick_cli.training.dataset import Crops, LabelledMicrograph, collate

log = logging.getLogger(__name__)

Micrographs = Sequence[Sequence[LabelledMicrograph]]


@dataclass(frozen=True)
class Progress:
    """What the caller is told after every step."""

    step: int
    steps: int
    loss: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What the caller has a hand in while training runs.

    Parameters
    ----------
    validate
        Judges the averaged network when that is due; what it gives is kept in the history.
    report
        Told of every step.
    stop
        Asked after every step whether to end here.
    """

    validate: Callable[[RetinaNet], dict[str, Any]] = lambda network: {}
    report: Callable[[Progress], None] = lambda progress: None
    stop: Callable[[], bool] = lambda: False


def new_state(config: TrainConfig, device: DeviceChoice, initial: RetinaNet | None = None) -> TrainingState:
    """Set up network, running average and optimiser; start from ``initial`` weights where given.

    Raises
    ------
    ConfigError
        If the initial weights belong to a network of another shape.
    """
    torch.manual_seed(config.seed)
    network: nn.Module = RetinaNet(config.network)
    if initial is not None:
        _copy_weights(initial, network)
    network = network.to(device.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = AveragedModel(network, multi_avg_fn=running_average(config.optimiser.average), use_buffers=True)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=config.optimiser.learning_rate, weight_decay=config.optimiser.weight_decay
    )
    return TrainingState(network, average, optimiser)


def _copy_weights(initial: RetinaNet, network: nn.Module) -> None:
    """Start from other weights; only the sizes of the anchors may differ, which training adjusts to."""
    try:
        network.load_state_dict(initial.state_dict())
    except RuntimeError as error:
        raise ConfigError(
            f"--init: found weights of {initial.config}, expected the recipe's network; change the recipe's "
            "[network], or start from none"
        ) from error


def train_steps(
    state: TrainingState,
    list_sources: Callable[[int], Micrographs],
    config: TrainConfig,
    device: DeviceChoice,
    checkpoint: Path,
    hooks: Hooks,
) -> None:
    """Train from ``state.step`` to the last step of the recipe, or until ``hooks.stop`` says to end here.

    The sources are listed anew in every round, which lasts from checkpoint to checkpoint, so that
    micrographs simulated meanwhile are drawn from too.

    Raises
    ------
    CryopickError
        If the loss is no longer finite; the last checkpoint is kept.
    """
    while state.step < config.optimiser.steps and not hooks.stop():
        number = state.step // config.checkpoint_every
        last = min(config.optimiser.steps, (number + 1) * config.checkpoint_every)
        for views, matched in _load_crops(list_sources(number), config, device, state.step, last):
            started = time.perf_counter()
            losses = train_step(state, views, matched, config, device)
            state.step += 1
            hooks.report(
                Progress(
                    state.step, config.optimiser.steps, losses.total.item(), time.perf_counter() - started
                )
            )
            if hooks.stop():
                break
        record = {"step": state.step, **{k: round(v.item(), 5) for k, v in losses._asdict().items()}}
        if state.step % config.validate_every == 0 or state.step == config.optimiser.steps:
            record |= hooks.validate(averaged_network(state))
        state.history.append(record)
        log.info("%s", record)
        save_checkpoint(checkpoint, state)


def train_step(
    state: TrainingState, views: Tensor, matched: Matched, config: TrainConfig, device: DeviceChoice
) -> Losses:
    """Take one step of AdamW on a batch and fold the new weights into the average."""
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate(state.step, config.optimiser)
    state.network.train()
    views = views.to(device.device, memory_format=torch.channels_last, non_blocking=True)
    matched = Matched(*(part.to(device.device, non_blocking=True) for part in matched))
    with torch.autocast(device.device.type, device.dtype, enabled=device.dtype != torch.float32):
        output = state.network(views)
    losses = compute_losses(output, matched, config.loss)
    if not math.isfinite(losses.total.item()):
        raise CryopickError(
            f"step {state.step}: found a loss of {losses.total.item()}, expected a finite number; lower the "
            "learning rate and resume from the last checkpoint"
        )
    state.optimiser.zero_grad()
    losses.total.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(state.network.parameters(), config.optimiser.gradient_norm)
    state.optimiser.step()
    average = state.average
    if isinstance(average, AveragedModel):
        average.update_parameters(state.network)
    return Losses(*(loss.detach() for loss in losses))


def running_average(keep: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Give the rule by which a step's weights enter the average: a share ``1 - keep``, at first more.

    Early on ``(1 + n) / (10 + n)`` is kept after ``n`` steps, so that the random start is soon forgotten.
    """

    def average(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        n = int(count)
        kept = min(keep, (1 + n) / (10 + n))
        for mean, new in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(new, 1 - kept)
            else:  # batch normalisation counts its batches
                mean.copy_(new)

    return average


def learning_rate(step: int, config: OptimiserConfig) -> float:
    """Rise linearly over the warm-up, then fall along a cosine to ``final_share`` of the largest rate."""
    if step < config.warm_up:
        return config.learning_rate * (step + 1) / config.warm_up
    done = (step - config.warm_up) / max(1, config.steps - config.warm_up)
    return config.learning_rate * (
        config.final_share + (1 - config.final_share) * 0.5 * (1 + math.cos(math.pi * done))
    )


def averaged_network(state: TrainingState) -> RetinaNet:
    """Give a copy of the network with the averaged weights, in evaluation mode."""
    average = state.average.module
    if not isinstance(average, RetinaNet):
        raise TypeError(f"expected a RetinaNet inside the average, found {type(average).__name__}")
    network = RetinaNet(average.config)
    network.load_state_dict(average.state_dict())
    return network.eval()


def _load_crops(
    sources: Micrographs, config: TrainConfig, device: DeviceChoice, start: int, stop: int
) -> DataLoader[Any]:
    batch = config.optimiser.batch
    anchors = lay_anchors(config.network, config.crop.size_px)
    return DataLoader(
        Crops(sources, config),
        batch_size=batch,
        sampler=range(start * batch, stop * batch),
        num_workers=config.workers,
        collate_fn=partial(collate, anchors=anchors, config=config.loss.match),
        worker_init_fn=_single_thread,
        prefetch_factor=4 if config.workers else None,
        pin_memory=device.device.type == "cuda",
    )


def _single_thread(_: int) -> None:
    torch.set_num_threads(1)
