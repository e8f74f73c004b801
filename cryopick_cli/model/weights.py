"""Find, verify, load and write weights. A model is a folder: card (JSON), weights (safetensors), README.

Nothing is unpickled and nothing is fetched: weights ship with the package or lie where the user says.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as to_bytes

import cryopick_cli
from cryopick_cli.errors import ConfigError, WeightsError
from cryopick_cli.formats.atomic import atomic_path, write_text
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.device import DeviceChoice
from cryopick_cli.model.network import RetinaNet
from cryopick_cli.settings import from_mapping, to_mapping

log = logging.getLogger(__name__)

DEFAULT_WEIGHTS = "general"
CARD_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
CARD_FORMAT = 2
# Cards of format 1 had this limit in place of ``least_evidence``.
_LIMIT_OF_FORMAT_1 = "least_best"


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """How these weights are best used: found on development data, never on test data.

    New weights have logits as they are, and a threshold that suits those: a share of the typical score. The
    shipped ones have scores brought to probabilities, which its square suits better. Whether a data set seems
    to hold no particle is not asked of new weights: logits as they are hardly ever reach limits for that.
    """

    working_diameter_px: float = field(
        default=40.0, metadata={"help": "Diameter at which the network is best, px."}
    )
    temperature: float = field(
        default=1.0, metadata={"help": "Logits are divided by this to become log-odds."}
    )
    offset: float = field(default=0.0, metadata={"help": "Added to the logits after the temperature."})
    threshold_share: float = field(
        default=0.6, metadata={"help": "Automatic threshold over a power of the typical confident score."}
    )
    threshold_power: float = field(
        default=1.0, metadata={"help": "That power: 2 suits scores that were brought to probabilities."}
    )
    least_threshold: float = field(default=0.25, metadata={"help": "Smallest automatic threshold."})
    least_typical: float = field(
        default=0.0,
        metadata={"help": "Typical confident score below which there may be no particle in a data set."},
    )
    least_evidence: float = field(
        default=0.0,
        metadata={
            "help": "Mean of the five best scores a micrograph times the share of candidates of one size, "
            "which must be lower, too, for that."
        },
    )
    empty_threshold: float = field(
        default=0.9, metadata={"help": "Automatic threshold where there seems to be no particle."}
    )

    def __post_init__(self) -> None:
        """Refuse an operating point that no logit can be brought to."""
        if not min(self.working_diameter_px, self.temperature) > 0:
            raise ConfigError(
                f"working_diameter_px, temperature: found {self.working_diameter_px} and {self.temperature}, "
                "expected two positive numbers"
            )


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What ``model.json`` says of a set of weights."""

    name: str
    sha256: str
    network: NetworkConfig
    operating_point: OperatingPoint
    about: Mapping[str, Any] = field(default_factory=dict)
    """Everything for readers only: recipe, data, licence, figures with their commands."""


@dataclass(frozen=True)
class Model:
    """A network with its weights on a device, in evaluation mode, and its card."""

    network: RetinaNet
    card: ModelCard
    device: DeviceChoice


def list_weights() -> dict[str, Path]:
    """Name the sets of weights that ship with the package, and their folders."""
    return {card.parent.name: card.parent for card in sorted(_shipped().glob(f"*/{CARD_FILE}"))}


def find_weights(name: str = DEFAULT_WEIGHTS) -> Path:
    """Give the folder of a set of weights, by its name in the package or by its path.

    Raises
    ------
    WeightsError
        If there is no such folder, or it has no card.
    """
    folder = list_weights().get(name, Path(name))
    if (folder / CARD_FILE).is_file():
        return folder
    known = ", ".join(list_weights()) or "none"
    raise WeightsError(
        f"--weights {name}: found no folder with a {CARD_FILE}, expected a name that ships with cryopick "
        f"({known}) or a folder that `cryopick train` wrote"
    )


def read_card(folder: Path) -> ModelCard:
    """Read and check a model's card.

    Raises
    ------
    WeightsError
        If the card is not JSON, of another format, or lacks a field.
    """
    path = folder / CARD_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content.pop("format")
        if found not in (1, CARD_FORMAT):
            raise WeightsError(
                f"{path}: made for another version of cryopick (found format {found}, expected "
                f"{CARD_FORMAT}); update"
            )
        point = content["operating_point"]
        if found == 1 and point.pop(_LIMIT_OF_FORMAT_1, 0.0) > 0:
            log.warning(
                "%s: found a card of format 1, expected %d: its limits for data sets without particles are "
                "of an earlier rule and not used, so that none counts as empty; where the weights were "
                "trained on from others, copy the operating_point of their card",
                path,
                CARD_FORMAT,
            )
        return ModelCard(
            name=content["name"],
            sha256=content["sha256"],
            network=from_mapping(NetworkConfig, content["network"], "network"),
            operating_point=from_mapping(OperatingPoint, point, "operating_point"),
            about=content["about"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
        raise WeightsError(f"{path}: not a model card ({error}); copy the model's folder again") from error


def load_model(name: str, device: DeviceChoice) -> Model:
    """Find weights, check their sum, and put the network on a device.

    Raises
    ------
    WeightsError
        If the weights are missing, damaged, or do not fit the network of their card.
    """
    folder = find_weights(name)
    card = read_card(folder)
    tensors = _read_verified(folder / WEIGHTS_FILE, card.sha256)
    network = RetinaNet(card.network)
    try:
        network.load_state_dict(
            {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}
        )
    except RuntimeError as error:
        raise WeightsError(
            f"{folder}: weights and card do not belong together ({error}); copy both again"
        ) from error
    network = network.eval().to(device.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Model(network, card, device)


def save_model(
    folder: Path, network: RetinaNet, name: str, operating_point: OperatingPoint, about: Mapping[str, Any]
) -> ModelCard:
    """Write weights in half precision and their card, replacing what is there."""
    halves = {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    with atomic_path(folder / WEIGHTS_FILE, overwrite=True) as temporary:
        temporary.write_bytes(to_bytes({key: value.contiguous().cpu() for key, value in halves.items()}))
    card = ModelCard(
        name=name,
        sha256=hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest(),
        network=network.config,
        operating_point=operating_point,
        about=about,
    )
    write_card(folder, card)
    return card


def write_card(folder: Path, card: ModelCard) -> None:
    """Write a model's card, replacing the one that is there."""
    content = {"format": CARD_FORMAT, **to_mapping(card)}
    write_text(folder / CARD_FILE, json.dumps(content, indent=2, ensure_ascii=False) + "\n", overwrite=True)


def _shipped() -> Path:
    """Give the weights' folder: inside the package once installed from a wheel, beside it in a checkout."""
    package = Path(cryopick_cli.__file__).parent
    inside = package / "weights"
    return inside if inside.is_dir() else package.parent / "weights"


def _read_verified(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot be read ({error.strerror}); copy the model's folder again"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise WeightsError(
            f"{path}: found sha256 {found}, expected {sha256} as in its card; copy the folder again"
        )
    try:
        tensors: dict[str, torch.Tensor] = load_tensors(content)
    except SafetensorError as error:
        raise WeightsError(
            f"{path}: not a safetensors file ({error}); copy the model's folder again"
        ) from error
    return tensors
