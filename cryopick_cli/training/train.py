"""A recipe and a data folder in, a model's folder out: lists data, trains, validates, writes the weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryopick_cli.errors import OutputError
from cryopick_cli.formats.atomic import write_text
from cryopick_cli.model.device import DeviceChoice
from cryopick_cli.model.network import RetinaNet
from cryopick_cli.model.weights import Model, ModelCard, OperatingPoint, save_model
from cryopick_cli.settings import to_mapping
from cryopick_cli.training.checkpoint import load_checkpoint
from cryopick_cli.training.config import TrainConfig
from cryopick_cli.training.loop import Hooks, Progress, averaged_network, new_state, train_steps
from cryopick_cli.training.sources import Sources
from cryopick_cli.training.validate import choose_validation, validate

CHECKPOINT_FILE = "checkpoint.safetensors"
HISTORY_FILE = "history.json"
SIMULATED_FOLDER = "simulated"


@dataclass(frozen=True, kw_only=True)
class TrainingTask:
    """What to do by a recipe: on which data, from which start, into which model.

    Parameters
    ----------
    data : Path
        Folder that the recipe's relative paths start at.
    out : Path
        The model's folder.
    initial : Model, optional
        Weights to start from; random ones by default.
    resume : bool
        Go on from the checkpoint in ``out``.
    name : str, optional
        The model's name; by default that of its folder.
    about : mapping
        What the card says to its readers.
    """

    data: Path
    out: Path
    initial: Model | None = None
    resume: bool = False
    name: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


def train(
    config: TrainConfig,
    task: TrainingTask,
    device: DeviceChoice,
    *,
    report: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
) -> ModelCard:
    """Train a model and write its folder: weights, card, checkpoint, history of losses and validations.

    Parameters
    ----------
    config : TrainConfig
        The recipe.
    task : TrainingTask
    device : DeviceChoice
    report : callable
        Told of every step.
    stop : callable
        Asked after every step whether to end here; weights and checkpoint so far are written.

    Raises
    ------
    InputError
        If a source or a validation set holds nothing.
    OutputError
        If the model's folder holds a run already that is not to be resumed.
    """
    out, initial = task.out, task.initial
    checkpoint = out / CHECKPOINT_FILE
    if checkpoint.exists() and not task.resume:
        raise OutputError(
            f"{checkpoint}: is there already; add --resume to go on with it, or give another --out"
        )
    sets = {entry.name: choose_validation(entry, task.data) for entry in config.validation}
    state = new_state(config, device, initial.network if initial else None)
    if task.resume and checkpoint.exists():
        load_checkpoint(checkpoint, state)
    name = task.name or out.resolve().name

    def judge(network: RetinaNet) -> dict[str, Any]:
        save_model(out, network, name, point, task.about)
        write_text(out / HISTORY_FILE, json.dumps(state.history, indent=1) + "\n", overwrite=True)
        return {
            key: validate(network, device, labelled, point.working_diameter_px)
            for key, labelled in sets.items()
        }

    point = initial.card.operating_point if initial else _new_operating_point(config)
    with Sources(config, task.data, out / SIMULATED_FOLDER) as sources:
        hooks = Hooks(validate=judge, report=report, stop=stop)
        train_steps(state, sources.list_round, config, device, checkpoint, hooks)
    write_text(out / HISTORY_FILE, json.dumps(state.history, indent=1) + "\n", overwrite=True)
    facts = {**task.about, "recipe": to_mapping(config), "steps": state.step}
    return save_model(out, averaged_network(state), name, point, facts)


def _new_operating_point(config: TrainConfig) -> OperatingPoint:
    return OperatingPoint(working_diameter_px=config.crop.working_diameter_px)
