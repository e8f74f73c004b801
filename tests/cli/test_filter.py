"""`cryopick filter` from the outside: a run cut anew, in place or elsewhere, and without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import starfile
from click.testing import CliRunner, Result

from cryopick_cli.cli.main import cli
from cryopick_cli.formats.coordinates import WriteOptions, empty_coordinates, log_odds, make_coordinates
from cryopick_cli.formats.inputs import MicrographSource
from cryopick_cli.formats.micrograph import write_micrograph
from cryopick_cli.formats.registry import read_coordinates, write_coordinates
from cryopick_cli.picking.outputs import OutputConfig
from cryopick_cli.picking.result import Result as Picked
from cryopick_cli.picking.run_folder import RunFolder

PICKS = make_coordinates(
    [20.0, 100.0, 200.0],
    [100.0, 100.0, 100.0],
    diameter_px=[40.0, 44.0, 80.0],
    score=[0.9, 0.8, 0.3],
    figure_of_merit=[2.2, 1.4, -0.8],
    accepted=[True, True, False],
    junk=[0.0, 1.0, 0.0],
)


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a run of `mics/b` and `mics/grid/a`; `mics/c` failed and `mics/d` is empty."""
    monkeypatch.chdir(tmp_path)
    folder = RunFolder(Path("run"), OutputConfig(format="star,box,cbox,particles"))
    folder.prepare(overwrite=False, resume=False)
    rows = []
    for name, picks in (("b", PICKS), ("grid/a", PICKS), ("d", empty_coordinates().assign(junk=0.0))):
        source = MicrographSource(path=Path(f"mics/{name}.mrc"), name=f"mics/{name}.mrc", relative=name)
        rows.append(folder.write(Picked(source, 2.5, picks, (200, 300), 1.5, 60)))
    broken = MicrographSource(path=Path("mics/c.mrc"), name="mics/c.mrc", relative="c")
    rows.append(folder.write(Picked(broken, 0.1, error="mics/c.mrc: truncated")))
    folder.finish(rows)
    settings = {"pick": {"junk": "flag", "edge": "0"}, "files": {"format": "star,box,cbox,particles"}}
    record = {"command": "pick", "config": settings, "calibrations": {"Å": {"threshold": 0.5}}}
    Path("run/run.json").write_text(json.dumps(record))
    return Path("run")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["filter", "--in", "run", *arguments])


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_file_of_the_run_is_written_anew_with_the_other_cut() -> None:
    before = contents(Path("run"))
    result = invoke("--out", "cut", "--threshold", "0.2", "--max-diameter", "50px", "--most-picks", "1")
    assert result.exit_code == 0, result.output
    assert contents(Path("run")) == before
    assert set(contents(Path("cut"))) == set(before)
    for name in ("b", "grid/a"):
        assert read_coordinates(f"cut/{name}_autopick.star")["x"].tolist() == [20.0]
        assert len(read_coordinates(f"cut/{name}.box")) == 1
        assert len(read_coordinates(f"cut/{name}.cbox")) == 3  # to be cut by score later
    assert len(read_coordinates("cut/picks.star")) == 2
    listed = starfile.read("cut/autopick.star", always_dict=True)["coordinate_files"]
    assert listed["rlnMicrographCoordinates"].tolist() == [
        "cut/b_autopick.star",
        "cut/grid/a_autopick.star",
        "cut/d_autopick.star",
    ]


def test_tables_and_record_tell_of_the_new_cut() -> None:
    invoke("--out", "cut", "--threshold", "0.85")
    summary = pd.read_csv("cut/summary.csv", index_col="micrograph")
    assert summary["picks"].to_dict() == {
        "mics/b.mrc": 1,
        "mics/grid/a.mrc": 1,
        "mics/d.mrc": 0,
        "mics/c.mrc": 0,
    }
    assert summary.loc["mics/c.mrc", "status"] == "mics/c.mrc: truncated"
    assert summary.loc["mics/b.mrc", "seconds"] == 2.5
    table = pd.read_csv("cut/picks.csv")
    assert len(table) == 6
    assert table["accepted"].sum() == 2
    record = json.loads(Path("cut/run.json").read_text())
    assert record["command"] == "filter"
    assert record["config"]["filter"]["threshold"] == 0.85
    assert record["calibrations"] == {"Å": {"threshold": 0.5}}
    assert record["run"]["command"] == "pick"


