"""`cryopick relion` as RELION calls it: arguments, marks, nodes, abort, re-runs, failures."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import starfile
from click.testing import CliRunner, Result

from cryopick_cli.cli.main import cli
from cryopick_cli.formats.micrograph import write_micrograph
from cryopick_cli.picking.batch import Batch

JOB = Path("External/job005")
STAR = Path("CtfFind/job003/micrographs_ctf.star")
MICROGRAPHS = Path("MotionCorr/job002/Movies/g1")
OPTICS = """
# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMicrographPixelSize #3
opticsGroup1 1 1.5


# version 30001

data_micrographs

loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
"""
SUCCESS, FAILURE, ABORTED = (f"RELION_JOB_EXIT_{end}" for end in ("SUCCESS", "FAILURE", "ABORTED"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A RELION project with two aligned micrographs of noise."""
    monkeypatch.chdir(tmp_path)
    add_micrographs("m1", "m2")
    return tmp_path


def add_micrographs(*stems: str) -> None:
    """Write micrographs, and a table of all that are there."""
    MICROGRAPHS.mkdir(parents=True, exist_ok=True)
    STAR.parent.mkdir(parents=True, exist_ok=True)
    for stem in stems:
        noise = np.random.default_rng(len(stem) + ord(stem[-1])).normal(0, 1, (120, 160))
        (MICROGRAPHS / f"{stem}.mrc").unlink(missing_ok=True)
        write_micrograph(MICROGRAPHS / f"{stem}.mrc", noise.astype(np.float32), 1.5)
    names = sorted(path.as_posix() for path in MICROGRAPHS.glob("*.mrc"))
    STAR.write_text(OPTICS + "".join(f"{name} 1\n" for name in names) + "\n")


@pytest.fixture
def run(project: Path, weights: Path) -> Callable[..., Result]:
    """Call the command as RELION 3.1 does."""

    def call(*parameters: str, diameter: str = "40px") -> Result:
        line = f"relion --o {JOB}/ --in_mics {STAR} --weights {weights} --device cpu --diameter {diameter}"
        return CliRunner().invoke(cli, [*line.split(), *parameters, "--j", "1"])

    return call


def marks() -> list[str]:
    return sorted(path.name for path in JOB.glob("RELION_JOB_*"))


def listed() -> dict[str, str]:
    """Give RELION 4 and 5's list: micrograph to coordinate file."""
    table = starfile.read(JOB / "autopick.star")
    return dict(zip(table["rlnMicrographName"], table["rlnMicrographCoordinates"], strict=True))


def test_a_job_leaves_what_relion_wants(run: Callable[..., Result]) -> None:
    JOB.mkdir(parents=True)
    (JOB / FAILURE).touch()
    result = run()
    assert result.exit_code == 0, result.output
    assert marks() == [SUCCESS]
    assert "External/job005: found no pipeline of RELION" in result.stderr
    assert listed() == {
        f"{MICROGRAPHS}/{stem}.mrc": f"{JOB}/Movies/g1/{stem}_autopick.star" for stem in ("m1", "m2")
    }
    picks = starfile.read(JOB / "Movies/g1/m1_autopick.star")
    assert len(picks) > 0
    assert picks["rlnAutopickFigureOfMerit"].is_monotonic_decreasing
    assert (JOB / "coords_suffix_autopick.star").read_text() == f"{STAR}\n"
    assert (JOB / "logfile.pdf").read_bytes().startswith(b"%PDF-1.")
    assert {path.parts[:2] for path in Path().rglob("*_autopick.star")} == {("External", "job005")}


