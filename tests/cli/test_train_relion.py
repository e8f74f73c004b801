"""`cryopick train --relion` as RELION calls it: arguments, marks, nodes, weights, abort, re-runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import starfile
from click.testing import CliRunner, Result

from cryopick_cli.cli import train_relion as command
from cryopick_cli.cli.main import cli
from cryopick_cli.formats.micrograph import write_micrograph
from cryopick_cli.formats.transform import TransformConfig, transform_coordinates
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.network import RetinaNet
from cryopick_cli.model.weights import OperatingPoint, read_card, save_model
from cryopick_cli.training import loop
from cryopick_cli.training.loop import Progress
from cryopick_cli.training.loss_log import LOSSES_FILE, read_losses

JOB = Path("External/job021")
WEIGHTS = JOB / "weights"
STAR = Path("Select/job020/particles.star")
MICROGRAPHS = Path("MotionCorr/job002/Movies/g1")
# As RELION 3.1 to 5 write what 2D classification kept; the columns that matter, and some that do not.
PARTICLES = """
# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMicrographPixelSize #3
_rlnImagePixelSize #4
_rlnImageSize #5
opticsGroup1 1 1.5 3.0 64


# version 30001

data_particles

loop_
_rlnCoordinateX #1
_rlnCoordinateY #2
_rlnImageName #3
_rlnMicrographName #4
_rlnOpticsGroup #5
_rlnClassNumber #6
"""
SUCCESS, FAILURE, ABORTED = (f"RELION_JOB_EXIT_{end}" for end in ("SUCCESS", "FAILURE", "ABORTED"))
Planted = dict[str, tuple[pd.DataFrame, Any]]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network, small enough for a test."""
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    config = NetworkConfig(pyramid_channels=8, head_depth=1, head_norm_groups=4)
    save_model(folder, RetinaNet(config), "tiny", OperatingPoint(), {})
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: Planted) -> Path:
    """A RELION project with aligned micrographs, and particles that 2D classification kept."""
    monkeypatch.chdir(tmp_path)
    MICROGRAPHS.mkdir(parents=True)
    for stem, (_, array) in planted.items():
        write_micrograph(MICROGRAPHS / f"{stem}.mrc", array)
    write_particles({stem: table for stem, (table, _) in planted.items()})
    monkeypatch.setattr(command, "FINE_TUNING", replace(command.FINE_TUNING, batch=1))
    return tmp_path


def write_particles(tables: dict[str, pd.DataFrame]) -> None:
    STAR.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        f"{x:.6f} {y:.6f} {number:06d}@Extract/job010/Movies/g1/{stem}.mrcs {MICROGRAPHS}/{stem}.mrc 1 4"
        for stem, table in tables.items()
        for number, (x, y) in enumerate(zip(table["x"], table["y"], strict=True), start=1)
    ]
    STAR.write_text(PARTICLES + "\n".join(rows) + "\n\n")


@pytest.fixture
def run(project: Path, weights: Path) -> Callable[..., Result]:
    """Call the command as RELION does, particles of 24 Å at 1.5 Å a pixel."""

    def call(*parameters: str, diameter: str = "24A") -> Result:
        line = f"train --relion --in_parts {STAR} --o {JOB}/ --init {weights} --device cpu"
        return CliRunner().invoke(
            cli, [*line.split(), "--steps", "2", "--diameter", diameter, *parameters, "--j", "1"]
        )

    return call


def page_of(path: Path) -> str:
    """Give the operators of a PDF's page."""
    stream = re.search(rb"stream\n(.*)\nendstream", path.read_bytes(), re.DOTALL)
    assert stream is not None
    return zlib.decompress(stream.group(1)).decode("cp1252")


def marks() -> list[str]:
    return sorted(path.name for path in JOB.glob("RELION_JOB_*"))


def test_a_job_leaves_weights_and_what_relion_wants(run: Callable[..., Result]) -> None:
    result = run("--unheard", "of")
    assert result.exit_code == 0, result.output
    assert marks() == [SUCCESS]
    assert "120 particles of 3 micrographs" in result.stderr
    assert "Check: the coordinates fit as they are" in result.stderr
    assert "--unheard of: no option of this command" in result.stderr
    assert f"cryopick pick --weights {WEIGHTS}" in result.stdout
    card = read_card(WEIGHTS)
    assert (card.name, card.about["steps"]) == ("job021", 2)
    record = json.loads((JOB / "run.json").read_text())
    assert record["command"] == "train --relion"
    assert record["weights"] == {"name": "job021", "sha256": card.sha256}
    (source,) = record["config"]["sources"]
    assert Path(source["coordinates"]) == STAR
    assert source["diameter"] == "24A"
    nodes = starfile.read(JOB / "RELION_OUTPUT_NODES.star", always_dict=True)["output_nodes"]
    assert [tuple(row) for row in nodes.itertuples(index=False)] == [
        (f"{JOB}/logfile.pdf", "LogFile.pdf.relion", 13)
    ]
    assert (JOB / "logfile.pdf").read_bytes().startswith(b"%PDF-1.")


