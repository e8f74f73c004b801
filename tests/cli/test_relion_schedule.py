"""The schedule (RELION 3.1) and scheme (4 and 5) in `examples`: whole, alike, run by 3.1's scheduler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
import starfile

from cryopick_cli.cli.relion import relion
from cryopick_cli.formats.micrograph import write_micrograph

EXAMPLES = Path(__file__).parents[2] / "examples" / "relion_schemes"
FORMS = {"schedule": EXAMPLES / "Schedules" / "cryopick", "scheme": EXAMPLES / "Schemes" / "cryopick"}
JOBS = ["import", "pick", "pick_mics"]


def blocks(word: str) -> dict[str, pd.DataFrame]:
    """Give the tables of a schedule or scheme, with the labels of both named as the scheme's."""
    read = starfile.read(FORMS[word] / f"{word}.star", always_dict=True)
    return {
        name.removeprefix(f"{word}_"): table.rename(columns=lambda label: label.replace("Schedule", "Scheme"))
        for name, table in read.items()
        if isinstance(table, pd.DataFrame)
    }


def options(word: str, job: str) -> dict[str, str]:
    table = starfile.read(FORMS[word] / job / "job.star", always_dict=True)["joboptions_values"]
    return dict(zip(table["rlnJobOptionVariable"], table["rlnJobOptionValue"].astype(str), strict=True))


@pytest.mark.parametrize("word", FORMS)
def test_every_edge_leads_to_a_node_that_is_there(word: str) -> None:
    table = blocks(word)
    assert table["jobs"]["rlnSchemeJobName"].tolist() == JOBS
    assert set(table["jobs"]["rlnSchemeJobMode"]) == {"continue"}
    nodes = {*JOBS, *table["operators"]["rlnSchemeOperatorName"]}
    edges = table["edges"]
    leads_to = {*edges["rlnSchemeEdgeOutputNodeName"]}
    forks = edges[edges["rlnSchemeEdgeIsFork"] == 1]
    assert leads_to | {*forks["rlnSchemeEdgeOutputNodeNameIfTrue"]} == nodes
    assert {*edges["rlnSchemeEdgeInputNodeName"]} == nodes - {"EXIT"}
    assert {*forks["rlnSchemeEdgeBooleanVariable"]} <= {*table["bools"]["rlnSchemeBooleanVariableName"]}


@pytest.mark.parametrize("word", FORMS)
def test_jobs_ask_for_variables_and_parameters_that_are_there(word: str) -> None:
    table = blocks(word)
    variables = {
        *table["floats"]["rlnSchemeFloatVariableName"],
        *table["strings"]["rlnSchemeStringVariableName"],
    }
    known = {name for option in relion.get_params(click.Context(relion)) for name in option.opts}
    for job in JOBS:
        asked = options(word, job)
        assert {value[2:] for value in asked.values() if value.startswith("$$")} <= variables
        labels = {value for name, value in asked.items() if name.endswith("_label")}
        assert {f"--{label}" for label in labels} <= known
        assert len(labels) == (0 if job == "import" else 4)
    folder = FORMS[word].parent.name
    assert options(word, "pick")["in_mic"] == f"{folder}/cryopick/import/micrographs.star"


def test_schedule_and_scheme_do_the_same() -> None:
    for job in JOBS:
        old, new = options("schedule", job), options("scheme", job)
        assert {name: value.replace("Schedules/", "Schemes/") for name, value in old.items()} == new
    old, new = blocks("schedule")["strings"], blocks("scheme")["strings"]
    pd.testing.assert_frame_equal(old, new)


@pytest.mark.relion
@pytest.mark.slow
def test_relions_scheduler_picks_what_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Path
) -> None:
    """Two rounds, with a micrograph more in the second, and one on another job's table."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    shutil.copytree(EXAMPLES / "Schedules", "Schedules")
    general = "data_pipeline_general\n\n_rlnPipeLineJobCounter 1\n"
    Path("default_pipeline.star").write_text(f"\n# version 30001\n\n{general}\n")
    Path("Micrographs").mkdir()
    add_micrograph("m1")
    run(weights=str(weights), diameter="40px", device="cpu", angpix="1.5", wait_sec="1", max_rounds="1")
    assert picked("job002") == ["Micrographs/m1.mrc"]
    assert "--diameter 40px --threshold auto" in Path("External/job002/note.txt").read_text()
    add_micrograph("m2")
    run(rounds="0")
    assert picked("job002") == ["Micrographs/m1.mrc", "Micrographs/m2.mrc"]
    shutil.copy("Import/job001/micrographs.star", "given.star")
    run(rounds="0", do_import="False", in_mics="given.star")
    assert picked("job003") == ["Micrographs/m1.mrc", "Micrographs/m2.mrc"]
    pipeline = starfile.read("default_pipeline.star")
    assert pipeline["pipeline_processes"]["rlnPipeLineProcessStatus"].tolist() == [2, 2, 2]  # finished well


def add_micrograph(stem: str) -> None:
    noise = np.random.default_rng(ord(stem[-1])).normal(0, 1, (120, 160)).astype(np.float32)
    write_micrograph(f"Micrographs/{stem}.mrc", noise, 1.5)


def run(**variables: str) -> None:
    """Set variables, go back to the start and run to the end."""
    schedule = ["relion_scheduler", "--schedule", "cryopick"]
    for name, value in variables.items():
        subprocess.run([*schedule, "--set_var", name, "--value", value], check=True, capture_output=True)
    subprocess.run([*schedule, "--set_current_node", "COUNT"], check=True, capture_output=True)
    done = subprocess.run([*schedule, "--run"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def picked(job: str) -> list[str]:
    table = starfile.read(f"External/{job}/autopick.star", always_dict=True)["coordinate_files"]
    names: list[str] = table["rlnMicrographName"].tolist()
    return names
