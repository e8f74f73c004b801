"""From what the user names to a list of micrographs: kinds of input, trees, clashes, missing files."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from cryopick_cli.errors import FormatError, InputError
from cryopick_cli.formats.inputs import find_micrographs
from cryopick_cli.formats.star_micrographs import below_job

OPTICS = """
# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMicrographPixelSize #3
_rlnVoltage #4
grid5 1 0.885 300.0
grid6 2 1.77 300.0


# version 30001

data_micrographs

loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
MotionCorr/job002/Movies/m1.mrc 1
MotionCorr/job002/Movies/m2.mrc 2

"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project's root as the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")


def relatives(*inputs: str) -> list[str]:
    return [source.relative for source in find_micrographs(inputs)]


def test_a_folder_is_searched_in_depth_sorted_without_hidden_and_other_files(project: Path) -> None:
    touch("data/g2/b.mrc", "data/a.mrc", "data/g1/c.tif", "data/.hidden/d.mrc", "data/._a.mrc", "data/a.xml")
    found = find_micrographs(["data"])
    assert [source.name for source in found] == ["data/a.mrc", "data/g1/c.tif", "data/g2/b.mrc"]
    assert [source.relative for source in found] == ["a", "g1/c", "g2/b"]
    assert all(source.pixel_size is None for source in found)


def test_every_known_suffix_counts(project: Path) -> None:
    touch(
        *(
            f"data/{n}{s}"
            for n, s in enumerate([".mrc", ".mrcs", ".mrc.gz", ".MRC", ".tiff", ".png", ".jpeg"])
        )
    )
    assert relatives("data") == ["0", "1", "2", "3", "4", "5", "6"]


def test_links_in_a_folder_keep_the_users_tree(project: Path) -> None:
    touch("store/x1.mrc")
    Path("data").mkdir()
    Path("data/nice.mrc").symlink_to(project / "store" / "x1.mrc")
    assert relatives("data") == ["nice"]


def test_a_glob_keeps_the_tree_from_its_first_wildcard(project: Path) -> None:
    touch("raw/g1/mics/a.mrc", "raw/g2/mics/a.mrc", "raw/g2/mics/a.log")
    assert relatives("raw/g*/mics/*.mrc") == ["g1/mics/a", "g2/mics/a"]
    assert relatives("raw/**/*") == ["g1/mics/a", "g2/mics/a"]
    assert relatives(str(project / "raw/g1/*/*.mrc")) == ["mics/a"]


def test_a_file(project: Path) -> None:
    touch("raw/g1/a.mrc", "raw/g1/odd [1].mrc")
    assert relatives("raw/g1/a.mrc") == ["a"]
    assert relatives("raw/g1/odd [1].mrc") == ["odd [1]"]


def test_a_list_takes_lines_as_they_stand_or_beside_the_list(project: Path) -> None:
    touch("raw/g1/a.mrc", "raw/g2/b.mrc", "lists/c.mrc")
    Path("lists/some.txt").write_text("# two grids\nraw/g1/a.mrc\n\n  raw/g2/b.mrc\nc.mrc\nraw/gone.mrc\n")
    found = find_micrographs(["@lists/some.txt"])
    assert [source.name for source in found] == ["raw/g1/a.mrc", "raw/g2/b.mrc", "c.mrc", "raw/gone.mrc"]
    assert [source.path.exists() for source in found] == [True, True, True, False]
    assert len({source.relative for source in found}) == 4


def test_a_relion_star_with_optics_groups(project: Path) -> None:
    touch("MotionCorr/job002/Movies/m1.mrc")
    Path("micrographs.star").write_text(OPTICS)
    first, second = find_micrographs(["micrographs.star"])
    assert first.name == "MotionCorr/job002/Movies/m1.mrc"
    assert first.relative == "Movies/m1"
    assert (first.pixel_size, second.pixel_size) == (0.885, 1.77)
    assert (first.optics_group, second.optics_group) == ("grid5", "grid6")
    assert first.path.exists()
    assert not second.path.exists()


