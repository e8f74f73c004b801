"""`cryopick pick` from the outside: files, table, record, statuses, messages, and going on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import starfile
import torch
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

import cryopick_cli
from cryopick_cli.cli.main import cli
from cryopick_cli.formats.micrograph import read_micrograph, write_micrograph
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.network import RetinaNet
from cryopick_cli.model.weights import OperatingPoint, read_card, save_model
from cryopick_cli.picking import batch, candidates, scale
from cryopick_cli.picking import pick as pick_module
from cryopick_cli.picking.detect import Candidates, DetectConfig, detect
from cryopick_cli.picking.run_folder import RunFolder
from cryopick_cli.settings import to_mapping

CENTRES = np.array([(50.0, 60.0), (130.0, 80.0), (210.0, 70.0), (90.0, 150.0), (200.0, 150.0)])
Pick = Callable[..., Result]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an untrained network that finds everything likely, so that it picks something everywhere."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    config = NetworkConfig(pyramid_channels=8, head_depth=1, head_norm_groups=4, prior_probability=0.4)
    save_model(folder, RetinaNet(config), "tiny", OperatingPoint(), {})
    return folder


@pytest.fixture
def project(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write micrographs `mics/a`, `mics/b` and `mics/grid/c` with five dark discs of 30 px each."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "grid/c"):
        array = rng.normal(size=(200, 260)).astype(np.float32)
        rows, columns = np.mgrid[:200, :260]
        for x, y in CENTRES:
            array[(columns - x) ** 2 + (rows - y) ** 2 <= 15**2] -= 30
        write_micrograph(tmp_path / "mics" / f"{name}.mrc", array)
    return tmp_path


def find_discs(model: Any, view: NDArray[np.float32], config: Any) -> Candidates:
    """Stand for a trained network: every connected dark patch is a particle of the patch's area."""
    labels, count = ndimage.label(ndimage.gaussian_filter(view, 1.0) < -3)
    ones, index = np.ones_like(view), np.arange(1, count + 1)
    area = ndimage.sum_labels(ones, labels, index)
    y, x = np.array(ndimage.center_of_mass(ones, labels, index)).reshape(-1, 2)[area > 20].T
    return Candidates(x, y, 2 * np.sqrt(area[area > 20] / np.pi), np.full(len(x), 3.0))


