"""`cryopick filter` from the outside: a run cut anew, in place or elsewhere, and without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

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
from cryopick_cli.picking.notes import Notes, Row
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


def test_limits_that_are_not_given_are_those_of_the_run() -> None:
    write_recorded_run()
    cuts: list[tuple[tuple[str, ...], list[float]]] = [
        (("--junk", "keep"), [100.0]),
        (("--edge", "0"), [20.0]),
        (("--junk", "keep", "--edge", "0", "--max-diameter", "50px"), [20.0, 100.0]),
        (("--threshold", "0.2"), [200.0]),
        (("--edge", "0", "--threshold", "0.2"), [20.0, 200.0]),
    ]
    for options, left in cuts:
        result = invoke("--overwrite", *options)  # in place, each on the one before
        assert result.exit_code == 0, result.output
        assert "Warning" not in result.stderr
        assert read_coordinates("run/b_autopick.star")["x"].sort_values().tolist() == left


CUTS: list[tuple[str, ...]] = [
    (),
    ("--most-picks", "1"),
    ("--threshold", "0.2"),
    ("--threshold", "0.85"),
    ("--max-diameter", "42px", "--edge", "30"),
    ("--junk", "drop", "--box-size", "64"),
]


@pytest.mark.parametrize(("first", "second"), [*zip(CUTS, CUTS[1:] + CUTS[:1], strict=True)])
def test_a_cut_of_a_cut_is_that_cut_of_the_run(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    invoke("--out", "expected", *second)
    invoke("--out", "cut", *first)
    again = ["filter", "--in", "cut", "--out", "again", *second]
    assert CliRunner().invoke(cli, again).exit_code == 0
    assert CliRunner().invoke(cli, ["filter", "--in", "cut", "--overwrite", *second]).exit_code == 0
    for out in ("again", "cut"):
        assert results(out) == results("expected")
        assert limits(out) == limits("expected")
        assert json.loads(Path(out, "run.json").read_text())["run"]["command"] == "pick"


def test_a_run_whose_notes_were_left_behind_is_cut_from_its_table() -> None:
    """As after a copy that leaves out hidden folders."""
    shutil.rmtree("run/.cryopick")
    before = contents(Path("run"))
    refused = invoke("--most-picks", "1", "--overwrite")
    assert refused.exit_code == 1
    assert "found no notes of the run" in refused.output
    assert contents(Path("run")) == before
    assert invoke("--most-picks", "1", "--out", "cut").exit_code == 0
    table = pd.read_csv("cut/picks.csv")
    assert len(table) == 6
    assert table["accepted"].sum() == 2
    summary = pd.read_csv("cut/summary.csv").set_index("micrograph")["status"]
    assert summary.to_dict() == {
        "mics/b.mrc": "picked",
        "mics/grid/a.mrc": "picked",
        "mics/d.mrc": "picked",
        "mics/c.mrc": "mics/c.mrc: truncated",
    }


def test_a_damaged_note_is_named_and_the_run_left_as_it_was() -> None:
    Path("run/.cryopick/b.json").write_text('{"row": {"na')
    before = contents(Path("run"))
    result = invoke("--most-picks", "1", "--overwrite")
    assert result.exit_code == 1
    assert "notes of 1 micrographs" in result.output
    assert "mics/b.mrc" in result.output
    assert contents(Path("run")) == before


def test_what_the_cut_before_asked_for_and_no_longer_holds_is_said() -> None:
    result = invoke("--overwrite", "--most-picks", "1", "--max-diameter", "90px", "--threshold", "0.2")
    assert "No longer" not in result.stderr
    assert "threshold 0.2, --max-diameter 90px, --junk flag, --edge 0, --most-picks 1" in result.stdout
    result = invoke("--overwrite", "--threshold", "0.3", "--max-diameter", "90px")
    assert "No longer in force, as not given again: --most-picks 1 of the cut before" in result.stderr
    assert limits("run") == {
        "threshold": 0.3,
        "max_diameter": {"value": 90.0, "unit": "px"},
        "junk": "flag",
        "edge": "0",
    }


def test_picks_of_other_origin_are_cut_again_from_all_of_them() -> None:
    """Neither record nor thresholds tell what was accepted; the notes of the first cut do."""
    write_loose_files()
    for most, left in (("1", 1), ("0", 0), ("2", 2), ("9", 3)):
        result = CliRunner().invoke(cli, ["filter", "--in", "loose", "--overwrite", "--most-picks", most])
        assert result.exit_code == 0, result.output
        for name in ("a", "b", "c"):
            assert len(read_coordinates(f"loose/{name}_autopick.star")) == left


@pytest.mark.parametrize("source", ["run", "loose"])
def test_a_cut_in_place_that_is_interrupted_can_be_repeated(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_loose_files()
    command = ["filter", "--in", source, "--most-picks", "1"]
    CliRunner().invoke(cli, [*command, "--out", "expected"])
    interrupt_at_the_second(monkeypatch, "--most-picks", "1", "--overwrite", source=source)
    record = json.loads(Path(source, "run.json").read_text())
    assert record["unfinished"] is True
    assert not list(Path(source).rglob("*.tmp"))
    assert CliRunner().invoke(cli, [*command, "--overwrite"]).exit_code == 0
    assert results(source) == results("expected")
    assert "unfinished" not in json.loads(Path(source, "run.json").read_text())


def test_a_cut_into_another_folder_that_is_interrupted_is_known_for_that_and_can_be_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    invoke("--most-picks", "1", "--out", "expected")
    interrupt_at_the_second(monkeypatch, "--most-picks", "1", "--out", "cut", "--format", "star,eman2")
    assert json.loads(Path("cut/run.json").read_text())["unfinished"] is True
    elsewhere = CliRunner().invoke(cli, ["filter", "--in", "expected", "--out", "cut"])
    assert elsewhere.exit_code == 1  # this is no cut of that run
    assert "cut: holds a run of cryopick already" in elsewhere.stderr
    part = CliRunner().invoke(cli, ["filter", "--in", "cut", "--out", "part"])
    assert "cut: the run was not finished" in part.stderr
    again = invoke("--most-picks", "1", "--out", "cut")
    assert again.exit_code == 0, again.output
    assert set(contents(Path("cut"))) == set(contents(Path("expected")))
    assert results("cut") == results("expected")
    assert "unfinished" not in json.loads(Path("cut/run.json").read_text())
    assert invoke("--out", "cut").exit_code == 1  # now it is a finished run


def test_a_cut_that_replaces_another_and_is_interrupted_is_taken_for_neither_and_can_be_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(_: RunFolder) -> None:
        raise KeyboardInterrupt

    invoke("--most-picks", "1", "--out", "expected", "--format", "star")
    invoke("--out", "cut")
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "remove_replaced", interrupt)
        again = ("--most-picks", "1", "--out", "cut", "--format", "star", "--overwrite")
        assert invoke(*again).exit_code == 130
    part = CliRunner().invoke(cli, ["filter", "--in", "cut", "--out", "part"])
    assert part.exit_code == 1
    assert "cut: found a run that was interrupted while it replaced another" in part.stderr
    assert invoke(*again).exit_code == 0
    assert set(contents(Path("cut"))) == set(contents(Path("expected")))
    assert results("cut") == results("expected")


def test_a_run_that_is_to_be_cut_in_place_is_no_cut_to_another_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    invoke("--out", "other")
    interrupt_at_the_second(monkeypatch, "--most-picks", "1", "--overwrite")
    result = CliRunner().invoke(cli, ["filter", "--in", "other", "--out", "run"])
    assert result.exit_code == 1
    assert "run: holds a run of cryopick already" in result.stderr


def test_a_run_that_an_older_version_has_cut_is_not_taken_for_the_run_as_picked() -> None:
    """Older versions kept no notes of what was accepted when picked."""
    assert invoke("--most-picks", "1", "--threshold", "0.2", "--overwrite").exit_code == 0
    for path in Path("run/.cryopick").rglob("*.json"):
        note = json.loads(path.read_text())
        del note["as_picked"]
        path.write_text(json.dumps(note))
    for _ in range(2):  # what is lost stays so
        result = invoke("--max-diameter", "90px", "--overwrite")
        assert result.exit_code == 0, result.output
        assert "run: what was accepted when picked is not told here, as an earlier cut" in result.stderr
        assert "No longer in force" not in result.stderr
        assert "Accepted before " in result.stdout
        assert "Accepted in the run" not in result.stdout
    fresh = CliRunner().invoke(cli, ["filter", "--in", "run", "--out", "other"])
    assert "what was accepted when picked is not told here" in fresh.stderr


def test_each_note_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    read = Notes._content

    def watched(notes: Notes, relative: str) -> dict[str, Any]:
        reads.append(relative)
        return read(notes, relative)

    monkeypatch.setattr(Notes, "_content", watched)
    assert invoke("--most-picks", "1", "--overwrite").exit_code == 0
    assert sorted(reads) == ["b", "d", "grid/a"]


def test_where_less_than_the_run_as_picked_is_there_it_is_said() -> None:
    invoke("--out", "cut", "--threshold", "0.85")
    table = CliRunner().invoke(cli, ["filter", "--in", "cut/picks.csv", "--out", "again"])
    assert table.exit_code == 0, table.output
    assert "cut/picks.csv: what was accepted when picked is not told here" in table.stderr
    Path("run/summary.csv").unlink()
    assert "run: the run was not finished (found no summary.csv)" in invoke("--out", "part").stderr


def interrupt_at_the_second(monkeypatch: pytest.MonkeyPatch, *arguments: str, source: str = "run") -> None:
    """Cut a run, and press Ctrl-C while the second micrograph is written."""
    write = RunFolder.write_picks
    calls = iter(range(9))

    def fail_at_the_second(*given: Any) -> Row:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return write(*given)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_picks", fail_at_the_second)
        assert CliRunner().invoke(cli, ["filter", "--in", source, *arguments]).exit_code == 130


def results(folder: str) -> dict[str, str]:
    """Give every file but notes and record, lists with the folder's own name left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_text().replace(f"{folder}/", "")
        for path in Path(folder).rglob("*")
        if path.suffix in (".csv", ".star", ".box") and path.is_file()
    }


