"""The output folder: the files and columns other tools rely on, resuming, and what is never replaced."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import starfile

from cryopick_cli.errors import ConfigError, InputError, OutputError
from cryopick_cli.formats.coordinates import make_coordinates
from cryopick_cli.formats.inputs import MicrographSource
from cryopick_cli.formats.registry import read_coordinates
from cryopick_cli.formats.star import write_coords_suffix
from cryopick_cli.picking.earlier_run import RECORD_FILE, read_run
from cryopick_cli.picking.notes import Row
from cryopick_cli.picking.outputs import OutputConfig
from cryopick_cli.picking.result import Result
from cryopick_cli.picking.run_folder import RunFolder, picture_of, stamp_of

CONFIG = OutputConfig()
PICKS = make_coordinates(
    [100.25, 200.0, 40.5],
    [50.0, 60.125, 80.0],
    diameter_px=[40.0, 42.0, 90.0],
    diameter_A=[60.0, 63.0, 135.0],
    score=[0.9, 0.8, 0.05],
    figure_of_merit=[2.197, 1.386, -2.944],
    accepted=[True, True, False],
    junk=[0.0, 0.125, 1.0],
    score_without_junk=[0.9, 0.88889, 0.25],
    threshold=0.5,
)
EMPTY = PICKS.iloc[:0]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty project folder, as RELION does."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_source(relative: str = "grid1/mic_01") -> MicrographSource:
    path = Path("mics") / f"{relative}.mrc"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"grey values")
    return MicrographSource(path=path, name=path.as_posix(), relative=relative)


def picked(source: MicrographSource, picks: pd.DataFrame = PICKS) -> Result:
    return Result(source, 1.23456, picks=picks, shape=(512, 600), pixel_size=1.5, box_size_px=60)


def failed(source: MicrographSource, error: str = "mic.mrc: truncated, copy it again") -> Result:
    return Result(source, 0.5, error=error)


def new_folder(config: OutputConfig = CONFIG, **flags: bool) -> RunFolder:
    folder = RunFolder(Path("out"), config)
    folder.prepare(**{"overwrite": False, "resume": False, **flags})
    folder.remove_replaced()
    return folder


def files_below(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and ".cryopick" not in path.parts
    }


@pytest.mark.usefixtures("here")
def test_a_run_writes_the_files_of_the_contract_in_the_tree_of_the_input() -> None:
    folder = new_folder()
    rows = [folder.write(picked(make_source(name))) for name in ("grid1/mic_01", "grid2/mic_01", "mic_02")]
    folder.finish(rows)
    trees = ("grid1/mic_01", "grid2/mic_01", "mic_02")
    assert files_below(Path("out")) == {
        *(f"{tree}_autopick.star" for tree in trees),
        *(f"{tree}.box" for tree in trees),
        "autopick.star",
        "picks.csv",
        "summary.csv",
    }


@pytest.mark.usefixtures("here")
def test_star_file_holds_the_accepted_picks_with_relions_columns() -> None:
    folder = new_folder()
    folder.write(picked(make_source()))
    table = starfile.read("out/grid1/mic_01_autopick.star")
    assert list(table.columns) == [
        "rlnCoordinateX",
        "rlnCoordinateY",
        "rlnAutopickFigureOfMerit",
        "rlnClassNumber",
        "rlnAnglePsi",
    ]
    assert table["rlnCoordinateX"].tolist() == [100.25, 200.0]
    assert table["rlnCoordinateY"].tolist() == [50.0, 60.125]
    assert table["rlnAutopickFigureOfMerit"].tolist() == [2.197, 1.386]


@pytest.mark.usefixtures("here")
def test_box_file_holds_corners_box_size_and_score() -> None:
    folder = new_folder()
    folder.write(picked(make_source()))
    rows = [line.split() for line in Path("out/grid1/mic_01.box").read_text().splitlines()]
    assert [[int(value) for value in row[:4]] for row in rows] == [[70, 20, 60, 60], [170, 30, 60, 60]]
    assert [float(row[4]) for row in rows] == [0.9, 0.8]


@pytest.mark.usefixtures("here")
def test_box_size_of_the_user_wins_over_the_suggested_one() -> None:
    folder = new_folder(OutputConfig(box_size=100))
    folder.write(picked(make_source()))
    assert Path("out/grid1/mic_01.box").read_text().split()[:4] == ["50", "0", "100", "100"]


@pytest.mark.usefixtures("here")
def test_relions_list_names_micrographs_as_given_and_files_from_the_project() -> None:
    folder = new_folder()
    rows = [
        folder.write(picked(make_source("grid1/mic_01"))),
        folder.write(failed(make_source("grid1/mic_02"))),
    ]
    folder.finish(rows)
    table = starfile.read("out/autopick.star", always_dict=True)["coordinate_files"]
    assert table.to_numpy().tolist() == [["mics/grid1/mic_01.mrc", "out/grid1/mic_01_autopick.star"]]
    assert list(table.columns) == ["rlnMicrographName", "rlnMicrographCoordinates"]


@pytest.mark.usefixtures("here")
def test_picks_table_holds_every_candidate_and_exactly_its_columns() -> None:
    folder = new_folder()
    rows = [folder.write(picked(make_source(name))) for name in ("b", "a")]
    candidates = folder.finish(rows)
    text = Path("out/picks.csv").read_text()
    assert (
        text.splitlines()[0]
        == "micrograph,x,y,diameter_px,diameter_A,score,accepted,junk,score_without_junk,threshold"
    )
    assert text.splitlines()[1] == "mics/b.mrc,100.25,50.0,40.0,60.0,0.9,True,0.0,0.9,0.5"
    table = pd.read_csv("out/picks.csv")
    assert table["micrograph"].tolist() == ["mics/b.mrc"] * 3 + ["mics/a.mrc"] * 3
    assert table["accepted"].tolist() == [True, True, False] * 2
    assert len(candidates) == 6
    assert candidates["figure_of_merit"].tolist() == PICKS["figure_of_merit"].tolist() * 2


@pytest.mark.usefixtures("here")
def test_scores_and_thresholds_in_the_table_tell_what_is_accepted() -> None:
    """Such as where a score lies below the threshold by less than five decimals show."""
    folder = new_folder()
    score = np.array([0.543211, 0.543209, 0.1])
    near = PICKS.assign(score=score, threshold=0.54321, accepted=score >= 0.54321)
    folder.finish([folder.write(picked(make_source(), near))])
    table = pd.read_csv("out/picks.csv")
    assert (table["score"] >= table["threshold"]).tolist() == table["accepted"].tolist()
    assert table["score"].tolist() == score.tolist()


@pytest.mark.usefixtures("here")
def test_summary_has_a_row_a_micrograph_with_its_status() -> None:
    folder = new_folder()
    error = 'mics/b.mrc: found "0" bytes,\nexpected more; copy it again'
    rows = [
        folder.write(picked(make_source("a"))),
        folder.write(failed(make_source("b"), error)),
        folder.write(picked(make_source("c"), EMPTY)),
    ]
    folder.finish(rows)
    table = pd.read_csv("out/summary.csv", keep_default_na=False)
    assert list(table.columns) == ["micrograph", "picks", "median_diameter_px", "seconds", "status"]
    assert table.astype(str).to_numpy().tolist() == [
        ["mics/a.mrc", "2", "41.0", "1.235", "picked"],
        ["mics/b.mrc", "0", "", "0.5", error],
        ["mics/c.mrc", "0", "", "1.235", "picked"],
    ]


@pytest.mark.usefixtures("here")
def test_a_micrograph_without_picks_gets_valid_empty_files() -> None:
    folder = new_folder(OutputConfig(format="star,box,cbox,csv,tsv"))
    folder.finish([folder.write(picked(make_source("a"), EMPTY))])
    for ending in ("_autopick.star", ".box", ".cbox", ".csv", ".tsv"):
        path = Path(f"out/a{ending}")
        assert path.is_file()
        assert len(read_coordinates(path)) == 0
    assert list(starfile.read("out/a_autopick.star").columns)[:2] == ["rlnCoordinateX", "rlnCoordinateY"]
    assert len(pd.read_csv("out/picks.csv")) == 0
    assert len(starfile.read("out/autopick.star", always_dict=True)["coordinate_files"]) == 1


@pytest.mark.usefixtures("here")
def test_a_run_in_which_all_failed_has_valid_tables() -> None:
    folder = new_folder()
    candidates = folder.finish([folder.write(failed(make_source("a")))])
    assert len(candidates) == 0
    assert candidates["accepted"].dtype == bool
    assert files_below(Path("out")) == {"autopick.star", "picks.csv", "summary.csv"}
    assert len(pd.read_csv("out/picks.csv")) == 0


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", ["star", "box", "cbox", "csv", "tsv", "eman2", "warp"])
def test_every_format_with_a_file_a_micrograph_reads_back(name: str) -> None:
    folder = new_folder(OutputConfig(format=name))
    row = folder.write(picked(make_source("a")))
    found = read_coordinates(folder.path_of("a", name))
    assert found["accepted"].sum() == (3 if name == "cbox" else 2)  # CBOX is to be cut by score later
    np.testing.assert_allclose(found["x"][:2], [100.25, 200.0], atol=0.5)
    assert row.picks == 2


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", ["particles", "topaz"])
def test_formats_with_one_file_for_all_hold_every_micrograph(name: str) -> None:
    folder = new_folder(OutputConfig(format=name))
    folder.finish([folder.write(picked(make_source(one))) for one in ("a", "b")])
    files = files_below(Path("out")) - {"picks.csv", "summary.csv"}
    assert len(files) == 1  # and no list for RELION, as there are no files to list
    found = read_coordinates(Path("out") / files.pop())
    assert found["micrograph"].nunique() == 2
    assert len(found) == 4


@pytest.mark.usefixtures("here")
def test_what_is_done_and_unchanged_is_known_to_the_next_run() -> None:
    source = make_source()
    row = new_folder().write(picked(source))
    again = new_folder(resume=True)
    assert again.row_of(source) == row
    assert row == Row(
        name=source.name,
        relative=source.relative,
        stamp=stamp_of(source.path),
        picks=2,
        median_diameter_px=41.0,
        seconds=1.235,
        shape=(512, 600),
        pixel_size=1.5,
        box_size_px=60,
    )
    pd.testing.assert_frame_equal(again.finish([row]).drop(columns="micrograph"), PICKS, check_dtype=True)


@pytest.mark.usefixtures("here")
def test_what_has_changed_or_lost_its_files_is_picked_again() -> None:
    folder = new_folder()
    source = make_source()
    folder.write(picked(source))
    os.utime(source.path, ns=(1, 1))
    assert folder.row_of(source) is None
    folder.write(picked(source))
    assert folder.row_of(source) is not None
    Path("out/grid1/mic_01.box").unlink()
    assert folder.row_of(source) is None


@pytest.mark.usefixtures("here")
def test_what_is_new_failed_or_damaged_is_picked_again() -> None:
    folder = new_folder()
    one, two, three = (make_source(name) for name in ("a", "b", "c"))
    folder.write(failed(two))
    folder.write(picked(three))
    Path("out/.cryopick/c.json").write_text('{"row": {"name": "c"')
    assert [folder.row_of(source) for source in (one, two, three)] == [None, None, None]


@pytest.mark.usefixtures("here")
def test_tables_keep_what_earlier_runs_into_the_folder_have_done() -> None:
    """RELION and array jobs hand over the micrographs in parts."""
    folder = new_folder()
    folder.finish([folder.write(picked(make_source(name))) for name in ("grid/a", "b")])
    later = new_folder(resume=True)
    later.finish([later.write(picked(make_source("c"), EMPTY))])
    summary = pd.read_csv("out/summary.csv")
    assert summary["micrograph"].tolist() == ["mics/c.mrc", "mics/b.mrc", "mics/grid/a.mrc"]
    assert summary["picks"].tolist() == [0, 2, 2]
    assert len(pd.read_csv("out/picks.csv")) == 6
    assert len(starfile.read("out/autopick.star", always_dict=True)["coordinate_files"]) == 3


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"row": {}}', '{"row": {"shape": null}, "picks": {"x": [1]}}']
)
def test_a_damaged_note_of_an_earlier_run_is_as_good_as_none(content: str) -> None:
    folder = new_folder()
    row, other = (folder.write(picked(make_source(name))) for name in ("a", "b"))
    Path("out/.cryopick/b.json").write_text(content)
    assert folder.row_of(make_source("b")) is None
    folder.finish([row])
    assert pd.read_csv("out/summary.csv")["micrograph"].tolist() == [row.name]
    assert other.done


@pytest.mark.usefixtures("here")
def test_a_missing_micrograph_is_not_taken_for_an_unchanged_one() -> None:
    source = make_source()
    folder = new_folder()
    folder.write(picked(source))
    source.path.unlink()
    assert folder.row_of(source) is None


@pytest.mark.usefixtures("here")
def test_a_micrograph_that_now_fails_leaves_no_picks_of_its_former_self() -> None:
    folder = new_folder()
    source = make_source()
    folder.write(picked(source))
    folder.finish([folder.write(failed(source))])
    assert files_below(Path("out")) == {"autopick.star", "picks.csv", "summary.csv"}
    assert folder.row_of(source) is None


@pytest.mark.usefixtures("here")
def test_a_second_run_into_the_folder_is_refused() -> None:
    new_folder().write(picked(make_source()))
    with pytest.raises(OutputError, match=r"out: holds a run of cryopick already; add --resume.*--overwrite"):
        new_folder()
    assert new_folder(resume=True).row_of(make_source()) is None  # written again, so its time differs
    new_folder(overwrite=True)


@pytest.mark.usefixtures("here")
def test_overwriting_forgets_what_was_done() -> None:
    source = make_source()
    new_folder().write(picked(source))
    assert new_folder(overwrite=True).row_of(source) is None


def earlier_run(formats: str, *relatives: str) -> RunFolder:
    """Make what a whole run leaves: files, pictures, tables and the record."""
    folder = new_folder(OutputConfig(format=formats))
    rows = [folder.write(picked(make_source(relative))) for relative in relatives]
    folder.finish(rows)
    for relative in relatives:
        picture_of(folder.folder, relative).write_bytes(b"PNG")
    record = {"config": {"files": {"format": formats, "box_size": None}}}
    (folder.folder / RECORD_FILE).write_text(json.dumps(record))
    return folder


@pytest.mark.usefixtures("here")
def test_overwriting_removes_what_was_picked_of_micrographs_no_longer_given() -> None:
    earlier_run("star,box,csv,topaz", "g/gone", "g/kept")
    by_hand = Path("out/g/gone_manualpick.star")
    by_hand.write_text("mine")
    kept = make_source("g/kept")
    folder = RunFolder(Path("out"), CONFIG)
    folder.prepare([kept], overwrite=True, resume=False)
    folder.remove_replaced()
    assert {name for name in files_below(Path("out")) if "gone" in name} == {"g/gone_manualpick.star"}
    folder.finish([folder.write(picked(kept))])
    assert files_below(Path("out")) == {
        "autopick.star",
        "g/gone_manualpick.star",
        "g/kept.box",
        "g/kept_autopick.star",
        "picks.csv",
        "run.json",
        "summary.csv",
    }


@pytest.mark.usefixtures("here")
def test_a_run_that_is_to_be_replaced_stays_until_the_record_of_the_new_one_stands() -> None:
    earlier_run("star,box", "m")
    before = files_below(Path("out"))
    folder = RunFolder(Path("out"), OutputConfig(format="box"))
    folder.prepare([make_source("m")], overwrite=True, resume=False)
    assert folder.row_of(make_source("m")) is None
    assert files_below(Path("out")) == before
    assert len(read_run(Path("out")).micrographs) == 1
    assert folder.marks == {"replacing": ["star", "box"]}
    folder.remove_replaced()
    assert folder.marks == {}
    assert files_below(Path("out")) == {"run.json"}


@pytest.mark.usefixtures("here")
def test_nothing_is_written_before_the_run_that_is_replaced_is_removed() -> None:
    earlier_run("star,box", "m")
    before = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    folder = RunFolder(Path("out"), CONFIG)
    folder.prepare([make_source("m")], overwrite=True, resume=False)
    for write in (folder.finish, lambda _: folder.write(picked(make_source("m")))):
        with pytest.raises(RuntimeError, match="out: found the run that this one replaces"):
            write([])
    assert {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == before


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("flags", [{"resume": True}, {"overwrite": True}])
@pytest.mark.parametrize("left", range(5))
def test_wherever_a_removal_is_interrupted_no_file_is_left_that_nothing_names(
    left: int, flags: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fewer micrographs and formats, of which none is written before it goes on."""
    earlier_run("star,box", "m", "gone")
    unlink, count = Path.unlink, iter([*range(left)])

    def interrupt(path: Path, missing_ok: bool = False) -> None:
        if path.exists() and next(count, None) is None:
            raise KeyboardInterrupt
        unlink(path, missing_ok=missing_ok)

    folder = RunFolder(Path("out"), OutputConfig(format="star"))
    folder.prepare([make_source("m")], overwrite=True, resume=False)
    record = json.loads(Path("out/run.json").read_text())
    Path("out/run.json").write_text(json.dumps(record | folder.marks))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", interrupt)
        with pytest.raises(KeyboardInterrupt):
            folder.remove_replaced()
    again = RunFolder(Path("out"), OutputConfig(format="star"))
    again.prepare([make_source("m")], **{"overwrite": False, "resume": False, **flags})
    again.remove_replaced()
    assert files_below(Path("out")) == {"run.json"}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("flags", [{"resume": True}, {"overwrite": True}])