def test_without_settings_nothing_changes() -> None:
    invoke("--out", "cut")
    assert Path("cut/picks.csv").read_bytes() == Path("run/picks.csv").read_bytes()
    assert Path("cut/b.box").read_bytes() == Path("run/b.box").read_bytes()


def test_in_place_needs_overwrite_and_can_be_widened_again() -> None:
    refused = invoke("--threshold", "0.85")
    assert refused.exit_code == 2
    assert "--overwrite to cut the run where it is" in refused.stderr
    assert invoke("--threshold", "0.85", "--overwrite").exit_code == 0
    assert len(read_coordinates("run/b_autopick.star")) == 1
    assert invoke("--threshold", "0.2", "--overwrite").exit_code == 0
    assert len(read_coordinates("run/b_autopick.star")) == 3
    assert set(pd.read_csv("run/summary.csv")["micrograph"]) >= {"mics/c.mrc", "mics/d.mrc"}


def test_in_place_pictures_of_the_picks_before_are_drawn_anew_or_removed() -> None:
    """The micrograph of one can be read from here, that of the other cannot."""
    write_micrograph(Path("mics/b.mrc"), np.zeros((200, 300), np.float32))
    pictures = [Path("run/b_picks.png"), Path("run/grid/a_picks.png")]
    for path in (*pictures, Path("run/logfile.pdf")):
        path.write_bytes(b"before")
    result = invoke("--threshold", "0.85", "--overwrite")
    assert result.exit_code == 0, result.output
    assert pictures[0].read_bytes().startswith(b"\x89PNG")
    assert not pictures[1].exists()
    assert Path("run/logfile.pdf").read_bytes().startswith(b"%PDF")
    assert "Drew 1 of 2 pictures anew" in result.stderr
    assert "removed 1 pictures of micrographs that cannot be read from here" in result.stderr


def test_a_cut_that_does_not_fit_leaves_the_run_as_it_was() -> None:
    Path("loose").mkdir()
    write_coordinates("loose/a.cbox", PICKS, "cbox", WriteOptions(box_size_px=60))
    before = contents(Path("loose"))
    result = CliRunner().invoke(cli, ["filter", "--in", "loose", "--edge", "auto", "--overwrite"])
    assert result.exit_code == 1
    assert "a: --edge auto: the size of the micrograph is unknown" in result.stderr
    assert contents(Path("loose")) == before


def test_junk_and_edge_are_those_of_the_run_unless_given() -> None:
    assert invoke("--out", "cut", "--junk", "drop").exit_code == 0
    assert read_coordinates("cut/b_autopick.star")["x"].tolist() == [20.0]
    assert invoke("--out", "cut", "--edge", "auto", "--overwrite").exit_code == 0
    assert read_coordinates("cut/b_autopick.star")["x"].tolist() == [100.0]
    assert invoke("--out", "cut", "--edge", "auto", "--box-size", "40", "--overwrite").exit_code == 0
    assert read_coordinates("cut/b_autopick.star")["x"].tolist() == [20.0, 100.0]
    path = Path("run/run.json")
    path.write_text(path.read_text().replace('"edge": "0"', '"edge": "auto"'))
    assert invoke("--out", "cut", "--threshold", "0", "--overwrite").exit_code == 0
    assert read_coordinates("cut/b_autopick.star")["x"].tolist() == [100.0, 200.0]