def limits(folder: str) -> dict[str, Any]:
    """Give the limits that hold, by the record."""
    config = json.loads(Path(folder, "run.json").read_text())["config"]["filter"]
    return {name: value for name, value in config.items() if value is not None}


def write_loose_files() -> None:
    """Write files as another picker does, without a run: three micrographs of three particles."""
    Path("loose").mkdir()
    for name in ("a", "b", "c"):
        table = PICKS.drop(columns="junk").assign(accepted=True)
        write_coordinates(f"loose/{name}.cbox", table, "cbox", WriteOptions(box_size_px=60))


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
    folder.remove_replaced()
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
        (("--in", "run/picks.csv", "--out", "run", "--overwrite"), 2, "--out: found the folder of run/picks"),
        (("--out", "cut", "--threshold", "2"), 2, "--threshold: found 2.0"),
        (("--out", "cut", "--edge", "far"), 2, "--edge: found 'far'"),
        (("--out", "cut", "--min-diameter", "40"), 2, "expected a positive number with its unit"),
        (("--out", "cut", "--format", "xyz"), 2, "--format: found 'xyz'"),
        (("--out", "cut", "--box-size", "7"), 2, "--box-size: found 7"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], status: int, complaint: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == status
    assert complaint in result.stderr
    assert not Path("cut").exists()


