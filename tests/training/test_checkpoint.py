"""Checkpoints: a run that goes on from one is the run that was never interrupted, to the last bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

from cryopick_cli.errors import WeightsError
from cryopick_cli.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from cryopick_cli.training.loop import running_average


def new_state(seed: int, width: int = 8) -> TrainingState:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 1))
    average = AveragedModel(network, multi_avg_fn=running_average(0.9), use_buffers=True)
    return TrainingState(network, average, torch.optim.AdamW(network.parameters(), lr=0.01))


def advance(state: TrainingState, steps: int) -> None:
    for _ in range(steps):
        generator = torch.Generator().manual_seed(state.step)
        views = torch.randn(16, 4, generator=generator)
        state.optimiser.zero_grad()
        (state.network(views) - views.sum(1, keepdim=True)).square().mean().backward()
        state.optimiser.step()
        state.average.update_parameters(state.network)  # type: ignore[operator]
        state.step += 1
        state.history.append({"step": state.step, "klh": {"ap": 0.5}})


def assert_equal(one: TrainingState, other: TrainingState) -> None:
    assert one.step == other.step
    assert one.history == other.history
    for mine, theirs in ((one.network, other.network), (one.average, other.average)):
        for (name, value), expected in zip(
            mine.state_dict().items(), theirs.state_dict().values(), strict=True
        ):
            assert value.dtype == expected.dtype
            assert torch.equal(value, expected), name
    moments, expected_moments = one.optimiser.state_dict()["state"], other.optimiser.state_dict()["state"]
    assert moments.keys() == expected_moments.keys()
    for index, values in moments.items():
        for name, value in values.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(expected_moments[index][name]))


def test_loading_brings_back_everything(tmp_path: Path) -> None:
    state = new_state(0)
    advance(state, 3)
    save_checkpoint(tmp_path / "checkpoint.safetensors", state)
    restored = new_state(1)
    load_checkpoint(tmp_path / "checkpoint.safetensors", restored)
    assert_equal(restored, state)


def test_going_on_is_bit_equal_to_never_stopping(tmp_path: Path) -> None:
    whole = new_state(0)
    advance(whole, 7)
    part = new_state(0)
    advance(part, 3)
    save_checkpoint(tmp_path / "checkpoint.safetensors", part)
    resumed = new_state(5)
    load_checkpoint(tmp_path / "checkpoint.safetensors", resumed)
    advance(resumed, 4)
    assert_equal(resumed, whole)


def test_a_state_before_its_first_step_can_be_saved(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoint.safetensors", new_state(0))
    restored = new_state(1)
    load_checkpoint(tmp_path / "checkpoint.safetensors", restored)
    assert_equal(restored, new_state(0))


def test_saving_replaces_the_last_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    state = new_state(0)
    for _ in range(2):
        advance(state, 1)
        save_checkpoint(tmp_path / "checkpoint.safetensors", state)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoint.safetensors", new_state(0))
    with pytest.raises(WeightsError, match=r"checkpoint\.safetensors: not a checkpoint of this network"):
        load_checkpoint(tmp_path / "checkpoint.safetensors", new_state(0, width=9))


@pytest.mark.parametrize("content", [b"", b"no tensors", None])
def test_a_damaged_or_missing_checkpoint_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "checkpoint.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=f"{path}: not a checkpoint.*--resume"):
        load_checkpoint(path, new_state(0))


def test_tensors_of_another_origin_are_refused(tmp_path: Path) -> None:
    state = new_state(0)
    tensors = {f"network.{k}": v for k, v in state.network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in state.average.state_dict().items()}
    save_file({k: v.clone() for k, v in tensors.items()}, tmp_path / "checkpoint.safetensors")
    with pytest.raises(WeightsError, match="not a checkpoint of this network"):
        load_checkpoint(tmp_path / "checkpoint.safetensors", new_state(0))
