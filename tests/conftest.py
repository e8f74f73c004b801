"""What every test may use: where the shared data lies, random numbers, and how hypothesis behaves."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]

# Slow machines must not fail a property for its time, and a failure must come back on the next run.
settings.register_profile("cryopick", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("cryopick")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests whose program or device is not there."""
    if item.get_closest_marker("relion") and shutil.which("relion_preprocess") is None:
        pytest.skip("RELION's programs are not installed (Debian: apt-get install relion)")
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("torch sees no CUDA device")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of public micrographs and structures that are too large to ship; without it the test is skipped.

    ``CRYOPICK_SHARED_DATA`` names it; by default it is ``shared/data`` beside the repository.
    """
    folder = Path(os.environ.get("CRYOPICK_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set CRYOPICK_SHARED_DATA")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same on every run."""
    return np.random.default_rng(20261122)