@pytest.mark.parametrize("text", ["[]", "{", ""])
def test_a_damaged_record_is_named(text: str) -> None:
    Path("run/run.json").write_text(text)
    result = invoke("--out", "cut")
    assert result.exit_code == 1
    assert "run/run.json: not a run record" in result.stderr
    assert not Path("cut").exists()


@pytest.mark.parametrize(
    ("where", "value", "complaint"),
    [
        (("config",), 3, "config: found 3, expected a table"),
        (("config", "pick"), "x", "config.pick: found 'x', expected a table"),
        (("config", "files"), [1], "config.files: found [1], expected a table"),
        (("config", "filter"), 1, "config.filter: found 1, expected a table"),
        (("config", "filter"), {"threshold": "x"}, "config.filter.threshold: found 'x', expected a value of"),
        (("config", "pick", "edge"), 3, "config.pick.edge: found 3, expected a value of type str"),
        (("config", "files", "format"), 3, "config.files.format: found 3, expected a value of type str"),
        (("config", "files", "format"), "xyz", "config.files.format: found 'xyz', expected one of"),
        (("config", "files", "box_size"), 3, "config.files.box_size: found 3, expected an even number"),
        (("replacing",), 3, "replacing: found 3, expected some of star"),
        (("replacing",), [], "replacing: found [], expected some of star"),
        (("replacing",), ["star", "xyz"], "replacing: found ['star', 'xyz'], expected some of star"),
        (("run",), {"config": {"files": 1}}, "run.config.files: found 1, expected a table"),
        (("calibrations",), [], "calibrations: found [], expected a table"),
    ],
)
def test_a_record_that_holds_something_else_is_named_with_both(
    where: tuple[str, ...], value: object, complaint: str
) -> None:
    record = json.loads(Path("run/run.json").read_text())
    table = record
    for name in where[:-1]:
        table = table[name]
    table[where[-1]] = value
    Path("run/run.json").write_text(json.dumps(record))
    before = contents(Path("run"))
    result = invoke("--overwrite")
    assert result.exit_code == 1
    assert f"run/run.json: not a run record ({complaint}" in result.stderr
    assert "; repair or remove it" in result.stderr
    assert contents(Path("run")) == before


def test_torch_is_not_loaded() -> None:
    code = (
        "import sys; from cryopick_cli.cli.main import main\n"
        "try: main(['filter', '--in', 'run', '--out', 'cut', '--threshold', '0.85'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
