"""What a wheel holds: the package, its weights and its licence, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cryopick_cli import __version__

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Build the wheel and list its files."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True)
    (built,) = folder.glob("*.whl")
    assert built.name == f"cryopick-{__version__}-py3-none-any.whl"
    return zipfile.ZipFile(built).namelist()


def test_the_wheel_holds_weights_types_and_licence(wheel: list[str]) -> None:
    assert "cryopick_cli/py.typed" in wheel
    assert any(name.endswith("/licenses/LICENSE") for name in wheel)
    for end in ("model.json", "weights.safetensors"):
        assert any(name.startswith("cryopick_cli/weights/") and name.endswith(f"/{end}") for name in wheel)


def test_the_wheel_holds_every_module_and_no_tests(wheel: list[str]) -> None:
    modules = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "cryopick_cli").rglob("*.py")}
    assert modules <= set(wheel)
    tops = {name.partition("/")[0] for name in wheel}
    assert tops == {"cryopick_cli", f"cryopick-{__version__}.dist-info"}
