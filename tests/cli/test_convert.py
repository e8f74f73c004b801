"""`cryopick convert` from the outside: files, names, frames, messages, statuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import starfile
from click.testing import CliRunner, Result

from cryopick_cli.cli.main import cli
from cryopick_cli.formats.coordinates import make_coordinates
from cryopick_cli.formats.micrograph import write_micrograph
from cryopick_cli.formats.registry import FORMATS, read_coordinates, write_coordinates

UID = "000123456789012345678"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two micrographs (40 columns, 30 rows), their STAR file, and candidates of both as CSV."""
    monkeypatch.chdir(tmp_path)
    names = [f"MotionCorr/job002/Movies/g{number}/m{number}.mrc" for number in (1, 2)]
    for name in names:
        Path(name).parent.mkdir(parents=True)
        write_micrograph(name, np.zeros((30, 40), np.float32), 1.5)
    Path("micrographs.star").write_text("data_\nloop_\n_rlnMicrographName\n" + "\n".join(names) + "\n")
    table = make_coordinates(
        [10, 20, 30], [5, 6, 7], micrograph=["m1", "m1", "m2"], score=[0.9, 0.2, 0.8], diameter_px=8
    )
    write_coordinates("picks.csv", table.assign(accepted=[True, False, True]))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["convert", *arguments])


def done(*arguments: str) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def test_to_a_file_a_micrograph_in_the_micrographs_tree_with_relions_list(project: Path) -> None:
    result = done("-i", "picks.csv", "-o", "AutoPick", "--to", "star", "--micrographs", "micrographs.star")
    table = read_coordinates("AutoPick/Movies/g1/m1_autopick.star")
    assert table[["x", "y"]].to_numpy().tolist() == [[10, 5]]
    listed = Path("AutoPick/autopick.star").read_text()
    assert "MotionCorr/job002/Movies/g2/m2.mrc AutoPick/Movies/g2/m2_autopick.star" in listed
    assert Path("AutoPick/coords_suffix_autopick.star").read_text() == "micrographs.star\n"
    assert "coordinates read     3" in result.stdout
    assert "coordinates written  2" in result.stdout


@pytest.mark.parametrize("micrographs", ["micrographs.star", "MotionCorr"])
def test_called_from_elsewhere_it_names_files_from_the_projects_root(
    project: Path, monkeypatch: pytest.MonkeyPatch, micrographs: str
) -> None:
    Path("default_pipeline.star").touch()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    given = ("-i", "../picks.csv", "--to", "star", "--micrographs", f"../{micrographs}")
    done(*given, "-o", "../AutoPick")
    listed = starfile.read("../AutoPick/autopick.star")
    names = listed["rlnMicrographName"].tolist()
    assert names == [f"MotionCorr/job002/Movies/g{number}/m{number}.mrc" for number in (1, 2)]
    assert all(name.startswith("AutoPick/") for name in listed["rlnMicrographCoordinates"])
    suffix = Path("../AutoPick/coords_suffix_autopick.star")
    assert suffix.exists() == (micrographs == "micrographs.star")
    assert not suffix.exists() or suffix.read_text() == "micrographs.star\n"


def test_the_ending_of_one_file_tells_the_format(project: Path) -> None:
    done("-i", "picks.csv", "-o", "all.star")
    table = read_coordinates("all.star")
    assert table["micrograph"].tolist() == ["m1", "m2"]


def test_there_and_back_through_every_format(project: Path) -> None:
    for name, one in FORMATS.items():
        out = f"out-{name}"
        done("-i", "picks.csv", "-o", out, "--to", name, "--micrographs", "micrographs.star")
        done("-i", out, "-o", f"{out}.csv", "--from", name, "--to", "csv")
        table = read_coordinates(f"{out}.csv")
        assert sorted(table["x"]) == ([10, 20, 30] if one.rejected_too else [10, 30]), name


def test_a_threshold_cuts_anew(project: Path) -> None:
    done("-i", "picks.csv", "-o", "low.star", "--threshold", "0.1")
    assert len(read_coordinates("low.star")) == 3
    done("-i", "picks.csv", "-o", "high.star", "-t", "0.85")
    assert len(read_coordinates("high.star")) == 1


def test_frames_are_moved_with_the_micrographs_own_size_or_one_given(project: Path) -> None:
    for size in (["--micrographs", "micrographs.star"], ["--size", "40x30"]):
        done(
            "-i",
            "picks.csv",
            "-o",
            "flipped.csv",
            "--flip-y",
            "--scale",
            "2",
            "--shift",
            "-1",
            "0",
            *size,
            "--overwrite",
        )
        first = read_coordinates("flipped.csv").iloc[0]
        assert (first["x"], first["y"], first["diameter_px"]) == (19.5, 18.5, 16)