def test_a_cut_keeps_the_limits_of_the_run_and_of_the_cut_before_and_widens_what_is_given() -> None:
    write_recorded_run()
    invoke("--out", "same")
    assert Path("same/picks.csv").read_bytes() == Path("run/picks.csv").read_bytes()
    cuts = [
        ("run", "junk", ("--junk", "keep"), [100.0]),
        ("run", "edge", ("--edge", "0"), [20.0]),
        ("run", "both", ("--junk", "keep", "--edge", "0", "--max-diameter", "50px"), [20.0, 100.0]),
        ("both", "again", ("--threshold", "0.2"), [20.0, 100.0]),
        ("again", "wide", ("--max-diameter", "90px"), [20.0, 100.0, 200.0]),
        ("wide", "flag", ("--junk", "flag"), [20.0, 200.0]),
    ]
    for source, out, options, left in cuts:
        result = CliRunner().invoke(cli, ["filter", "--in", source, "--out", out, *options])
        assert result.exit_code == 0, result.output
        assert "Warning" not in result.stderr
        assert read_coordinates(f"{out}/b_autopick.star")["x"].sort_values().tolist() == left
    assert set(pd.read_csv("flag/picks.csv")["threshold"]) == {0.2}


def test_where_the_threshold_is_unknown_it_is_said_that_nothing_comes_back() -> None:
    """Such as in runs of earlier versions."""
    result = invoke("--out", "cut", "--junk", "keep")
    assert result.exit_code == 0
    assert "--junk keep: found no threshold for 2 of 4 micrographs" in result.stderr
    assert "give --threshold" in result.stderr


def write_recorded_run() -> None:
    """Replace the run by one with all that a cut must know: junk flagged, 30 px from the edge, cut at 0.5."""
    score = np.array([0.9, 0.18, 0.3])
    picks = make_coordinates(
        [20.0, 100.0, 200.0],
        [100.0, 100.0, 100.0],
        diameter_px=[40.0, 44.0, 80.0],
        score=score,
        figure_of_merit=log_odds(score),
        accepted=[False, False, False],
        junk=[0.0, 1.0, 0.0],
        score_without_junk=[0.9, 0.9, 0.3],
        threshold=0.5,
    )
    folder = RunFolder(Path("run"), OutputConfig())
    folder.prepare(overwrite=True, resume=False)
    source = MicrographSource(path=Path("mics/b.mrc"), name="mics/b.mrc", relative="b")
    folder.finish([folder.write(Picked(source, 2.5, picks, (200, 300), 1.5, 60))])
    settings = {"pick": {"junk": "flag", "edge": "30px"}, "files": {"format": "star,box"}}
    Path("run/run.json").write_text(json.dumps({"command": "pick", "config": settings}))


def test_picks_csv_and_cbox_files_do_without_the_folder_of_the_run() -> None:
    Path("moved").mkdir()
    Path("moved/picks.csv").write_bytes(Path("run/picks.csv").read_bytes())
    for source in ("moved/picks.csv", "moved"):
        result = CliRunner().invoke(
            cli, ["filter", "--in", source, "--out", "cut", "--threshold", "0.85", "--overwrite"]
        )
        assert result.exit_code == 0, result.output
        assert len(read_coordinates("cut/mics/grid/a_autopick.star")) == 1
    alone = CliRunner().invoke(
        cli, ["filter", "--in", "run/b.cbox", "--out", "one", "--format", "cbox,star", "-t", "0.5"]
    )
    assert alone.exit_code == 0, alone.output
    assert read_coordinates("one/b_autopick.star")["x"].tolist() == [20.0, 100.0]


def test_results_that_are_there_are_not_replaced() -> None:
    assert invoke("--out", "cut").exit_code == 0
    again = invoke("--out", "cut")
    assert again.exit_code == 1
    assert "cut: holds a run of cryopick already; add --overwrite to replace it" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (("--in", "nowhere", "--out", "cut"), 1, "nowhere: is missing"),
        (("--out", "cut", "--threshold", "2"), 2, "--threshold: found 2.0"),
        (("--out", "cut", "--edge", "far"), 2, "--edge: found 'far'"),
        (("--out", "cut", "--min-diameter", "40"), 2, "expected a positive number with its unit"),
        (("--out", "cut", "--format", "xyz"), 1, "found 'xyz'"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], status: int, complaint: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == status
    assert complaint in result.stderr
    assert not Path("cut").exists()


def test_torch_is_not_loaded() -> None:
    code = (
        "import sys; from cryopick_cli.cli.main import main\n"
        "try: main(['filter', '--in', 'run', '--out', 'cut', '--threshold', '0.85'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
