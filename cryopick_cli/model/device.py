"""Choose the device and number type to compute with, and say why."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from cryopick_cli.errors import DeviceError


@dataclass(frozen=True)
class DeviceChoice:
    """A device, the type that convolutions run in, and the reason for both in words."""

    device: torch.device
    dtype: torch.dtype
    reason: str


def choose_device(name: str = "auto") -> DeviceChoice:
    """Resolve ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises
    ------
    DeviceError
        If the device asked for is unknown or not there. Only ``auto`` ever falls back to the CPU.
    """
    if name == "auto":
        return _best_device()
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"--device: found {name!r}, expected auto, cpu, cuda, cuda:N or mps") from error
    if device.type == "cpu":
        return _on_cpu(device, "asked for")
    if device.type == "cuda":
        return _on_cuda(device, "asked for")
    if device.type == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError("--device mps: found no Apple GPU that torch can use; use --device auto or cpu")
        return DeviceChoice(device, torch.float16, "asked for")
    raise DeviceError(f"--device: found {name!r}, expected auto, cpu, cuda, cuda:N or mps")


def has_fast_bfloat16() -> bool:
    """Tell whether this CPU multiplies bfloat16 in hardware (AVX-512 BF16, AMX); others are slow with it."""
    if not hasattr(torch.cpu, "get_capabilities"):  # torch before 2.10: float32 is safe everywhere
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(key, False) for key in ("avx512_bf16", "amx_bf16", "bf16"))


def _best_device() -> DeviceChoice:
    if torch.cuda.is_available():
        return _on_cuda(torch.device("cuda", torch.cuda.current_device()), "a CUDA device is there")
    if torch.backends.mps.is_available():
        return DeviceChoice(torch.device("mps"), torch.float16, "an Apple GPU is there")
    why = "torch was built without CUDA" if torch.version.cuda is None else "torch sees no CUDA device"
    return _on_cpu(torch.device("cpu"), why)


def _on_cpu(device: torch.device, reason: str) -> DeviceChoice:
    if has_fast_bfloat16():
        return DeviceChoice(device, torch.bfloat16, f"{reason}; bfloat16, which this CPU has in hardware")
    return DeviceChoice(device, torch.float32, f"{reason}; float32, as this CPU has no bfloat16 in hardware")


def _on_cuda(device: torch.device, reason: str) -> DeviceChoice:
    if not torch.cuda.is_available():
        built = f"torch {torch.__version__}, built for CUDA {torch.version.cuda or 'not at all'}"
        raise DeviceError(
            f"--device {device}: found no CUDA device ({built}); check the driver, or use --device cpu"
        )
    count = torch.cuda.device_count()
    index = torch.cuda.current_device() if device.index is None else device.index
    if index >= count:
        raise DeviceError(f"--device {device}: found {count} CUDA devices, expected a number below {count}")
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return DeviceChoice(torch.device("cuda", index), dtype, f"{reason}: {torch.cuda.get_device_name(index)}")