def test_the_nodes_have_the_columns_of_every_version_and_exist(run: Callable[..., Result]) -> None:
    run()
    nodes = starfile.read(JOB / "RELION_OUTPUT_NODES.star", always_dict=True)["output_nodes"]
    assert [tuple(row) for row in nodes.itertuples(index=False)] == [
        (f"{JOB}/autopick.star", "MicrographCoordsGroup.star.relion.autopick", 2),
        (f"{JOB}/coords_suffix_autopick.star", "MicrographsCoords.star.relion.autopick", 2),
        (f"{JOB}/logfile.pdf", "LogFile.pdf.relion.autopick", 13),
    ]
    assert list(nodes.columns) == [
        "rlnPipeLineNodeName",
        "rlnPipeLineNodeTypeLabel",
        "rlnPipeLineNodeType",
    ]
    assert all(Path(name).is_file() for name in nodes["rlnPipeLineNodeName"])


@pytest.mark.parametrize(
    ("columns", "node"),
    [
        (
            "_rlnPipeLineNodeType #2",
            ("coords_suffix_autopick.star", "MicrographsCoords.star.relion.autopick"),
        ),
        ("_rlnPipeLineNodeTypeLabel #2", ("autopick.star", "MicrographsCoords.star.relion.autopick")),
        (
            "_rlnPipeLineNodeTypeLabel #2\n_rlnPipeLineNodeTypeLabelDepth #3",
            ("autopick.star", "MicrographCoordsGroup.star.relion.autopick"),
        ),
    ],
)
def test_in_a_project_of_a_known_version_the_coordinates_are_its_one_node(
    run: Callable[..., Result], columns: str, node: tuple[str, str]
) -> None:
    Path("default_pipeline.star").write_text(
        f"# version 30001\n\ndata_pipeline_nodes\n\nloop_\n_rlnPipeLineNodeName #1\n{columns}\n"
    )
    run()
    nodes = starfile.read(JOB / "RELION_OUTPUT_NODES.star", always_dict=True)["output_nodes"]
    assert [tuple(row)[:2] for row in nodes.itertuples(index=False)] == [
        (f"{JOB}/{node[0]}", node[1]),
        (f"{JOB}/logfile.pdf", "LogFile.pdf.relion.autopick"),
    ]


def test_a_second_run_picks_only_what_is_new_with_the_same_calibration(run: Callable[..., Result]) -> None:
    assert run().exit_code == 0
    first = JOB / "Movies/g1/m1_autopick.star"
    written, before = first.stat().st_mtime_ns, json.loads((JOB / "run.json").read_text())["calibrations"]
    add_micrographs("m3")
    result = run()
    assert result.exit_code == 0, result.output
    assert "2 micrographs are done already" in result.stderr
    assert first.stat().st_mtime_ns == written
    assert list(listed()) == [f"{MICROGRAPHS}/{stem}.mrc" for stem in ("m1", "m2", "m3")]
    assert json.loads((JOB / "run.json").read_text())["calibrations"] == before
    assert marks() == [SUCCESS]


def test_other_settings_in_a_second_run_are_refused_unless_it_overwrites(run: Callable[..., Result]) -> None:
    assert run("--threshold", "0.3").exit_code == 0
    result = run("--threshold", "0.4")
    assert result.exit_code == 1
    assert "pick.threshold (found 0.3, expected 0.4)" in result.stderr
    assert marks() == [FAILURE]
    assert run("--threshold", "0.4", "--overwrite", "Yes").exit_code == 0
    assert json.loads((JOB / "run.json").read_text())["config"]["pick"]["threshold"] == 0.4
    assert marks() == [SUCCESS]