def test_the_weights_pick(run: Callable[..., Result]) -> None:
    assert run().exit_code == 0
    line = (
        f"pick --in {MICROGRAPHS} --out picks --weights {WEIGHTS} --device cpu --diameter 16px --pictures 0"
    )
    result = CliRunner().invoke(cli, line.split())
    assert result.exit_code == 0, result.output
    assert json.loads(Path("picks/run.json").read_text())["weights"]["name"] == "job021"


@pytest.mark.usefixtures("project")
def test_coordinates_that_surely_do_not_fit_stop_the_job(
    run: Callable[..., Result], planted: Planted, fault: tuple[str, TransformConfig]
) -> None:
    name, transform = fault
    write_particles(
        {s: transform_coordinates(t, transform, shape=a.shape, where=s) for s, (t, a) in planted.items()}
    )
    result = run()
    assert result.exit_code == 1
    said = result.stderr.replace("\n", " ")
    assert f"particles.star: found coordinates that are {name}" in said
    assert "expected centres in px of" in said
    assert "cryopick convert --" in said
    assert "--no-check goes on all the same" in said
    assert marks() == [FAILURE]
    assert not WEIGHTS.exists()
    assert run("--no_check", "Yes").exit_code == 0
    assert marks() == [SUCCESS]


def test_an_abort_is_obeyed_and_a_second_run_goes_on(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def progress_and_abort(*values: Any) -> Progress:
        (JOB / "RELION_JOB_ABORT_NOW").touch()
        return Progress(*values)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "Progress", progress_and_abort)
        result = run()
    assert result.exit_code == 130
    assert "stopped by RELION after 1 of 2 steps" in result.stderr
    assert marks() == [ABORTED]
    assert not (JOB / "RELION_OUTPUT_NODES.star").exists()
    result = run()
    assert result.exit_code == 0, result.output
    history = json.loads((WEIGHTS / "history.json").read_text())
    assert [entry["step"] for entry in history] == [1, 2]
    losses = read_losses(WEIGHTS / LOSSES_FILE)
    assert [loss for _, loss in losses] == pytest.approx([entry["total"] for entry in history], abs=1e-4)
    assert page_of(JOB / "logfile.pdf").count(" re") == 2 * 2  # both steps, in both plots
    assert marks() == [SUCCESS]
    assert read_card(WEIGHTS).about["steps"] == 2


def test_an_abort_asked_for_before_the_start_is_obeyed_at_once(run: Callable[..., Result]) -> None:
    JOB.mkdir(parents=True)
    (JOB / "RELION_JOB_ABORT_NOW").touch()
    result = run()
    assert result.exit_code == 130
    assert "stopped by RELION after 0 of 2 steps" in result.stderr
    assert marks() == [ABORTED]
    assert not WEIGHTS.exists()


@pytest.mark.usefixtures("project")
def test_an_overwrite_that_ends_before_training_leaves_the_earlier_weights(
    run: Callable[..., Result], planted: Planted, fault: tuple[str, TransformConfig]
) -> None:
    assert run("--steps", "1").exit_code == 0
    before = {path: path.read_bytes() for path in (JOB / "run.json", *WEIGHTS.iterdir())}
    (JOB / "RELION_JOB_ABORT_NOW").touch()
    assert run("--steps", "2", "--overwrite", "Yes").exit_code == 130
    assert {path: path.read_bytes() for path in before} == before
    write_particles(
        {s: transform_coordinates(t, fault[1], shape=a.shape, where=s) for s, (t, a) in planted.items()}
    )
    refused = run("--steps", "2", "--overwrite", "Yes")
    assert "found coordinates that are" in refused.stderr.replace("\n", " ")
    assert {path: path.read_bytes() for path in before} == before


