"""A recipe and a data folder in, a model's folder out: lists data, trains, validates, writes the weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
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
from cryopick_cli.training.loop import Progress, averaged_network, new_state, train_steps
from cryopick_cli.training.sources import Sources
from cryopick_cli.training.validate import choose_validation, validate

CHECKPOINT_FILE = "checkpoint.safetensors"
HISTORY_FILE = "history.json"
SIMULATED_FOLDER = "simulated"


def train(
    config: TrainConfig,
    data: Path,
    out: Path,
    device: DeviceChoice,
    *,
    initial: Model | None = None,
    resume: bool = False,
    name: str | None = None,
    about: Mapping[str, Any] | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
) -> ModelCard:
    """Train a model and write it to ``out``: weights, card, checkpoint, history of losses and validations.

    Parameters
    ----------
    config : TrainConfig
        The recipe.
    data : Path
        Folder that the recipe's relative paths start at.
    out : Path
        The model's folder.
    device : DeviceChoice
    initial : Model, optional
        Weights to start from; random ones by default.
    resume : bool
        Go on from the checkpoint in ``out``.
    name : str, optional
        The model's name; by default that of its folder.
    about : mapping, optional
        What the card says to its readers.
    report : callable
        Told of every step.
    stop : callable
        Asked after every step whether to end here; weights and checkpoint so far are written.

    Raises
    ------
    InputError
        If a source or a validation set holds nothing.
    OutputError
        If ``out`` holds a run already and ``resume`` is false.
    """
    checkpoint = out / CHECKPOINT_FILE
    if checkpoint.exists() and not resume:
        raise OutputError(
            f"{checkpoint}: is there already; add --resume to go on with it, or give another --out"
        )
    sets = {entry.name: choose_validation(entry, data) for entry in config.validation}
    state = new_state(config, device, initial.network if initial else None)
    if resume and checkpoint.exists():
        load_checkpoint(checkpoint, state)
    named = name or out.resolve().name

    def judge(network: RetinaNet) -> dict[str, Any]:
        save_model(out, network, named, point, about or {})
        write_text(out / HISTORY_FILE, json.dumps(state.history, indent=1) + "\n", overwrite=True)
        return {
            key: validate(network, device, labelled, point.working_diameter_px)
            for key, labelled in sets.items()
        }

    point = initial.card.operating_point if initial else _new_operating_point(config)
    with Sources(config, data, out / SIMULATED_FOLDER) as sources:
        train_steps(state, sources.list_round, config, device, checkpoint, judge, report, stop)
    write_text(out / HISTORY_FILE, json.dumps(state.history, indent=1) + "\n", overwrite=True)
    facts = {**(about or {}), "recipe": to_mapping(config), "steps": state.step}
    return save_model(out, averaged_network(state), named, point, facts)


def _new_operating_point(config: TrainConfig) -> OperatingPoint:
    return OperatingPoint(working_diameter_px=config.crop.working_diameter_px)