def test_names_in_a_star_lead_from_the_project_root_wherever_one_stands(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch("p/MotionCorr/job002/Movies/m1.mrc", "elsewhere/x")
    star = Path("p/CtfFind/job003/micrographs_ctf.star")
    star.parent.mkdir(parents=True)
    star.write_text(OPTICS)
    monkeypatch.chdir("elsewhere")
    source = find_micrographs(["../p/CtfFind/job003/micrographs_ctf.star"])[0]
    assert source.path.exists()
    assert source.name == "MotionCorr/job002/Movies/m1.mrc"


@pytest.mark.parametrize(
    ("columns", "row", "expected"),
    [
        ("_rlnMicrographName #1", "m.mrc", None),
        ("_rlnMicrographName #1\n_rlnMagnification #2\n_rlnDetectorPixelSize #3", "m.mrc 35000 5.0", 1.42857),
        ("_rlnDetectorPixelSize #1\n_rlnMagnification #2\n_rlnMicrographName #3", "14 0 m.mrc", None),
        (  # of particles: the pixel of their images, which may have been reduced
            "_rlnImageName #1\n_rlnMicrographName #2\n_rlnMagnification #3\n_rlnDetectorPixelSize #4",
            "1@p.mrcs m.mrc 10000 3.54",
            None,
        ),
        ("_rlnMicrographName #1\n_rlnMicrographPixelSize #2", "m.mrc 1.000000", 1.0),
    ],
)
def test_old_stars_of_one_table(project: Path, columns: str, row: str, expected: float | None) -> None:
    Path("micrographs.star").write_text(f"\ndata_\n\nloop_\n{columns}\n{row}\n")
    (source,) = find_micrographs(["micrographs.star"])
    assert source.pixel_size == (None if expected is None else pytest.approx(expected, rel=1e-5))
    assert source.relative == "m"


def test_a_particles_star_means_its_micrographs(project: Path) -> None:
    text = "data_\nloop_\n_rlnCoordinateX\n_rlnMicrographName\n1 b.mrc\n2 a.mrc\n3 b.mrc\n"
    Path("particles.star").write_text(text)
    assert [source.name for source in find_micrographs(["particles.star"])] == ["b.mrc", "a.mrc"]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("data_movies\nloop_\n_rlnMicrographMovieName\nm.tif\n", InputError, "lists movies"),
        ("data_\nloop_\n_rlnCoordinateX\n1\n", InputError, "names no micrographs"),
        ("data_\nloop_\n_rlnMicrographName\n", InputError, "0 rows"),
        ("x,y\n1,2\n", FormatError, "before any data_"),
        ("", FormatError, "no STAR file"),
    ],
)
def test_stars_that_name_no_micrographs(
    project: Path, text: str, error: type[Exception], message: str
) -> None:
    Path("m.star").write_text(text)
    with pytest.raises(error, match=message):
        find_micrographs(["m.star"])


def test_cryosparc_exposures(project: Path) -> None:
    touch("P1/J2/motioncorrected/000_m1.mrc")
    rows = np.zeros(
        2,
        dtype=[
            ("uid", "<u8"),
            ("micrograph_blob/path", "S40"),
            ("micrograph_blob/shape", "<u4", (2,)),
            ("micrograph_blob/psize_A", "<f4"),
            ("mscope_params/exp_group_id", "<u4"),
        ],
    )
    rows["uid"] = [7, 2**64 - 1]
    rows["micrograph_blob/path"] = [b"J2/motioncorrected/000_m1.mrc", b">J2/motioncorrected/001_m2.mrc"]
    rows["micrograph_blob/shape"] = (4092, 5760)
    rows["micrograph_blob/psize_A"] = [0.5, 0]
    rows["mscope_params/exp_group_id"] = 3
    np.save("P1/J2/exposures.npy", rows)
    Path("P1/J2/exposures.npy").rename("P1/J2/exposures.cs")
    first, second = find_micrographs(["P1/J2/exposures.cs"])
    assert first.path.exists()
    assert first.name == "J2/motioncorrected/000_m1.mrc"
    assert (first.uid, second.uid) == (7, 2**64 - 1)
    assert first.exposure_group == 3
    assert (first.pixel_size, second.pixel_size) == (0.5, None)
    assert not second.path.exists()