def test_a_finished_job_run_again_does_nothing_and_other_settings_are_refused(
    run: Callable[..., Result],
) -> None:
    assert run("--steps", "1").exit_code == 0
    log = (JOB / "logfile.pdf").read_bytes()
    again = run("--steps", "1")
    assert again.exit_code == 0
    assert "All steps were done already" in again.stderr
    assert (JOB / "logfile.pdf").read_bytes() == log
    other = run("--steps", "1", diameter="26A")
    assert other.exit_code == 1
    assert "sources[0].diameter (found 24A, expected 26A); repeat the labels of then" in other.stderr
    assert marks() == [FAILURE]
    other = run("--steps", "1", "--init", "none")
    assert other.exit_code == 1
    assert "initial_weights (found tiny, sha256 " in other.stderr
    assert ", expected none)" in other.stderr
    assert "start anew with the label overwrite" in other.stderr
    assert run("--steps", "1", "--overwrite", "Yes", diameter="26A").exit_code == 0
    assert marks() == [SUCCESS]
    assert run("--steps", "3", diameter="26A").exit_code == 0
    assert read_card(WEIGHTS).about["steps"] == 3
    assert [step for step, _ in read_losses(WEIGHTS / LOSSES_FILE)] == [1, 2, 3]
    assert page_of(JOB / "logfile.pdf").count(" re") == 2 * 3


def test_micrographs_that_are_gone_are_left_out(run: Callable[..., Result]) -> None:
    (MICROGRAPHS / "m2.mrc").unlink()
    result = run("--steps", "1")
    assert result.exit_code == 0, result.output
    assert f"1 of 3 micrographs are missing and left out (first: {MICROGRAPHS}/m2.mrc)" in result.stderr


def test_unknown_pixel_sizes_ask_for_one(run: Callable[..., Result]) -> None:
    STAR.write_text(STAR.read_text().replace("_rlnMicrographPixelSize", "_rlnMtfFileName"))
    result = run()
    assert result.exit_code == 1
    assert "give --pixel-size" in result.stderr
    assert run("--pixel_size", "1.5", "--steps", "1").exit_code == 0


@pytest.mark.parametrize(
    ("parameters", "status", "message"),
    [
        (["--steps", "many"], 2, "many"),
        (["--diameter", "24"], 2, "expected a positive number with its unit"),
        (["--in_parts", "gone.star"], 2, "gone.star"),
        (["--init", "gone"], 1, "--init gone"),
        (["--in_parts", "picks.star"], 1, "particles without micrographs' names"),
    ],
)
def test_what_ends_the_job_leaves_the_failure_mark(
    run: Callable[..., Result], parameters: list[str], status: int, message: str
) -> None:
    Path("picks.star").write_text("data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n1 2\n")
    result = run(*parameters)
    assert result.exit_code == status
    assert message in result.stderr
    assert marks() == [FAILURE]


def test_help_of_both_forms() -> None:
    own = CliRunner().invoke(cli, ["train", "--help"])
    job = CliRunner().invoke(cli, ["train", "--relion", "--help"])
    assert own.exit_code == job.exit_code == 0
    assert "cryopick train --relion --help" in own.stdout.replace("\n", " ").replace("  ", " ")
    assert "--in_parts" in job.stdout
    assert "Usage: cryopick train --relion" in job.stdout


@pytest.mark.relion
@pytest.mark.slow
def test_relions_pipeliner_runs_the_job(project: Path, weights: Path) -> None:
    """The shipped script, RELION 3.1's own pipeliner, and `cryopick train --relion` as the executable."""
    general = "data_pipeline_general\n\n_rlnPipeLineJobCounter 21\n"
    Path("default_pipeline.star").write_text(f"\n# version 30001\n\n{general}\n")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = Path(__file__).parents[2] / "examples" / "relion_external.sh"
    parameters = f"diameter 24A init {weights} device cpu steps 1"
    done = subprocess.run(
        ["bash", str(script), str(STAR), *parameters.split()],
        env={**environment, "EXECUTABLE": "cryopick train --relion", "INPUT": "in_part", "THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert marks() == [SUCCESS]
    assert read_card(WEIGHTS).name == "job021"
    pipeline = starfile.read("default_pipeline.star")
    assert pipeline["pipeline_nodes"]["rlnPipeLineNodeName"].tolist() == [str(STAR), f"{JOB}/logfile.pdf"]
    assert pipeline["pipeline_processes"]["rlnPipeLineProcessStatus"].tolist() == [2]  # finished well