def test_a_replacement_that_was_interrupted_is_known_and_finished(flags: dict[str, bool]) -> None:
    earlier_run("star,box", "m", "gone")
    record = json.loads(Path("out/run.json").read_text())
    Path("out/run.json").write_text(json.dumps(record | {"replacing": ["star", "box"]}))
    with pytest.raises(InputError, match=r"out: found a run that was interrupted while it replaced another"):
        read_run(Path("out"))
    folder = RunFolder(Path("out"), CONFIG)
    folder.prepare([make_source("m")], **{"overwrite": False, "resume": False, **flags})
    assert folder.row_of(make_source("m")) is None
    folder.remove_replaced()
    assert files_below(Path("out")) == {"run.json"}


@pytest.mark.usefixtures("here")
def test_overwriting_removes_formats_that_are_no_longer_asked_for() -> None:
    earlier_run("star,box,cbox,topaz,cs", "m")
    write_coords_suffix(Path("out/coords_suffix_autopick.star"), "micrographs.star")
    box = OutputConfig(format="box")
    folder = RunFolder(Path("out"), box)
    folder.prepare([make_source("m")], overwrite=True, resume=False)
    folder.remove_replaced()
    folder.finish([folder.write(picked(make_source("m")))])
    assert files_below(Path("out")) == {"m.box", "picks.csv", "run.json", "summary.csv"}


