"""The example scripts that need another program's server do their work with a stand-in for it."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryopick_cli.formats.micrograph import write_micrograph
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.network import RetinaNet
from cryopick_cli.model.weights import OperatingPoint, save_model

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SHAPE = (120, 160)
UIDS = [9000000000000000001, 9000000000000000002]
# Some of the fields that cryoSPARC asks of the two slots; cryopick knows nothing of the last.
SLOTS = [
    ("location/micrograph_uid", "<u8"),
    ("location/exp_group_id", "<u4"),
    ("location/center_x_frac", "<f4"),
    ("pick_stats/ncc_score", "<f4"),
    ("pick_stats/angle_rad", "<f4"),
]


class StandIn:
    """What the script uses of cryosparc-tools' external job."""

    def __init__(self, folder: Path, exposures: Any) -> None:
        self.dir = folder
        self.exposures = exposures
        self.words: list[str] = []
        self.saved: dict[str, Any] = {}

    def load_input(self, name: str) -> Any:
        return {"exposures": self.exposures}[name]

    def alloc_output(self, name: str, uids: Any) -> Any:
        assert name == "picks"
        return type(self.exposures)({"uid": uids}).add_fields(SLOTS)

    def save_output(self, name: str, dataset: Any) -> None:
        self.saved[name] = dataset

    def log(self, text: str) -> None:
        self.words.append(text)


def write_exposures(project: Path) -> dict[str, Any]:
    """Write two micrographs of noise and give the columns of their exposures."""
    noise = np.random.default_rng(1).normal(0, 1, (2, *SHAPE)).astype(np.float32)
    names = [f"J1/m{number}.mrc" for number in (1, 2)]
    for name, array in zip(names, noise, strict=True):
        write_micrograph(project / name, array, 1.5)
    return {
        "uid": np.array(UIDS, dtype=np.uint64),
        "micrograph_blob/path": np.array(names),
        "micrograph_blob/psize_A": np.full(2, 1.5, dtype=np.float32),
        "micrograph_blob/shape": np.array([SHAPE, SHAPE], dtype=np.uint32),
        "mscope_params/exp_group_id": np.array([3, 3], dtype=np.uint32),
    }


@pytest.mark.slow
def test_the_cryosparc_job_saves_picks_linked_to_its_exposures(tmp_path: Path) -> None:
    dataset = pytest.importorskip("cryosparc.dataset")
    (tmp_path / "J1").mkdir()
    (tmp_path / "J2").mkdir()
    job = StandIn(tmp_path / "J2", dataset.Dataset(write_exposures(tmp_path)))
    network = NetworkConfig(pyramid_channels=8, head_depth=1, head_norm_groups=4, prior_probability=0.5)
    save_model(tmp_path / "tiny", RetinaNet(network), "tiny", OperatingPoint(), {})
    script = runpy.run_path(str(EXAMPLES / "cryosparc_external_job.py"))
    script["pick"](job, ["--weights", str(tmp_path / "tiny"), "--diameter", "40px", "--device", "cpu"])
    picks = job.saved["picks"]
    assert len(picks) > 0, job.words
    assert job.words[-1] == f"{len(picks)} picks"
    assert set(picks["location/micrograph_uid"].tolist()) <= set(UIDS)
    assert set(picks["location/exp_group_id"].tolist()) == {3}
    assert len(set(picks["uid"].tolist())) == len(picks)
    # A micrograph spans -0.5 to n - 0.5 px.
    columns = np.asarray(picks["location/center_x_frac"]) * SHAPE[1]
    assert ((columns > -0.501) & (columns < SHAPE[1] - 0.499)).all()
    assert (picks["pick_stats/ncc_score"] != 0).all()