@pytest.fixture
def pick(project: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> Pick:
    """Give a function that runs `cryopick pick` on `mics` into `out`, with a network that finds discs."""
    for module in (candidates, scale):
        monkeypatch.setattr(module, "detect", find_discs)

    def run(*arguments: str) -> Result:
        fixed = [
            "--in",
            "mics",
            "--out",
            "out",
            "--weights",
            str(weights),
            "--device",
            "cpu",
            "--pictures",
            "0",
        ]
        return CliRunner().invoke(cli, ["pick", *fixed, *arguments])

    return run


@pytest.fixture
def picked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the list that fills with the stems of the micrographs that are picked."""
    stems: list[str] = []
    whole = batch.pick_micrograph

    def watched(model: Any, micrograph: Any, *rest: Any) -> pd.DataFrame:
        stems.append(micrograph.path.stem)
        return whole(model, micrograph, *rest)

    monkeypatch.setattr(batch, "pick_micrograph", watched)
    return stems


def facts(result: Result) -> dict[str, str]:
    """Read the table on stdout: names and values parted by two blanks or more."""
    rows = (line.split("  ", 1) for line in result.stdout.splitlines() if "  " in line)
    return {name.strip(): value.strip() for name, value in rows}


def record() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path("out/run.json").read_text())
    return content


def accepted() -> pd.DataFrame:
    table = pd.read_csv("out/picks.csv")
    return table[table["accepted"]]


def test_picks_lie_on_the_particles_in_every_file(pick: Pick) -> None:
    result = pick()
    assert result.exit_code == 0, result.output
    table = accepted()
    assert table["micrograph"].value_counts().to_dict() == {
        "mics/a.mrc": 5,
        "mics/b.mrc": 5,
        "mics/grid/c.mrc": 5,
    }
    for _, group in table.groupby("micrograph"):
        apart = np.hypot(*(group[c].to_numpy()[:, None] - CENTRES[:, i] for i, c in enumerate("xy")))
        assert apart.min(axis=0).max() < 0.5
    assert table["diameter_px"].median() == pytest.approx(30, rel=0.05)
    star = starfile.read("out/grid/c_autopick.star")
    np.testing.assert_allclose(np.sort(star["rlnCoordinateX"]), np.sort(table["x"][-5:]), atol=0.01)


def test_output_follows_the_tree_of_the_input(pick: Pick) -> None:
    pick()
    files = {path.relative_to("out").as_posix() for path in Path("out").rglob("*") if path.is_file()}
    assert {name for name in files if not name.startswith(".cryopick")} == {
        *(f"{stem}_autopick.star" for stem in ("a", "b", "grid/c")),
        *(f"{stem}.box" for stem in ("a", "b", "grid/c")),
        "autopick.star",
        "picks.csv",
        "summary.csv",
        "threshold_curve.csv",
        "run.json",
    }
    listed = starfile.read("out/autopick.star", always_dict=True)["coordinate_files"]
    assert listed["rlnMicrographCoordinates"].tolist() == [
        "out/a_autopick.star",
        "out/b_autopick.star",
        "out/grid/c_autopick.star",
    ]


def test_the_threshold_curve_is_that_of_the_record(pick: Pick) -> None:
    pick()
    table = pd.read_csv("out/threshold_curve.csv")
    learnt = record()["calibrations"]["260x200 px"]
    assert table["picks"].tolist() == [point["picks"] for point in learnt["curve"]]
    assert set(table["kind"]) == {"260x200 px"}
    assert table["picks_per_micrograph"].tolist() == [picks / 3 for picks in table["picks"]]
    assert learnt["decoys"] == ["a", "b", "grid/c"]


def test_table_on_stdout_tells_what_came_out(pick: Pick) -> None:
    told = facts(pick())
    assert list(told) == [
        "Micrographs",
        "Picks",
        "Median diameter",
        "Suggested box",
        "Threshold",
        "Time",
        "Device",
        "Output",
    ]
    assert told["Micrographs"] == "3 of 3"
    assert told["Picks"] == "15 (5 a micrograph)"
    assert told["Median diameter"].startswith("30.")
    assert "the pixel size is unknown, so all lengths are in pixels; --pixel-size" in told["Median diameter"]
    assert told["Suggested box"] == "48 px"
    assert told["Threshold"] == f"{OperatingPoint().threshold_share * expit(3.0):.2f}"
    assert told["Time"].endswith("s a micrograph")
    assert told["Device"].startswith("cpu (asked for")
    assert told["Output"] == "out"


def test_the_thresholds_of_single_micrographs_are_told(pick: Pick, monkeypatch: pytest.MonkeyPatch) -> None:
    thresholds = iter([0.41, 0.55, 0.63])
    monkeypatch.setattr(pick_module, "adapt_threshold", lambda *_: next(thresholds))
    result = pick()
    learnt = record()["calibrations"]["260x200 px"]["threshold"]
    assert facts(result)["Threshold"] == f"{learnt:.2f}; in single micrographs 0.41 to 0.63"


def test_words_and_progress_go_to_stderr(pick: Pick) -> None:
    result = pick()
    assert "Picking: 3/3 micrographs, done in" in result.stderr
    assert "Diameter 30." in result.stderr
    assert "Picking" not in result.stdout
    assert Path("out").exists()


def test_quiet_says_nothing_but_the_table(pick: Pick) -> None:
    result = pick("--quiet")
    assert result.stderr == ""
    assert facts(result)["Picks"].startswith("15")


def test_pixel_size_brings_angstrom(pick: Pick) -> None:
    told = facts(pick("--pixel-size", "1.5"))
    in_px, in_angstrom = told["Median diameter"].split(", ")
    assert float(in_angstrom.removesuffix(" Å")) == pytest.approx(
        1.5 * float(in_px.removesuffix(" px")), abs=0.2
    )
    assert told["Suggested box"] == "48 px, 72 Å"
    np.testing.assert_allclose(accepted()["diameter_A"], 1.5 * accepted()["diameter_px"], atol=0.02)
    assert set(record()["calibrations"]) == {"Å"}


def test_record_explains_the_run(pick: Pick, weights: Path) -> None:
    pick("--threshold", "0.3", "--seed", "7", "--pixel-size", "1.5")
    content = record()
    assert content["version"] == cryopick_cli.__version__
    assert content["command"] == "pick"
    assert content["argv"][:5] == ["pick", "--in", "mics", "--out", "out"]
    assert content["config"]["pixel_size"] == 1.5
    assert content["config"]["pick"]["threshold"] == 0.3
    assert content["config"]["pick"]["seed"] == 7
    assert content["config"]["pick"]["detection"]["floor"] == DetectConfig().floor
    assert content["config"]["files"] == {"format": "star,box", "box_size": None, "write_masks": False}
    digest = hashlib.sha256((weights / "weights.safetensors").read_bytes()).hexdigest()
    assert content["weights"] == {
        "name": "tiny",
        "sha256": digest,
        "folder": str(weights),
        "operating_point": to_mapping(read_card(weights).operating_point),
    }
    assert content["device"]["device"] == "cpu"
    assert content["device"]["reason"].startswith("asked for")
    assert set(content["timings_s"]) == {"load weights", "calibrate", "pick"}
    assert content["calibrations"]["Å"]["threshold"] == 0.3
    assert content["calibrations"]["Å"]["micrographs"] == ["a", "b", "grid/c"]


def test_the_real_network_runs_through(project: Path, weights: Path) -> None:
    """Untrained, so nothing is said of its picks but that they are written and lie inside."""
    fixed = ["pick", "--in", "mics/a.mrc", "--out", "out", "--weights", str(weights), "--device", "cpu"]
    result = CliRunner().invoke(cli, fixed)
    assert result.exit_code == 0, result.output
    table = pd.read_csv("out/picks.csv")
    assert len(table) > 0
    assert table["x"].between(-0.5, 259.5).all()
    assert table["y"].between(-0.5, 199.5).all()
    assert candidates.detect is detect


def test_a_given_diameter_is_used(pick: Pick) -> None:
    told = facts(pick("--pixel-size", "1.5", "--diameter", "48A"))
    assert told["Suggested box"] == "48 px, 72 Å"
    calibration = record()["calibrations"]["Å"]
    assert calibration["prior"]["diameter"] == 48
    assert calibration["estimate"] is None


@pytest.mark.parametrize(("threshold", "picks"), [("0", 5), ("0.999", 0)])
def test_threshold_accepts_and_the_table_keeps_all(threshold: str, picks: int, pick: Pick) -> None:
    pick("--threshold", threshold)
    table = pd.read_csv("out/picks.csv")
    assert len(table) == 15
    assert len(accepted()) == 3 * picks
    assert len(starfile.read("out/a_autopick.star")) == picks


@pytest.mark.parametrize("distance", ["100", "100A", "100px"])
def test_smallest_distance_between_picks(distance: str, pick: Pick) -> None:
    pick("--pixel-size", "1", "--min-distance", distance)
    left = accepted().groupby("micrograph")[["x", "y"]].apply(lambda one: one.to_numpy().tolist())
    for centres in left:
        apart = np.hypot(*(np.subtract.outer(c, c) for c in np.array(centres).T))
        assert len(centres) < 5
        assert apart[apart > 0].min() >= 100


def test_box_size_and_formats_are_honoured(pick: Pick) -> None:
    assert pick("--format", "box,csv,cbox", "--box-size", "100").exit_code == 0
    assert {line.split()[2] for line in Path("out/a.box").read_text().splitlines()} == {"100"}
    assert Path("out/a.csv").is_file()
    assert Path("out/a.cbox").is_file()
    assert not Path("out/a_autopick.star").exists()
    assert not Path("out/autopick.star").exists()


def test_a_corrupt_file_gives_status_one_and_is_named_everywhere(pick: Pick) -> None:
    Path("mics/b.mrc").write_bytes(b"no header")
    result = pick()
    assert result.exit_code == 1
    assert "Failed: mics/b.mrc: truncated" in result.stderr
    assert "1 of 3 micrographs failed; see summary.csv for the reasons" in result.stderr
    assert facts(result)["Micrographs"] == "2 of 3"
    summary = pd.read_csv("out/summary.csv", index_col="micrograph")
    assert summary.loc["mics/a.mrc", "status"] == "picked"
    assert str(summary.loc["mics/b.mrc", "status"]).startswith("mics/b.mrc: truncated")
    assert not Path("out/b.box").exists()
    assert len(accepted()) == 10


def test_a_run_in_which_all_fail_still_writes_its_tables(pick: Pick) -> None:
    for path in Path("mics").rglob("*.mrc"):
        path.write_bytes(b"")
    result = pick()
    assert result.exit_code == 1
    told = facts(result)
    assert told["Micrographs"] == "0 of 3"
    assert told["Median diameter"] == "no picks"
    assert told["Suggested box"] == "unknown"
    assert told["Threshold"] == "none"
    assert len(pd.read_csv("out/picks.csv")) == 0


def test_micrographs_without_particles_give_status_nought_and_empty_files(pick: Pick) -> None:
    for path in Path("mics").rglob("*.mrc"):
        write_micrograph(path, np.zeros((200, 260), np.float32), overwrite=True)
    result = pick()
    assert result.exit_code == 0
    assert "Too few candidates to tell a particle diameter" in result.stderr
    assert facts(result)["Picks"] == "0 (0 a micrograph)"
    assert len(starfile.read("out/a_autopick.star")) == 0
    assert Path("out/a.box").read_text() == ""


def test_a_second_run_is_refused_and_overwrite_replaces_it(pick: Pick, picked: list[str]) -> None:
    pick()
    again = pick()
    assert again.exit_code == 1
    assert "out: holds a run of cryopick already; add --resume" in again.stderr
    assert picked == ["a", "b", "c"]
    assert pick("--overwrite").exit_code == 0
    assert picked == ["a", "b", "c"] * 2


def test_resume_skips_what_is_done_and_picks_what_changed_or_is_new(pick: Pick, picked: list[str]) -> None:
    pick()
    calibrations, whole = record()["calibrations"], Path("out/picks.csv").read_text()
    picked.clear()
    os.utime("mics/b.mrc", ns=(1, 1))
    Path("mics/d.mrc").write_bytes(Path("mics/a.mrc").read_bytes())
    result = pick("--resume")
    assert result.exit_code == 0, result.output
    assert picked == ["b", "d"]
    assert "2 micrographs are done already" in result.stderr
    assert facts(result)["Micrographs"] == "4 of 4"
    assert record()["calibrations"] == calibrations
    lines = Path("out/picks.csv").read_text().splitlines()
    assert [line for line in lines if "d.mrc" not in line] == whole.splitlines()


def test_resume_of_a_finished_run_repeats_nothing(pick: Pick, picked: list[str]) -> None:
    pick()
    picked.clear()
    before = {name: Path("out", name).read_bytes() for name in ("picks.csv", "summary.csv", "autopick.star")}
    assert pick("--resume").exit_code == 0
    assert picked == []
    assert {name: Path("out", name).read_bytes() for name in before} == before


def test_resume_takes_up_a_failed_micrograph_once_it_is_mended(pick: Pick, picked: list[str]) -> None:
    good = Path("mics/b.mrc").read_bytes()
    Path("mics/b.mrc").write_bytes(good[:5000])
    assert pick().exit_code == 1
    Path("mics/b.mrc").write_bytes(good)
    picked.clear()
    assert pick("--resume").exit_code == 0
    assert picked == ["b"]


def test_resume_into_an_empty_folder_is_a_first_run(pick: Pick) -> None:
    assert pick("--resume").exit_code == 0
    assert len(accepted()) == 15


@pytest.mark.parametrize(
    ("option", "difference"),
    [
        (("--threshold", "0.3"), "pick.threshold (found None, expected 0.3)"),
        (("--diameter", "30px"), "pick.diameter (found None, expected 30px)"),
        (("--pixel-size", "2"), "pixel_size (found None, expected 2.0)"),
        (("--format", "star"), "files.format (found star,box, expected star)"),
    ],
)
def test_resume_with_other_settings_is_refused(option: tuple[str, str], difference: str, pick: Pick) -> None:
    pick()
    result = pick("--resume", *option)
    assert result.exit_code == 1
    assert f"run.json: made with other settings than those of this run: {difference};" in result.stderr
    assert "--overwrite" in result.stderr


def test_resume_goes_on_with_a_run_of_a_version_that_had_fewer_settings(
    pick: Pick, picked: list[str]
) -> None:
    pick()
    picked.clear()
    rewritten = record()
    del rewritten["config"]["pick"]["cross_check"], rewritten["config"]["pick"]["detection"]["floor"]
    del rewritten["config"]["files"]["write_masks"]
    Path("out/run.json").write_text(json.dumps(rewritten))
    result = pick("--resume")
    assert result.exit_code == 0, result.output
    assert picked == []


def test_resume_with_another_operating_point_of_the_same_weights_names_it(pick: Pick, weights: Path) -> None:
    shutil.copytree(weights, "mine")
    assert pick("--weights", "mine").exit_code == 0
    card = Path("mine/model.json")
    content = json.loads(card.read_text())
    content["operating_point"] |= {"threshold_share": 0.31}
    card.write_text(json.dumps(content))
    result = pick("--resume", "--weights", "mine")
    assert result.exit_code == 1
    assert "weights.operating_point.threshold_share (found 0.6, expected 0.31)" in result.stderr


def test_resume_of_a_run_with_the_earlier_rule_for_the_threshold_names_that(pick: Pick) -> None:
    """It noted no operating point; what is left would be cut otherwise than what is done."""
    for options, refused in (((), True), (("--threshold", "0.4"), False)):
        assert pick("--overwrite", *options).exit_code == 0
        rewritten = record()
        del rewritten["weights"]["operating_point"]
        Path("out/run.json").write_text(json.dumps(rewritten))
        result = pick("--resume", *options)
        assert (result.exit_code == 1) == refused, result.output
        assert ("the rule for the threshold (found that of an earlier version)" in result.stderr) == refused


def test_resume_of_a_run_before_odd_sizes_kept_half_of_their_score_names_that(pick: Pick) -> None:
    pick()
    rewritten = record()
    del rewritten["config"]["pick"]["consistency"]["least_factor"]
    Path("out/run.json").write_text(json.dumps(rewritten))
    result = pick("--resume")
    assert result.exit_code == 1
    assert "pick.consistency.least_factor (found 0.0, expected 0.5)" in result.stderr


def test_resume_of_a_run_with_settings_that_are_not_known_says_so(pick: Pick) -> None:
    pick()
    rewritten = record()
    rewritten["config"]["pick"]["wished"] = 1
    Path("out/run.json").write_text(json.dumps(rewritten | {"version": "9.0"}))
    result = pick("--resume")
    assert result.exit_code == 1
    assert "found unknown ['wished']" in result.stderr
    assert "it was made by version 9.0" in result.stderr


def test_a_kind_met_while_picking_is_recorded_at_once(pick: Pick, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as micrographs that arrive while the run begins; the run is interrupted right after."""
    whole = {path: path.read_bytes() for path in Path("mics").rglob("*.mrc")}
    learn = batch.Batch.calibrate

    def learn_before_they_arrive(self: Any, *given: Any) -> Any:
        monkeypatch.setattr(batch.Batch, "calibrate", learn)
        for path in whole:
            path.write_bytes(b"")
        found = learn(self, *given)
        for path, content in whole.items():
            path.write_bytes(content)
        return found

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch.Batch, "calibrate", learn_before_they_arrive)
    monkeypatch.setattr(RunFolder, "write", interrupt)
    assert pick().exit_code != 0
    assert record()["calibrations"]["260x200 px"]["micrographs"] == ["a", "b", "grid/c"]


