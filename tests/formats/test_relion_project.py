"""Where a RELION project is, which version runs it, told from its pipeline, and how it names files."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryopick_cli.formats.inputs import find_micrographs
from cryopick_cli.formats.relion_project import Project, RelionVersion

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
    assert Project(JOB).version is version


def test_the_projects_pipeline_comes_before_the_jobs() -> None:
    """A job that goes on in a newer RELION keeps the pipeline of the older one in its folder."""
    (JOB / "job_pipeline.star").write_text(OF_4)
    assert Project(JOB).version is RelionVersion.V4
    Path("default_pipeline.star").write_text(OF_5)
    assert Project(JOB).version is RelionVersion.V5


def test_without_a_pipeline_the_version_is_unknown() -> None:
    assert Project(JOB).version is None


def test_the_version_is_that_of_the_jobs_own_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command may run in another project, or in a folder below the job's."""
    own, other = tmp_path / "own", tmp_path / "other"
    job = own / JOB
    for folder in (job, other):
        folder.mkdir(parents=True)
    (other / "default_pipeline.star").write_text(OF_4)
    monkeypatch.chdir(other)
    assert Project(job).version is None
    (own / "default_pipeline.star").write_text(OF_5)
    for here, path in ((other, job), (other, Path("../own", JOB)), (own, JOB), (job, Path())):
        monkeypatch.chdir(here)
        assert Project(path).version is RelionVersion.V5


@pytest.mark.parametrize("job", ["", "AutoPick3", "External/job005", "External/by_hand/deeper/still"])
def test_files_are_named_from_the_root_however_deep_the_job_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    Path("default_pipeline.star").touch()
    root = tmp_path
    monkeypatch.chdir(tmp_path.parent)
    project = Project(root / job)
    assert project.name(root / job / "g1/m.star") == Path(job, "g1/m.star").as_posix()
    assert project.name(root / "m.star") == "m.star"
    assert project.name(root.parent / "m.star") == (root.parent / "m.star").as_posix()


@pytest.mark.parametrize("folder", [JOB, JOB / "again"])
def test_the_copy_of_the_pipeline_in_a_jobs_folder_makes_it_no_project(folder: Path) -> None:
    for pipeline in ("default_pipeline.star", JOB / "default_pipeline.star", JOB / "job_pipeline.star"):
        Path(pipeline).touch()
    assert Project(folder).name(folder / "m.star") == (folder / "m.star").as_posix()


@pytest.mark.parametrize("pipeline", [True, False])
def test_links_that_lead_into_the_project_are_no_other_place_and_those_in_it_stay(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, pipeline: bool
) -> None:
    """Working in a project through a link, and with raw data that a link below its root leads to."""
    if pipeline:
        Path("default_pipeline.star").touch()
    outside = tmp_path_factory.mktemp("outside")
    Path("Movies").symlink_to(outside)
    (outside / "project").symlink_to(tmp_path)
    (outside / "job").symlink_to(tmp_path / JOB)
    for job in (outside / "project" / JOB, outside / "job", JOB):
        project = Project(job)
        assert project.name(job / "m.star") == "External/job005/m.star"
        for root in (Path(), tmp_path, outside / "project"):
            assert project.name(root / "Movies/m.mrc") == "Movies/m.mrc"
        assert project.name(outside / "m.mrc") == (outside / "m.mrc").as_posix()


def test_micrographs_are_named_from_the_root_but_for_those_that_a_list_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("MotionCorr", "elsewhere"):
        Path(folder).mkdir()
    Path("MotionCorr/m.mrc").touch()
    star = tmp_path / "micrographs.star"
    star.write_text("data_\nloop_\n_rlnMicrographName\n./MotionCorr/m.mrc\n")
    listed = tmp_path / "list.txt"
    listed.write_text(f"{tmp_path}/MotionCorr/m.mrc\n")
    monkeypatch.chdir("elsewhere")

    def names(given: str) -> list[str]:
        return [one.name for one in Project(Path("..", JOB)).name_micrographs(find_micrographs([given]))]

    assert names("../MotionCorr") == ["../MotionCorr/m.mrc"]
    (tmp_path / "default_pipeline.star").touch()
    for given in ("../MotionCorr", f"{tmp_path}/MotionCorr/*.mrc", "../MotionCorr/m.mrc"):
        assert names(given) == ["MotionCorr/m.mrc"]
    assert names("../micrographs.star") == ["./MotionCorr/m.mrc"]
    assert names("@../list.txt") == [f"{tmp_path}/MotionCorr/m.mrc"]