def test_box_size(project: Path) -> None:
    done("-i", "picks.csv", "-o", "boxes", "--to", "box", "--box-size", "24")
    assert Path("boxes/m1.box").read_text() == "-2\t-7\t24\t24\t0.9\n"


def test_names_are_made_from_a_pattern(project: Path) -> None:
    Path("cs.csv").write_text(f"micrograph,x,y\nJ2/motioncorrected/{UID}_m1.mrc,1,2\n")
    done("-i", "cs.csv", "-o", "a.star", "--to", "particles", "--name", "Movies/{bare}{suffix}")
    assert read_coordinates("a.star")["micrograph"].tolist() == ["Movies/m1.mrc"]
    result = run("-i", "cs.csv", "-o", "b.star", "--to", "particles", "--name", "{title}")
    assert result.exit_code == 2
    assert "expected braces around name, folder, stem, suffix, bare" in result.output


def test_cryosparcs_number_in_front_is_found_in_both_directions(project: Path) -> None:
    Path("J2").mkdir()
    write_micrograph(f"J2/{UID}_m1.mrc", np.zeros((30, 40), np.float32))
    done("-i", "picks.csv", "-o", "picks.cs", "--micrographs", "J2/*.mrc")
    rows = np.load("picks.cs")
    assert rows["location/micrograph_uid"].tolist() == [int(UID)]
    assert rows["location/micrograph_path"].tolist() == [f"J2/{UID}_m1.mrc".encode()]
    result = done(
        "-i", "picks.cs", "-o", "back.star", "--to", "particles", "--micrographs", "micrographs.star"
    )
    table = read_coordinates("back.star")
    assert table["micrograph"].tolist() == ["MotionCorr/job002/Movies/g1/m1.mrc"]
    assert table.loc[0, "x"] == pytest.approx(10, abs=0.001)
    assert "left out" not in result.output


def test_y_in_cryosparcs_files_both_ways(project: Path) -> None:
    done("-i", "picks.csv", "-o", "up.cs", "--micrographs", "micrographs.star", "--cs-flip-y")
    done("-i", "up.cs", "-o", "same.csv", "--cs-flip-y")
    done("-i", "up.cs", "-o", "other.csv")
    assert read_coordinates("same.csv").loc[0, "y"] == pytest.approx(5, abs=0.001)
    assert read_coordinates("other.csv").loc[0, "y"] == pytest.approx(25, abs=0.001)


def test_a_run_that_is_there_is_not_overwritten_unless_told(project: Path) -> None:
    done("-i", "picks.csv", "-o", "boxes", "--to", "box")
    result = run("-i", "picks.csv", "-o", "boxes", "--to", "box")
    assert result.exit_code == 1
    assert "is there already" in result.output
    done("-i", "picks.csv", "-o", "boxes", "--to", "box", "--overwrite")


def test_coordinates_of_no_micrograph_are_left_out_with_a_warning(project: Path) -> None:
    Path("one.txt").write_text("MotionCorr/job002/Movies/g2/m2.mrc\n")
    result = done("-i", "picks.csv", "-o", "x", "--to", "star", "--micrographs", "@one.txt")
    assert "1 coordinate tables fit no micrograph: left out (first: m1)" in result.stderr
    Path("other.mrc").write_bytes(b"")
    result = run("-i", "picks.csv", "-o", "y", "--to", "star", "--micrographs", "other.mrc")
    assert result.exit_code == 1
    expected = (
        "none of 2 coordinate tables fits one of 1 micrographs (found m1, expected names like other.mrc)"
    )
    assert expected in result.output


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["-i", "picks.csv", "-o", "folder"], 2, "found no format for folder"),
        (["-i", "gone.csv", "-o", "a.star"], 1, "gone.csv: is missing"),
        (["-i", "picks.csv", "-o", "a.star", "--scale", "0"], 2, "expected a positive number"),
        (["-i", "picks.csv", "-o", "a.star", "--flip-y"], 1, "mirroring needs it"),
        (["-i", "picks.csv", "-o", "a.cs"], 1, "the shape of m1 is unknown"),
        (["-i", "picks.csv", "-o", "a.star", "--size", "40,30"], 2, "expected columns x rows"),
        (["-i", "picks.csv", "-o", "a.xyz", "--to", "xyz"], 2, "is not one of"),
    ],
)
def test_errors_say_what_to_do(project: Path, arguments: list[str], status: int, message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == status, result.output
    assert message in " ".join(result.output.split())
