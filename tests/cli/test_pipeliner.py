"""CCP-EM's pipeliner, which runs projects in the layout of RELION 4 and 5, runs `cryopick relion` as a job.

Skipped without it (dependency group `programs`).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from cryopick_cli.formats.micrograph import write_micrograph
from cryopick_cli.formats.registry import read_coordinates

api = pytest.importorskip("pipeliner.api.manage_project")

# The pipeliner and what it imports warn of matters of their own.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

LABEL = "MicrographCoordsGroup.star.relion.autopick"
STAR = Path("CtfFind/job003/micrographs_ctf.star")
MICROGRAPHS = [f"MotionCorr/job002/Movies/g1/{stem}.mrc" for stem in ("m1", "m2")]
TABLE = """
data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMicrographPixelSize #3
opticsGroup1 1 1.5

data_micrographs

loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
"""
# The job takes one program, where RELION's takes a line; so a script stands for `cryopick relion`.
SCRIPT = """#!/bin/sh
exec {python} -c 'from cryopick_cli.cli.main import main; main()' relion "$@"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """A project with two micrographs of noise."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(MICROGRAPHS):
        noise = np.random.default_rng(seed).normal(0, 1, (120, 160))
        write_micrograph(Path(name), noise.astype(np.float32), 1.5)
    STAR.parent.mkdir(parents=True)
    STAR.write_text(TABLE + "".join(f"{name} 1\n" for name in MICROGRAPHS))
    Path("pick.sh").write_text(SCRIPT.format(python=sys.executable))
    Path("pick.sh").chmod(0o755)
    return api.PipelinerProject(make_new_project=True)


def test_the_pipeliner_runs_the_job_and_takes_its_coordinates(project: object, weights: Path) -> None:
    parameters = {"weights": str(weights), "diameter": "40px", "threshold": "0.3", "device": "cpu"}
    options = {"_rlnJobTypeLabel": "relion.external", "fn_exe": str(Path("pick.sh").absolute())}
    for number, (label, value) in enumerate(parameters.items(), start=1):
        options |= {f"param{number}_label": label, f"param{number}_value": value}
    node = {"fn_output": "autopick.star", "output_nodetype": LABEL.split(".")[0]}
    options |= {"in_mic": str(STAR), **node, "output_kwds": "relion:::autopick"}
    job = project.run_job(options, run_in_foreground=True)  # type: ignore[attr-defined]
    folder = Path(job.output_dir)
    assert (folder / "RELION_JOB_EXIT_SUCCESS").is_file(), (folder / "run.err").read_text()
    assert_finished(folder)
    assert_node_is_read(job.output_nodes[0], folder)
    assert_extraction_takes(f"{folder}/autopick.star")


def assert_finished(folder: Path) -> None:
    """The pipeline lists the job as done, and its node by the label that the job's own table gives it."""
    module = pytest.importorskip("pipeliner.starfile_handler")
    processes = module.StarFile("default_pipeline.star").loop_as_list(block="pipeline_processes")
    assert [row[-1] for row in processes] == ["Succeeded"]
    columns = ["_rlnPipeLineNodeName", "_rlnPipeLineNodeTypeLabel"]
    told = module.StarFile(f"{folder}/RELION_OUTPUT_NODES.star").loop_as_list("output_nodes", columns)
    listed = module.StarFile("default_pipeline.star").loop_as_list("pipeline_nodes", columns)
    # The project is one of RELION 5, so there is one node of coordinates.
    assert told == [
        [f"{folder}/autopick.star", LABEL],
        [f"{folder}/logfile.pdf", "LogFile.pdf.relion.autopick"],
    ]
    assert told[0] in listed


def assert_node_is_read(node: object, folder: Path) -> None:
    """The node leads from a micrograph to its picks."""
    assert node.type == LABEL  # type: ignore[attr-defined]
    for name in MICROGRAPHS:
        metadata = node.get_image_metadata(name)  # type: ignore[attr-defined]
        picks = read_coordinates(folder / "Movies" / "g1" / f"{Path(name).stem}_autopick.star")
        assert len(picks) > 0
        np.testing.assert_allclose(metadata["Particle coordinates"], picks[["x", "y"]])


def assert_extraction_takes(coordinates: str) -> None:
    """The job *Particle extraction* of RELION 4 and 5 accepts the coordinates as its input."""
    module = pytest.importorskip("pipeliner.job_factory")
    options = {"star_mics": str(STAR), "coords_suffix": coordinates, "extract_size": "64"}
    job = module.job_from_dict({"_rlnJobTypeLabel": "relion.extract", **options})
    job.output_dir = "Extract/job002/"
    assert job.validate_joboptions() == []
    command = next(one.cmd for one in job.get_commands() if "--coord_list" in one.cmd)
    assert command[command.index("--coord_list") + 1] == coordinates
