"""Judge a network on labelled micrographs as a user sees it: without a size, through the whole picker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cryopick_cli.evaluation.evaluate import evaluate_picks
from cryopick_cli.formats.micrograph import read_micrograph
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.device import DeviceChoice
from cryopick_cli.model.network import RetinaNet
from cryopick_cli.model.weights import Model, ModelCard, OperatingPoint
from cryopick_cli.picking.calibrate import calibrate
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.pick import pick_micrograph
from cryopick_cli.training.config import SourceConfig, ValidationConfig
from cryopick_cli.training.dataset import LabelledMicrograph, find_labelled


def choose_validation(config: ValidationConfig, data: Path) -> list[LabelledMicrograph]:
    """List the micrographs of a validation set, spread evenly over it."""
    source = SourceConfig(
        name=config.name,
        micrographs=config.micrographs,
        coordinates=config.coordinates,
        ignore=config.ignore,
        include=config.include,
        exclude=config.exclude,
    )
    labelled = find_labelled(source, data)
    count = min(config.most, len(labelled))
    return [labelled[i * len(labelled) // count] for i in range(count)]


def validate(
    network: RetinaNet,
    device: DeviceChoice,
    labelled: Sequence[LabelledMicrograph],
    working_diameter_px: float,
) -> dict[str, float]:
    """Pick a labelled set and compare.

    Returns
    -------
    dict
        ``ap``, ``best_f1``, ``best_threshold`` and ``diameter_ratio``, pooled over the micrographs.
    """
    model = as_model(network, device, working_diameter_px)
    config = PickConfig()
    micrographs = [read_micrograph(entry.path) for entry in labelled]
    names = [entry.path.stem for entry in labelled]
    calibration = calibrate(model, micrographs, names, config)
    picks = {
        name: pick_micrograph(model, micrograph, calibration, config)
        for name, micrograph in zip(names, micrographs, strict=True)
    }
    reference = {name: _as_table(entry) for name, entry in zip(names, labelled, strict=True)}
    pooled = evaluate_picks(picks, reference).pooled
    return {
        "ap": round(pooled.average_precision, 4),
        "best_f1": round(pooled.best_f1, 4),
        "best_threshold": round(pooled.best_threshold, 4),
        "diameter_ratio": round(pooled.diameter_ratio, 3),
    }


def as_model(network: RetinaNet, device: DeviceChoice, working_diameter_px: float) -> Model:
    """Wrap a network in training as a model with a neutral operating point."""
    config: NetworkConfig = network.config
    point = OperatingPoint(working_diameter_px=working_diameter_px)
    return Model(
        network.to(device.device).eval(),
        ModelCard(name="", sha256="", network=config, operating_point=point),
        device,
    )


def _as_table(labelled: LabelledMicrograph) -> pd.DataFrame:
    table = pd.DataFrame(labelled.reference, columns=["x", "y", "diameter_px", "ignore"])
    return table.astype({"ignore": bool})