def test_abort_stops_after_the_micrograph_at_hand_and_the_next_run_goes_on(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    pick_one = Batch._pick_one

    def pick_and_abort(batch: Batch, *arguments: object) -> object:
        (JOB / "RELION_JOB_ABORT_NOW").touch()
        return pick_one(batch, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Batch, "_pick_one", pick_and_abort)
        result = run()
    assert result.exit_code == 130
    assert "stopped by RELION after 1 of 2 micrographs" in result.stderr
    assert marks() == [ABORTED]
    assert list(listed()) == [f"{MICROGRAPHS}/m1.mrc"]
    assert not (JOB / "RELION_OUTPUT_NODES.star").exists()
    result = run()
    assert result.exit_code == 0, result.output
    assert "1 micrographs are done already" in result.stderr
    assert marks() == [SUCCESS]
    assert len(listed()) == 2


def test_an_abort_asked_for_before_the_start_is_obeyed_at_once(run: Callable[..., Result]) -> None:
    JOB.mkdir(parents=True)
    (JOB / "RELION_JOB_ABORT_NOW").touch()
    result = run()
    assert result.exit_code == 130
    assert "stopped by RELION before it began; the folder is as it was" in result.stderr
    assert marks() == [ABORTED]
    assert [path.name for path in JOB.rglob("*") if path.is_file()] == [ABORTED]


def test_an_overwrite_that_is_stopped_before_the_start_leaves_the_earlier_run(
    run: Callable[..., Result],
) -> None:
    assert run("--threshold", "0.3").exit_code == 0
    before = {path: path.read_bytes() for path in JOB.rglob("*") if path.is_file()}
    (JOB / "RELION_JOB_ABORT_NOW").touch()
    assert run("--threshold", "0.4", "--overwrite", "Yes").exit_code == 130
    assert marks() == [ABORTED]
    del before[JOB / SUCCESS]
    assert {path: path.read_bytes() for path in before} == before


def test_an_interrupt_counts_as_an_abort(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Batch, "calibrate", interrupt)
    assert run().exit_code == 130
    assert marks() == [ABORTED]


def test_a_fault_of_the_program_leaves_the_failure_mark(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Batch, "calibrate", fail)
    assert isinstance(run().exception, ZeroDivisionError)
    assert marks() == [FAILURE]


def test_labels_are_read_as_people_type_them(run: Callable[..., Result]) -> None:
    typed = "--Min_Distance 60 --min_dist 60 --pixel_size 1.7 --quiet No --pictures --in_parts p.star"
    result = run(*typed.split(), "--scale", "-1", "--pipeline_control", f"{JOB}/", "--other", "a", "b")
    assert result.exit_code == 0, result.output
    config = json.loads((JOB / "run.json").read_text())["config"]
    assert (config["pick"]["min_distance"], config["pixel_size"]) == ({"value": 60.0, "unit": "A"}, 1.7)
    warned = [line for line in result.stderr.splitlines() if line.startswith("Warning")]
    assert warned == [
        "Warning: --min_dist 60: no option of this command, so it is not used; did you mean --min-distance?",
        "Warning: --pictures: has no value; the option is not used",
        "Warning: --in_parts p.star: no option of this command, so it is not used",
        "Warning: --scale -1: no option of this command, so it is not used",
        "Warning: --other a b: no option of this command, so it is not used",
    ]


def test_some_failed_micrographs_are_named_and_the_job_succeeds(run: Callable[..., Result]) -> None:
    (MICROGRAPHS / "m1.mrc").write_bytes(b"<html>not found</html>")
    result = run()
    assert result.exit_code == 0
    assert f"Failed: {MICROGRAPHS}/m1.mrc: is no MRC file" in result.stderr
    assert "1 of 2 micrographs failed" in result.stderr
    assert marks() == [SUCCESS]
    assert list(listed()) == [f"{MICROGRAPHS}/m2.mrc"]
    add_micrographs("m1")
    assert run().exit_code == 0
    assert len(listed()) == 2


def test_a_job_that_picks_nothing_at_all_fails(run: Callable[..., Result]) -> None:
    for path in MICROGRAPHS.glob("*.mrc"):
        path.write_bytes(b"")
    result = run()
    assert result.exit_code == 1
    assert "2 of 2 micrographs failed" in result.stderr
    assert marks() == [FAILURE]


@pytest.mark.parametrize(
    ("parameters", "status", "message"),
    [
        (["--threshold", "high"], 2, "high"),
        (["--threshold", "3"], 2, "expected auto or a number from 0 to 1"),
        (["--in_mics", "gone.star"], 1, "gone.star"),
        (["--weights", "gone"], 1, "--weights gone"),
    ],
)
def test_what_ends_the_job_leaves_the_failure_mark(
    run: Callable[..., Result], parameters: list[str], status: int, message: str
) -> None:
    result = run(*parameters)
    assert result.exit_code == status
    assert message in result.stderr
    assert marks() == [FAILURE]


def test_without_micrographs_the_job_fails_and_says_so(project: Path) -> None:
    result = CliRunner().invoke(cli, ["relion", "--o", f"{JOB}/", "--j", "1"])
    assert result.exit_code == 2
    assert "--in_mics" in result.stderr
    assert marks() == [FAILURE]


def test_called_from_elsewhere_it_names_files_from_the_projects_root(
    project: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("default_pipeline.star").touch()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    line = f"relion --o {project / JOB} --in_mics {project / STAR} --weights {weights} --device cpu"
    result = CliRunner().invoke(cli, [*line.split(), "--diameter", "40px", "--j", "1"])
    assert result.exit_code == 0, result.output
    monkeypatch.chdir(project)
    assert set(listed().values()) == {f"{JOB}/Movies/g1/{stem}_autopick.star" for stem in ("m1", "m2")}
    assert (JOB / "coords_suffix_autopick.star").read_text() == f"{STAR}\n"
    nodes = starfile.read(JOB / "RELION_OUTPUT_NODES.star", always_dict=True)["output_nodes"]
    assert {Path(name).parent for name in nodes["rlnPipeLineNodeName"]} == {JOB}


def test_without_a_job_folder_nothing_is_written(project: Path) -> None:
    before = sorted(Path().rglob("*"))
    assert CliRunner().invoke(cli, ["relion", "--in_mics", str(STAR)]).exit_code == 2
    assert sorted(Path().rglob("*")) == before


@pytest.mark.relion
def test_relions_tools_read_the_tables(run: Callable[..., Result]) -> None:
    run()
    command = "relion_star_printtable {} data_output_nodes _rlnPipeLineNodeName _rlnPipeLineNodeType"
    command = command.format(JOB / "RELION_OUTPUT_NODES.star")
    printed = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True).stdout
    assert [line.split() for line in printed.splitlines() if line.strip()] == [
        [f"{JOB}/autopick.star", "2"],
        [f"{JOB}/coords_suffix_autopick.star", "2"],
        [f"{JOB}/logfile.pdf", "13"],
    ]


@pytest.mark.relion
@pytest.mark.slow
def test_relions_pipeliner_runs_the_job_and_goes_on_with_it(project: Path, weights: Path) -> None:
    """The shipped script, RELION 3.1's own pipeliner, and `cryopick relion` typed as the executable."""
    general = "data_pipeline_general\n\n_rlnPipeLineJobCounter 1\n"
    Path("default_pipeline.star").write_text(f"\n# version 30001\n\n{general}\n")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = Path(__file__).parents[2] / "examples" / "relion_external.sh"
    job = Path("External/job001")

    def run_script(*arguments: str, **settings: str) -> list[str]:
        command = ["bash", str(script), *arguments]
        done = subprocess.run(command, env={**environment, **settings}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return starfile.read(job / "autopick.star")["rlnMicrographName"].tolist()

    names = [f"{MICROGRAPHS}/{stem}.mrc" for stem in ("m1", "m2", "m3")]
    parameters = ["weights", str(weights), "diameter", "40px", "device", "cpu", "unheard", "of"]
    assert run_script(str(STAR), *parameters) == names[:2]
    assert "--unheard of: no option of this command" in (job / "run.err").read_text()
    add_micrographs("m3")
    assert run_script(JOB=f"{job}/") == names
    pipeline = starfile.read("default_pipeline.star")
    assert pipeline["pipeline_nodes"]["rlnPipeLineNodeName"].tolist() == [
        str(STAR),
        *(f"{job}/{name}" for name in ("coords_suffix_autopick.star", "logfile.pdf")),
    ]
    finished_well = 2
    assert pipeline["pipeline_processes"]["rlnPipeLineProcessStatus"].tolist() == [finished_well]
