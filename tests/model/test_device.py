"""Devices: what is asked for by name must be there; auto says what it chose and why."""

from __future__ import annotations

import pytest
import torch

from cryopick_cli.errors import DeviceError
from cryopick_cli.model.device import choose_device, has_fast_bfloat16


@pytest.fixture
def no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU {index}")


@pytest.mark.usefixtures("no_accelerator")
def test_auto_falls_back_to_the_cpu_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    choice = choose_device()
    assert choice.device == torch.device("cpu")
    assert choice.reason.startswith("torch was built without CUDA; ")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert choose_device("auto").reason.startswith("torch sees no CUDA device; ")


@pytest.mark.parametrize(
    ("capabilities", "dtype", "words"),
    [
        ({"avx512_bf16": True}, torch.bfloat16, "bfloat16, which this CPU has in hardware"),
        ({"amx_bf16": True}, torch.bfloat16, "bfloat16, which this CPU has in hardware"),
        (
            {"avx512_bf16": False, "avx2": True},
            torch.float32,
            "float32, as this CPU has no bfloat16 in hardware",
        ),
        ({}, torch.float32, "float32, as this CPU has no bfloat16 in hardware"),
    ],
)
def test_number_type_of_the_cpu_is_what_it_multiplies_fast(
    capabilities: dict[str, bool], dtype: torch.dtype, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    choice = choose_device("cpu")
    assert choice.dtype == dtype
    assert choice.reason == f"asked for; {words}"


def test_older_torch_that_cannot_tell_means_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not has_fast_bfloat16()


@pytest.mark.usefixtures("no_accelerator")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:3"])
def test_cuda_asked_for_and_absent_is_an_error_with_torchs_build(name: str) -> None:
    complaint = rf"^--device {name}: found no CUDA device .*built for CUDA.*--device cpu"
    with pytest.raises(DeviceError, match=complaint):
        choose_device(name)


@pytest.mark.usefixtures("no_accelerator")
def test_mps_asked_for_and_absent_is_an_error() -> None:
    with pytest.raises(DeviceError, match=r"^--device mps: found no Apple GPU"):
        choose_device("mps")


@pytest.mark.parametrize("name", ["gpu", "", "CPU ", "cuda:x", "0", "meta"])
def test_unknown_devices_are_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(DeviceError, match=rf"found '{name}', expected auto, cpu, cuda, cuda:N or mps"):
        choose_device(name)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("name", "index", "reason"),
    [
        ("auto", 1, "a CUDA device is there: GPU 1"),
        ("cuda", 1, "asked for: GPU 1"),
        ("cuda:0", 0, "asked for: GPU 0"),
    ],
)
def test_cuda_devices_are_named(name: str, index: int, reason: str) -> None:
    choice = choose_device(name)
    assert choice.device == torch.device("cuda", index)
    assert choice.dtype == torch.bfloat16
    assert choice.reason == reason


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_beyond_the_last_is_an_error() -> None:
    with pytest.raises(
        DeviceError, match=r"^--device cuda:2: found 2 CUDA devices, expected a number below 2"
    ):
        choose_device("cuda:2")


@pytest.mark.usefixtures("two_gpus")
def test_gpus_without_bfloat16_compute_in_half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert choose_device("cuda").dtype == torch.float16


def test_apple_gpu_is_taken_by_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    choice = choose_device("auto")
    assert choice.device.type == "mps"
    assert choice.dtype == torch.float16
    assert choice.reason == "an Apple GPU is there"