def test_a_run_that_was_filtered_is_not_resumed_and_it_is_said_what_to_do(
    pick: Pick, picked: list[str]
) -> None:
    pick()
    cut = CliRunner().invoke(cli, ["filter", "--in", "out", "--overwrite", "--threshold", "0.2"])
    assert cut.exit_code == 0, cut.output
    picked.clear()
    resumed, again = pick("--resume"), pick()
    assert resumed.exit_code == again.exit_code == 1
    assert "out/run.json: cryopick filter has cut this run anew" in resumed.stderr
    assert "pick what is new into another folder and filter that too" in resumed.stderr
    assert "other settings" not in resumed.stderr
    assert "holds a run of cryopick already; add --overwrite to replace it" in again.stderr
    assert picked == []
    assert pick("--overwrite").exit_code == 0


@pytest.mark.parametrize("when", ["calibrate", "remove_replaced", "write"])
def test_an_interrupted_overwrite_leaves_the_old_run_or_one_to_be_resumed(
    when: str, pick: Pick, picked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pick("--threshold", "0.3")
    before = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(batch.Batch if when == "calibrate" else RunFolder, when, interrupt)
        assert pick("--threshold", "0.4", "--overwrite").exit_code == 130
    if when == "calibrate":
        assert {path: path.read_bytes() for path in before} == before
        return
    for source in ("out", "out/picks.csv"):
        cut = CliRunner().invoke(cli, ["filter", "--in", source, "--out", "cut"])
        assert cut.exit_code == 1
        if when == "remove_replaced":
            assert "out: found a run that was interrupted while it replaced another" in cut.stderr
        elif source == "out":
            assert "out: found a run that was interrupted before a micrograph was picked" in cut.stderr
            assert "repeat the command that was interrupted, cryopick pick with --resume" in cut.stderr
    assert not Path("cut").exists()
    picked.clear()
    resumed = pick("--threshold", "0.4", "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert picked == ["a", "b", "c"]
    assert "replacing" not in record()
    assert set(pd.read_csv("out/picks.csv")["threshold"]) == {0.4}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "not a run record"),
        (7, "not a run record (found 7, expected an object)"),
        ({"config": {"pick": 3}}, "not a run record (config.pick: found 3, expected a table)"),
        ("[" * 100_000, "not a run record (maximum recursion depth exceeded"),
        ({"replacing": 3}, "not a run record (replacing: found 3, expected some of star"),
        ({"config": {"files": {"format": "xyz"}}}, "(config.files.format: found 'xyz', expected one of"),
        ({"weights": "x"}, "not a run record (weights: found 'x', expected a table)"),
        ({"calibrations": 3}, "not a run record (calibrations: found 3, expected a table)"),
        ({"calibrations": {"Å": 3}}, "(calibrations.Å: found 3, expected a table of settings;"),
        (
            {"calibrations": {"Å": {"unit": 3}}},
            "(calibrations.Å.unit: found 3, expected a value of",
        ),
        (
            {"config": {"files": {"format": 3}}},
            "(config.files.format: found 3, expected a value of",
        ),
        ({"config": {"pick": {"consistency": 3}}}, "(consistency: found 3, expected a table;"),
    ],
)
def test_resume_with_a_damaged_record_says_so(content: object, complaint: str, pick: Pick) -> None:
    Path("out").mkdir()
    Path("out/run.json").write_text(content if isinstance(content, str) else json.dumps(content))
    result = pick("--resume")
    assert result.exit_code == 1
    assert "out/run.json: not a r" in result.stderr
    assert complaint in result.stderr
    assert "replace what is there with --overwrite" in result.stderr
    assert not Path("out/picks.csv").exists()


