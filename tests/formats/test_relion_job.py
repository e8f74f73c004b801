"""An External job's folder: marks, the request to stop, the table of output nodes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cryopick_cli.errors import OutputError
from cryopick_cli.formats.relion_job import ABORT_REQUEST, NODES_FILE, Outcome, RelionJob
from cryopick_cli.formats.relion_nodes import OutputNode


def marks(job: RelionJob) -> list[str]:
    return sorted(path.name for path in job.folder.glob("RELION_JOB_*"))


@pytest.mark.parametrize("outcome", list(Outcome))
def test_one_mark_is_left_and_old_ones_go(tmp_path: Path, outcome: Outcome) -> None:
    job = RelionJob(tmp_path / "External" / "job001")
    job.folder.mkdir(parents=True)
    for other in Outcome:
        (job.folder / other.value).write_text("old")
    with job.running():
        assert marks(job) == []
        job.outcome = outcome
    assert marks(job) == [outcome.value]
    assert (job.folder / outcome.value).read_bytes() == b""


def test_a_request_is_seen_and_taken_away_at_the_end(tmp_path: Path) -> None:
    job = RelionJob(tmp_path)
    with job.running():
        assert not job.abort_requested
        (tmp_path / ABORT_REQUEST).touch()
        assert job.abort_requested
        job.outcome = Outcome.ABORTED
    assert marks(job) == ["RELION_JOB_EXIT_ABORTED"]


@pytest.mark.parametrize(
    ("error", "mark"), [(ValueError, Outcome.FAILURE), (KeyboardInterrupt, Outcome.ABORTED)]
)
def test_an_error_leaves_its_mark_and_goes_on(
    tmp_path: Path, error: type[BaseException], mark: Outcome
) -> None:
    job = RelionJob(tmp_path)
    with pytest.raises(error), job.running():
        raise error
    assert marks(job) == [mark.value]


def test_a_file_in_the_folders_place_is_an_error_a_user_can_cure(tmp_path: Path) -> None:
    (tmp_path / "job001").touch()
    with (
        pytest.raises(OutputError, match="job001: cannot be written"),
        RelionJob(tmp_path / "job001").running(),
    ):
        pass


@pytest.mark.parametrize("given", ["External/job001/", "External/job001", "{here}/External/job001/"])
def test_nodes_are_named_from_the_projects_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    RelionJob(Path(given.format(here=tmp_path))).write_nodes([OutputNode("a.star", "Kind.star", 2)])
    lines = Path("External/job001/RELION_OUTPUT_NODES.star").read_text().split("\n")
    assert "data_output_nodes" in lines
    assert "External/job001/a.star Kind.star 2 " in lines


@pytest.mark.parametrize("here", ["", "External", "External/job001", "../elsewhere"])
def test_nodes_are_named_from_the_root_wherever_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: str
) -> None:
    project = tmp_path / "project"
    job = project / "External" / "job001"
    for folder in (job, tmp_path / "elsewhere"):
        folder.mkdir(parents=True)
    (project / "default_pipeline.star").touch()
    monkeypatch.chdir(project / here)
    for given in (job, Path(os.path.relpath(job))):
        RelionJob(given).write_nodes([OutputNode("a.star", "Kind.star", 2)])
        assert "External/job001/a.star Kind.star 2 " in (job / NODES_FILE).read_text().split("\n")
