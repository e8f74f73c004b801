"""Which RELION runs a project, told from its pipeline, and the kinds of file that it knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryopick_cli.formats.relion_nodes import RelionVersion, picking_nodes, project_version

JOB = Path("External/job005")
# As the versions begin a pipeline: 4.0 gives the number of 3.1.
GENERAL = (
    "\n# version {number}\n\ndata_pipeline_general\n\n_rlnPipeLineJobCounter                       6\n \n\n"
)
PROCESSES = GENERAL + (
    "# version {number}\n\ndata_pipeline_processes\n\nloop_ \n_rlnPipeLineProcessName #1 \n"
    "_rlnPipeLineProcessAlias #2 \n{columns}External/job005/ None {kind} \n \n"
)
OF_3 = PROCESSES.format(
    number=30001, columns="_rlnPipeLineProcessType #3 \n_rlnPipeLineProcessStatus #4 \n", kind="99 0"
)
LABELS = "_rlnPipeLineProcessTypeLabel #3 \n_rlnPipeLineProcessStatusLabel #4 \n"
OF_4 = PROCESSES.format(number=30001, columns=LABELS, kind="relion.external Running")
OF_5 = PROCESSES.format(number=50001, columns=LABELS, kind="relion.external Running")
DEPTH = (
    "# version 30001\n\ndata_pipeline_nodes\n\nloop_\n_rlnPipeLineNodeName #1\n_rlnPipeLineNodeTypeLabel #2\n"
    "_rlnPipeLineNodeTypeLabelDepth #3\n"
)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    JOB.mkdir(parents=True)


@pytest.mark.parametrize(
    ("pipeline", "version"),
    [
        (OF_3, RelionVersion.V3),
        (OF_4, RelionVersion.V4),
        (OF_5, RelionVersion.V5),
        (DEPTH, RelionVersion.V5),
        (GENERAL.format(number=50001), RelionVersion.V5),
        (GENERAL.format(number=30001), None),
        ("", None),
    ],
)
def test_the_pipeline_tells_the_version(pipeline: str, version: RelionVersion | None) -> None:
    Path("default_pipeline.star").write_text(pipeline)
    assert project_version(JOB) is version


def test_the_projects_pipeline_comes_before_the_jobs() -> None:
    """A job that goes on in a newer RELION keeps the pipeline of the older one in its folder."""
    (JOB / "job_pipeline.star").write_text(OF_4)
    assert project_version(JOB) is RelionVersion.V4
    Path("default_pipeline.star").write_text(OF_5)
    assert project_version(JOB) is RelionVersion.V5


def test_without_a_pipeline_the_version_is_unknown() -> None:
    assert project_version(JOB) is None


def test_the_version_is_that_of_the_jobs_own_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command may run in another project, or in a folder below the job's."""
    own, other = tmp_path / "own", tmp_path / "other"
    job = own / JOB
    for folder in (job, other):
        folder.mkdir(parents=True)
    (other / "default_pipeline.star").write_text(OF_4)
    monkeypatch.chdir(other)
    assert project_version(job) is None
    (own / "default_pipeline.star").write_text(OF_5)
    for here, path in ((other, job), (other, Path("../own", JOB)), (own, JOB), (job, Path())):
        monkeypatch.chdir(here)
        assert project_version(path) is RelionVersion.V5


@pytest.mark.parametrize("version", [None, *RelionVersion])
def test_every_version_finds_coordinates_that_it_can_extract(version: RelionVersion | None) -> None:
    """3.1 takes the suffix file as kind 2; 4.0 and 5.0 take either file under their label."""
    nodes = [node for node in picking_nodes(version) if node.file != "logfile.pdf"]
    if version in (None, RelionVersion.V3):
        assert ("coords_suffix_autopick.star", 2) in [(node.file, node.kind) for node in nodes]
    if version in (None, RelionVersion.V4):
        assert any(node.label.startswith("MicrographsCoords.star.relion") for node in nodes)
    if version in (None, RelionVersion.V5):
        assert any(node.label.startswith("MicrographCoordsGroup.star.relion") for node in nodes)
    assert len(nodes) == (2 if version is None else 1)