def test_a_pickled_dataset_is_not_loaded(project: Path) -> None:
    np.save("bad.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    Path("bad.npy").rename("bad.cs")
    with pytest.raises(FormatError, match="cannot be read as a cryoSPARC dataset"):
        find_micrographs(["bad.cs"])


def test_several_inputs_and_repeats(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch("d1/a.mrc", "d2/b.mrc")
    with caplog.at_level(logging.WARNING):
        assert relatives("d1", "d2", "d1/*.mrc") == ["a", "b"]
    assert "1 micrographs were named more than once" in caplog.text


def test_equal_names_in_two_folders_keep_the_folders(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch("grid1/mics/a.mrc", "grid2/mics/a.mrc", "grid2/mics/b.mrc")
    assert relatives("grid1/mics", "grid2/mics") == ["grid1/mics/a", "grid2/mics/a", "grid2/mics/b"]
    assert "share a name" in caplog.text


def test_equal_names_in_two_relion_jobs_keep_the_jobs(project: Path) -> None:
    names = ["MotionCorr/job002/Movies/m1.mrc", "MotionCorr/job007/Movies/m1.mrc"]
    Path("joined.star").write_text("data_\nloop_\n_rlnMicrographName\n" + "\n".join(names) + "\n")
    assert relatives("joined.star") == ["job002/Movies/m1", "job007/Movies/m1"]


def test_names_that_differ_only_in_case_are_told_apart(project: Path) -> None:
    Path("l.star").write_text("data_\nloop_\n_rlnMicrographName\nA/job001/m.mrc\nB/job001/M.mrc\n")
    assert relatives("l.star") == ["A/job001/m", "B/job001/M"]


def test_a_preview_beside_its_micrograph_is_left_out(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch("data/a.jpg", "data/a.mrc", "data/b.png", "data/b.tif", "data/c.jpg")
    assert [source.path.name for source in find_micrographs(["data"])] == ["a.mrc", "b.tif", "c.jpg"]
    assert "2 files left out" in caplog.text


def test_two_files_that_differ_only_in_suffix_are_refused_when_both_are_asked_for(project: Path) -> None:
    touch("data/a.mrc", "data/a.tif")
    with pytest.raises(InputError, match=r"a\.mrc and .*a\.tif"):
        find_micrographs(["data/a.mrc", "data/a.tif"])


@pytest.mark.parametrize("name", ["../../etc/m.mrc", "/abs/dir/m.mrc", "./x/./m.mrc"])
def test_results_never_leave_the_output_folder(project: Path, name: str) -> None:
    Path("m.star").write_text(f"data_\nloop_\n_rlnMicrographName\n{name}\n")
    (relative,) = relatives("m.star")
    assert not relative.startswith(("/", "."))
    assert ".." not in relative.split("/")
    assert relative.endswith("m")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "no input"),
        (["gone.mrc"], "gone.mrc: is missing"),
        (["empty"], "no micrographs in this folder"),
        (["*.mrc"], "no file matches"),
        (["@gone.txt"], "list is missing"),
        (["@empty/none.txt"], "list is empty"),
    ],
)
def test_what_names_nothing_is_an_input_error(project: Path, given: list[str], message: str) -> None:
    Path("empty").mkdir()
    Path("empty/none.txt").write_text("# nothing\n")
    with pytest.raises(InputError, match=message):
        find_micrographs(given)


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("MotionCorr/job002/Movies/grid5/m1.mrc", "Movies/grid5/m1.mrc"),
        ("Import/job001/m1.mrc", "m1.mrc"),
        ("MotionCorr/job1234/m1.mrc", "m1.mrc"),
        ("Micrographs/m1.mrc", "Micrographs/m1.mrc"),
        ("Micrographs/jobs/m1.mrc", "Micrographs/jobs/m1.mrc"),
        ("a/job001/b/job002/m1.mrc", "b/job002/m1.mrc"),
    ],
)
def test_below_job(name: str, below: str) -> None:
    assert below_job(name) == below
