"""The resumable state of a training run: one safetensors file with the step and the history in its header.

Holds the network, its running average, and AdamW's moments. Nothing that unpickles.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from cryopick_cli.errors import WeightsError
from cryopick_cli.formats.atomic import atomic_path

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass
class TrainingState:
    """Everything that a step changes."""

    network: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


def save_checkpoint(path: Path, state: TrainingState) -> None:
    """Write the state, whole or not at all."""
    tensors = {f"network.{k}": v for k, v in state.network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in state.average.state_dict().items()}
    for index, moments in state.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{key}": torch.as_tensor(moments[key]) for key in _MOMENTS}
    header = {"step": str(state.step), "history": json.dumps(state.history)}
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_bytes(to_bytes({k: v.contiguous() for k, v in tensors.items()}, metadata=header))


def load_checkpoint(path: Path, state: TrainingState) -> None:
    """Bring ``state`` to where a checkpoint left it.

    Raises
    ------
    WeightsError
        If the file is damaged or belongs to another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        state.network.load_state_dict(_part(tensors, "network."))
        state.average.load_state_dict(_part(tensors, "average."))
        _load_moments(state.optimiser, _part(tensors, "optimiser."))
        state.step, state.history = int(header["step"]), json.loads(header["history"])
    except (SafetensorError, OSError, RuntimeError, KeyError) as error:
        raise WeightsError(
            f"{path}: not a checkpoint of this network ({error}); start anew without --resume, or give the "
            "recipe that it was made with"
        ) from error


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}


def _load_moments(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    whole = optimiser.state_dict()
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".")
        moments.setdefault(int(index), {})[name] = value
    whole["state"] = moments
    optimiser.load_state_dict(whole)
