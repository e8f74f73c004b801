"""Picks of a simulated micrograph on a CUDA device, against those of the CPU; skipped where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.spatial import cKDTree

from cryopick_cli.cli.main import cli
from cryopick_cli.formats.micrograph import Micrograph, write_micrograph
from cryopick_cli.model.device import choose_device
from cryopick_cli.model.weights import DEFAULT_WEIGHTS, load_model
from cryopick_cli.picking.calibrate import Calibration, calibrate
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.pick import pick_micrograph
from cryopick_cli.simulation.config import LayoutConfig, ParticleConfig, SimulationConfig
from cryopick_cli.simulation.simulate import simulate_micrograph

CUDA = "cuda"
CONFIG = SimulationConfig(
    size_px=768,
    particles=ParticleConfig(diameter_px=(50.0, 50.0), second_species_probability=0.0),
    layout=LayoutConfig(empty_probability=0.0, coverage=(0.2, 0.3), spacing=(1.2, 1.2)),
)
# bfloat16 and float32 differ in the third digit: a centre moves by a fraction of a pixel, and a pick at the
# threshold may come or go.
NEAR_PX, MOST = 3.0, 0.9

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def micrograph() -> Micrograph:
    simulated = simulate_micrograph(CONFIG, 5)
    return Micrograph(simulated.array, simulated.pixel_size, Path("simulated.mrc"))


def pick_on(device: str, micrograph: Micrograph, config: PickConfig) -> tuple[Calibration, pd.DataFrame]:
    model = load_model(DEFAULT_WEIGHTS, choose_device(device))
    assert model.device.device.type == device
    calibration = calibrate(model, [micrograph], [micrograph.path.name], config)
    picks = pick_micrograph(model, micrograph, calibration, config)
    return calibration, picks[picks["accepted"]]


def share_near(picks: pd.DataFrame, others: pd.DataFrame) -> float:
    """Give the share of picks with a pick of the others at the same place."""
    distance, _ = cKDTree(others[["x", "y"]]).query(picks[["x", "y"]])
    return float((distance < NEAR_PX).mean())


@pytest.mark.parametrize("quality", ["normal", "best"])
def test_cuda_and_cpu_pick_the_same_particles(micrograph: Micrograph, quality: str) -> None:
    config = PickConfig(quality=quality)
    (there, on_cuda), (here, on_cpu) = (pick_on(device, micrograph, config) for device in (CUDA, "cpu"))
    assert len(on_cpu) >= 20
    assert min(share_near(on_cuda, on_cpu), share_near(on_cpu, on_cuda)) >= MOST
    assert there.prior is not None
    assert here.prior is not None
    assert there.prior.diameter == pytest.approx(here.prior.diameter, rel=0.05)
    assert there.threshold == pytest.approx(here.threshold, abs=0.05)


def test_the_command_picks_on_cuda_and_records_it(
    micrograph: Micrograph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        write_micrograph(Path("in", f"{name}.mrc"), micrograph.array, micrograph.pixel_size)
    result = CliRunner().invoke(cli, ["pick", "--in", "in", "--out", "out", "--device", CUDA])
    assert result.exit_code == 0, result.output
    assert json.loads(Path("out/run.json").read_text())["device"]["device"].startswith("cuda:")
    _, on_cpu = pick_on("cpu", micrograph, PickConfig())
    table = pd.read_csv("out/picks.csv")
    for _, picks in table[table["accepted"]].groupby("micrograph"):
        assert min(share_near(picks, on_cpu), share_near(on_cpu, picks)) >= MOST