@pytest.mark.usefixtures("here")
def test_without_a_record_overwriting_removes_what_this_run_would_write() -> None:
    earlier_run("star,box", "gone")
    Path("out/run.json").unlink()
    new_folder(overwrite=True)
    assert files_below(Path("out")) == set()


@pytest.mark.usefixtures("here")
def test_a_run_that_ended_before_its_first_micrograph_does_not_block_the_next() -> None:
    new_folder()
    new_folder()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", ["grid1/mic_01.box", "picks.csv", "autopick.star"])
def test_files_of_other_origin_are_not_replaced(name: str) -> None:
    """Such as boxes picked by hand beside the micrographs, where --out is the folder of the input."""
    path = Path("out") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("by hand")
    source = make_source()
    for flags in ({}, {"resume": True}):
        with pytest.raises(
            OutputError, match=f"^{path}: is there already .1 files would be replaced.*--overwrite"
        ):
            RunFolder(Path("out"), CONFIG).prepare([source], **{"overwrite": False, "resume": False, **flags})
    assert path.read_text() == "by hand"
    RunFolder(Path("out"), CONFIG).prepare([source], overwrite=True, resume=False)


@pytest.mark.usefixtures("here")
def test_other_files_in_the_folder_are_nobodys_business() -> None:
    Path("out").mkdir()
    Path("out/notes.txt").write_text("mine")
    new_folder().write(picked(make_source()))
    new_folder(overwrite=True)
    assert Path("out/notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("here")
def test_a_file_is_no_folder() -> None:
    Path("out").write_text("")
    with pytest.raises(OutputError, match="out: found a file, expected a folder"):
        new_folder()


@pytest.mark.usefixtures("here")
def test_a_folder_that_cannot_be_made_is_named() -> None:
    Path("file").write_text("")
    with pytest.raises(OutputError, match=r"file: found a file, expected a folder"):
        RunFolder(Path("file/out"), CONFIG).prepare(overwrite=False, resume=False)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"format": ""}, "--format: found nothing, expected some of star"),
        ({"format": " , "}, "--format: found nothing"),
        ({"format": "star,xyz"}, "found 'xyz', expected one of star"),
        ({"box_size": 0}, "--box-size: found 0, expected an even number"),
        ({"box_size": 101}, "--box-size: found 101, expected an even number"),
    ],
)
def test_settings_without_meaning_are_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        OutputConfig(**values)


def test_formats_may_be_parted_with_blanks_and_count_once() -> None:
    assert OutputConfig(format=" star, box ,star").formats == ("star", "box")