def test_boxes_picked_by_hand_are_not_replaced(pick: Pick) -> None:
    Path("mics/a.box").write_text("1 2 3 4\n")
    result = pick("--out", "mics")
    assert result.exit_code == 1
    assert "mics/a.box: is there already" in result.stderr
    assert Path("mics/a.box").read_text() == "1 2 3 4\n"


@pytest.mark.parametrize("option", [("--diameter", "120A"), ("--min-distance", "50")])
def test_lengths_in_angstrom_need_a_pixel_size(option: tuple[str, str], pick: Pick) -> None:
    result = pick(*option)
    assert result.exit_code == 1
    assert "Failed: mics/a.mrc: unknown pixel size" in result.stderr
    assert "give --pixel-size" in result.stderr
    assert pick(*option, "--pixel-size", "1.5", "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--in", "nowhere"), "nowhere: is missing"),
        (("--weights", "nowhere"), "--weights nowhere: found no folder with a model.json"),
        (("--device", "cuda:99"), "--device cuda:99: found"),
    ],
)
def test_what_cannot_be_done_gives_status_one_and_does_not_block_the_next_run(
    arguments: tuple[str, str], complaint: str, pick: Pick
) -> None:
    result = pick(*arguments)
    assert result.exit_code == 1
    assert complaint in result.stderr
    assert "Traceback" not in result.output
    assert pick().exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--threshold", "2"), "--threshold: found 2.0, expected auto or a number from 0 to 1"),
        (("--threshold", "high"), "found 'high', expected auto or a number"),
        (("--device", "gpu"), "found 'gpu', expected auto, cpu, cuda, cuda:N or mps"),
        (("--diameter", "120"), "expected a positive number with its unit"),
        (("--min-distance", "-1"), "found '-1', expected a positive number with its unit"),
        (("--format", "xyz"), "found 'xyz', expected one of star"),
        (("--box-size", "101"), "expected an even number"),
        (("--pixel-size", "0"), "--pixel-size"),
        (("--contrast", "grey"), "--contrast"),
        (("--overwrite", "--resume"), "found both, expected one"),
        (("--nonsense",), "No such option"),
    ],
)
def test_wrong_usage_gives_status_two(arguments: tuple[str, ...], complaint: str, pick: Pick) -> None:
    result = pick(*arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert not Path("out").exists()


@pytest.mark.parametrize("missing", ["--in", "--out"])
def test_input_and_output_must_be_given(missing: str) -> None:
    given = {"--in": "mics", "--out": "out"}
    arguments = [part for name, value in given.items() if name != missing for part in (name, value)]
    result = CliRunner().invoke(cli, ["pick", *arguments])
    assert result.exit_code == 2
    assert f"'{missing}'" in result.stderr


def test_help_names_every_option_with_its_default() -> None:
    result = CliRunner().invoke(cli, ["pick", "--help"])
    assert result.exit_code == 0
    for option in ("--pixel-size", "--threshold", "--diameter", "--min-distance", "--box-size", "--resume"):
        assert option in result.stdout
    assert "[default: star,box]" in result.stdout.replace("\n", " ").replace("  ", " ")


def test_picks_near_the_edge_stay_in_the_table_and_are_accepted_on_demand(pick: Pick) -> None:
    array = np.random.default_rng(3).normal(size=(200, 260)).astype(np.float32)
    rows, columns = np.mgrid[:200, :260]
    for x, y in (*CENTRES, (20.0, 100.0)):
        array[(columns - x) ** 2 + (rows - y) ** 2 <= 15**2] -= 30
    write_micrograph(Path("mics/a.mrc"), array, overwrite=True)
    pick("--in", "mics/a.mrc")
    assert len(starfile.read("out/a_autopick.star")) == 6
    pick("--overwrite", "--edge", "auto")
    assert len(pd.read_csv("out/picks.csv").query("micrograph == 'mics/a.mrc'")) == 6
    assert len(starfile.read("out/a_autopick.star")) == 5
    pick("--overwrite", "--edge", "auto", "--box-size", "120")
    assert accepted()["x"].tolist() == pytest.approx([130] * 3, abs=0.5)
    pick("--overwrite", "--edge", "70px")
    assert accepted()["x"].between(69.5, 189.5).all()


def plant_junk() -> None:
    """Give the right third of `mics/a` a coarser grain, and put a disc upon it."""
    array = np.random.default_rng(3).normal(size=(400, 620)).astype(np.float32)
    rows, columns = np.mgrid[:400, :620]
    array[:, 480:] *= 3
    for x, y in (*(2 * CENTRES), (550.0, 200.0)):
        array[(columns - x) ** 2 + (rows - y) ** 2 <= 15**2] -= 30
    write_micrograph(Path("mics/a.mrc"), array, overwrite=True)


def test_junk_lowers_scores_is_dropped_or_kept_and_its_mask_is_written(pick: Pick) -> None:
    plant_junk()
    found = {}
    for mode in ("flag", "drop", "keep"):
        result = pick("--junk", mode, "--overwrite", "--write-masks", "--threshold", "0.1", "--edge", "0")
        assert result.exit_code == 0, result.output
        table = pd.read_csv("out/picks.csv").query("micrograph == 'mics/a.mrc'")
        found[mode] = table.loc[table["x"].sub(550).abs().idxmin()]
        assert table.query("x < 450")["junk"].max() == 0
        assert table.query("x < 450")["accepted"].all()
    assert found["keep"]["junk"] == found["flag"]["junk"] == 1
    assert found["flag"]["score"] == pytest.approx(0.2 * found["keep"]["score"], abs=1e-4)
    assert [bool(found[mode]["accepted"]) for mode in ("flag", "drop", "keep")] == [True, False, True]
    mask = read_micrograph(Path("out/a_junk.mrc")).array
    assert mask.shape == (400, 620)
    assert set(np.unique(mask)) == {0, 1}
    assert mask[200, 560] == 1
    assert not mask[:, :400].any()
    assert Path("out/grid/c_junk.mrc").is_file()


def test_masks_are_no_micrographs_for_the_next_run(pick: Pick) -> None:
    plant_junk()
    pick("--out", "mics", "--write-masks")
    assert Path("mics/a_junk.mrc").is_file()
    assert facts(pick("--out", "again"))["Micrographs"] == "3 of 3"


def test_a_mask_that_is_not_believed_is_written_all_clear_and_named(pick: Pick) -> None:
    """The ice fills less than half of the view: what differs from the carbon is where the particles are."""
    array = np.random.default_rng(3).normal(size=(400, 620)).astype(np.float32)
    rows, columns = np.mgrid[:400, :620]
    array[:, 260:] *= 3
    for x, y in ((50, 60), (130, 80), (210, 70), (90, 150), (200, 150), (60, 320), (180, 300)):
        array[(columns - x) ** 2 + (rows - y) ** 2 <= 15**2] -= 6
    write_micrograph(Path("mics/a.mrc"), array, overwrite=True)
    result = pick("--write-masks")
    assert "1 of 3 masks of junk hold most of what looks like particles and are not used" in result.stderr
    assert record()["masks_not_used"] == ["mics/a.mrc"]
    assert not read_micrograph(Path("out/a_junk.mrc")).array.any()
    assert pd.read_csv("out/picks.csv").query("micrograph == 'mics/a.mrc'")["junk"].max() == 0
    assert "masks of junk" in pick("--write-masks", "--resume").stderr
    assert record()["masks_not_used"] == ["mics/a.mrc"]


def test_that_the_target_moves_nothing_where_there_seems_to_be_no_particle_is_said(
    pick: Pick, weights: Path
) -> None:
    shutil.copytree(weights, "strict")
    card = Path("strict/model.json")
    content = json.loads(card.read_text())
    content["operating_point"] |= {"least_typical": 0.99, "least_evidence": 0.99}
    card.write_text(json.dumps(content))
    result = pick("--target", "recall", "--weights", "strict")
    learnt = record()["calibrations"]["260x200 px"]
    seen = learnt["evidence"]
    strength = seen["best_score"] * seen["agreement"]
    numbers = f"(typical score {seen['typical_score']:.2f} and evidence {strength:.2f}, where particles have"
    assert f"none clearly seen {numbers}" in result.stderr
    assert "where --target recall moves nothing; --threshold" in result.stderr
    assert learnt["threshold"] == OperatingPoint().empty_threshold
    assert "--target" not in pick("--overwrite", "--weights", "strict").stderr


def test_that_nothing_is_seen_is_said_without_a_diameter_too(pick: Pick) -> None:
    flat = np.random.default_rng(0).normal(size=(200, 260)).astype(np.float32)
    for path in Path("mics").rglob("*.mrc"):
        write_micrograph(path, flat, overwrite=True)
    result = pick()
    assert "Too few candidates to tell a particle diameter" in result.stderr
    assert "none clearly seen (typical score 0.00" in result.stderr


def test_one_micrographs_star_gives_relion_3_its_coordinates(pick: Pick, weights: Path) -> None:
    assert pick("--overwrite").exit_code == 0
    assert not Path("out/coords_suffix_autopick.star").exists()  # a folder is no table
    Path("mics.star").write_text("data_\nloop_\n_rlnMicrographName\nmics/a.mrc\nmics/b.mrc\n")
    given = ["pick", "--in", "mics.star", "--weights", str(weights), "--device", "cpu", "--pictures", "0"]
    for out, extra, written in (("job", [], True), ("boxes", ["--format", "box"], False)):
        result = CliRunner().invoke(cli, [*given, "--out", out, *extra])
        assert result.exit_code == 0, result.output
        suffix = Path(out) / "coords_suffix_autopick.star"
        assert suffix.exists() == written
        assert not written or suffix.read_text() == "mics.star\n"


@pytest.mark.usefixtures("pick")
def test_called_from_elsewhere_a_row_names_both_files_from_the_projects_root(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("default_pipeline.star").touch()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    given = ["pick", "--in", "../mics", "--out", "../AutoPick3", "--weights", str(weights), "--device", "cpu"]
    assert CliRunner().invoke(cli, [*given, "--pictures", "0"]).exit_code == 0
    monkeypatch.chdir("..")
    listed = starfile.read("AutoPick3/autopick.star")
    expected = [[f"mics/{name}.mrc", f"AutoPick3/{name}_autopick.star"] for name in ("a", "b", "grid/c")]
    assert listed.to_numpy().tolist() == expected
    here = [one.replace("../", "") for one in given]
    resumed = CliRunner().invoke(cli, [*here, "--pictures", "0", "--resume"])
    assert "3 micrographs are done already" in resumed.stderr
