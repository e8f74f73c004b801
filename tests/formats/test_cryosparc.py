"""cryoSPARC's datasets: types, fractions, the direction of y, identifiers, agreement with cryosparc-tools."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryopick_cli.errors import FormatError, InputError, OutputError
from cryopick_cli.formats.coordinates import MicrographInfo, WriteOptions, empty_coordinates, make_coordinates
from cryopick_cli.formats.cryosparc import exposure_uid, read_cs, read_exposures, without_uid, write_cs
from cryopick_cli.formats.registry import read_coordinates

NAME = "J2/motioncorrected/000123456789012345678_m1_patch_aligned_doseweighted.mrc"
INFO = MicrographInfo(shape=(4092, 5760), pixel_size=0.885, uid=2**63 + 5, exposure_group=3)
TYPES = [
    ("uid", "<u8"),
    ("location/micrograph_uid", "<u8"),
    ("location/exp_group_id", "<u4"),
    ("location/micrograph_path", f"S{len(NAME)}"),
    ("location/micrograph_shape", "<u4", (2,)),
    ("location/micrograph_psize_A", "<f4"),
    ("location/center_x_frac", "<f4"),
    ("location/center_y_frac", "<f4"),
    ("location/min_dist_A", "<f4"),
    ("pick_stats/ncc_score", "<f4"),
    ("pick_stats/power", "<f4"),
    ("pick_stats/template_idx", "<u4"),
    ("pick_stats/angle_rad", "<f4"),
]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "picks.cs"
    table = make_coordinates([2880, 10.5, 3], [1023, 4000, 3], micrograph=NAME, score=[0.5, 0.9, 0.1])
    table["accepted"] = [True, True, False]
    write_cs(path, table, WriteOptions(micrographs={NAME: INFO}))
    return path


def test_fields_have_cryosparcs_types(written: Path) -> None:
    rows = np.load(written, allow_pickle=False)
    assert rows.dtype == np.dtype(TYPES)
    assert rows["location/micrograph_uid"].tolist() == [2**63 + 5] * 2
    assert rows["location/exp_group_id"].tolist() == [3, 3]
    assert rows["location/micrograph_shape"].tolist() == [[4092, 5760]] * 2
    assert rows["location/center_x_frac"].tolist() == pytest.approx([10.5 / 5760, 0.5])
    assert rows["location/center_y_frac"].tolist() == pytest.approx([4000 / 4092, 0.25])
    assert rows["pick_stats/ncc_score"].tolist() == pytest.approx([0.9, 0.5])
    assert len(set(rows["uid"].tolist())) == 2
    assert (rows["uid"] > 0).all()


def test_reads_back(written: Path) -> None:
    table = read_cs(written)
    np.testing.assert_allclose(table["x"], [10.5, 2880], atol=0.001)
    np.testing.assert_allclose(table["y"], [4000, 1023], atol=0.001)
    assert table["micrograph"].tolist() == [NAME] * 2


def test_both_directions_of_y(tmp_path: Path) -> None:
    table = make_coordinates([1], [1023], micrograph=NAME)
    write_cs(tmp_path / "up.cs", table, WriteOptions(micrographs={NAME: INFO}, cs_flip_y=True))
    assert np.load(tmp_path / "up.cs")["location/center_y_frac"][0] == pytest.approx(0.75)
    assert read_cs(tmp_path / "up.cs", flip_y=True).loc[0, "y"] == pytest.approx(1023, abs=0.001)
    assert read_cs(tmp_path / "up.cs").loc[0, "y"] == pytest.approx(4092 - 1023, abs=0.001)


def test_the_same_picks_give_the_same_file(tmp_path: Path, written: Path) -> None:
    again = tmp_path / "again.cs"
    table = make_coordinates([2880, 10.5], [1023, 4000], micrograph=NAME, score=[0.5, 0.9])
    write_cs(again, table, WriteOptions(micrographs={NAME: INFO}))
    assert again.read_bytes() == written.read_bytes()


def test_the_identifier_comes_from_the_exposure_else_the_prefix_else_the_name() -> None:
    assert exposure_uid(NAME, INFO) == 2**63 + 5
    assert exposure_uid(NAME, MicrographInfo()) == 123456789012345678
    plain = exposure_uid("Movies/m1.mrc", MicrographInfo())
    assert plain == exposure_uid("Movies/m1.mrc", MicrographInfo())
    assert plain != exposure_uid("Movies/m2.mrc", MicrographInfo())
    assert 0 <= plain < 2**64
    assert exposure_uid("20260101_m1.mrc", MicrographInfo()) != 20260101


def test_no_picks(tmp_path: Path) -> None:
    write_cs(tmp_path / "none.cs", empty_coordinates(with_micrograph=True), WriteOptions())
    read = read_cs(tmp_path / "none.cs")
    assert len(read) == 0
    assert "micrograph" in read.columns


def test_a_micrograph_of_unknown_shape_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"the shape of m\.mrc is unknown"):
        write_cs(tmp_path / "p.cs", make_coordinates([1], [1], micrograph="m.mrc"), WriteOptions())


def test_other_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(FormatError, match="without fields"):
        read_cs(tmp_path / "a.npy")
    (tmp_path / "b.cs").write_bytes(b"hello there")
    with pytest.raises(FormatError, match="no cryoSPARC dataset"):
        read_cs(tmp_path / "b.cs")
    np.save(tmp_path / "c.npy", np.zeros(1, dtype=[("uid", "<u8"), ("movie_blob/path", "S4")]))
    with pytest.raises(FormatError, match="no field location/center_x_frac"):
        read_cs(tmp_path / "c.npy")
    with pytest.raises(InputError, match="lists movies"):
        read_exposures(tmp_path / "c.npy")


# As cryoSPARC 4.4 exports the particles of a job: results lie in the job's own dataset or in passthroughs.
EXPORTED = """\
created: 2024-03-05 10:11:12.131415
group:
  description: All particles that were processed, including alignments
  name: particles
  title: All particles
  type: particle
results:
  blob:
    metafile: '>J12_particles_exported.cs'
    num_items: 2
    type: particle.blob
  location:
    metafile: '>J12_passthrough_particles.cs'
    num_items: 2
    type: particle.location
version: v4.4.1
"""


def test_a_group_lies_beside_the_dataset_and_leads_to_it(written: Path) -> None:
    group = written.with_suffix(".csg")
    lines = group.read_text().splitlines()
    assert re.match(r"created: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$", lines[0])
    assert lines[1:] == [
        "group:",
        "  description: Particle locations picked by cryopick",
        "  name: particles",
        "  title: Picks of cryopick",
        "  type: particle",
        "results:",
        "  location:",
        "    metafile: '>picks.cs'",
        "    num_items: 2",
        "    type: particle.location",
        "  pick_stats:",
        "    metafile: '>picks.cs'",
        "    num_items: 2",
        "    type: particle.pick_stats",
        "version: v4.4.1",
    ]
    pd.testing.assert_frame_equal(read_coordinates(group), read_coordinates(written))


def test_a_group_is_yaml_that_says_the_same(written: Path) -> None:
    yaml = pytest.importorskip("yaml")
    group = yaml.safe_load(written.with_suffix(".csg").read_text())
    assert group["group"]["type"] == "particle"
    assert {name: part["metafile"] for name, part in group["results"].items()} == {
        "location": ">picks.cs",
        "pick_stats": ">picks.cs",
    }


def test_exported_groups_are_read(tmp_path: Path, written: Path) -> None:
    written.rename(tmp_path / "J12_passthrough_particles.cs")
    (tmp_path / "J12_particles_exported.csg").write_text(EXPORTED)
    assert len(read_coordinates(tmp_path / "J12_particles_exported.csg")) == 2
    with pytest.raises(FormatError, match=r"found no result micrograph_blob \(found blob, location\)"):
        read_exposures(tmp_path / "J12_particles_exported.csg")


def test_cryosparc_tools_reads_what_is_written(written: Path) -> None:
    dataset = pytest.importorskip("cryosparc.dataset").Dataset.load(str(written))
    assert len(dataset) == 2
    assert dataset["location/micrograph_path"].tolist() == [NAME] * 2
    assert dataset["location/micrograph_uid"].tolist() == [2**63 + 5] * 2
    assert dataset["location/center_y_frac"].tolist() == pytest.approx([4000 / 4092, 0.25])


@pytest.mark.parametrize("compact", [False, True])
def test_reads_what_cryosparc_tools_writes(tmp_path: Path, compact: bool) -> None:
    module = pytest.importorskip("cryosparc.dataset")
    dataset = module.Dataset.allocate(
        2,
        [
            ("location/micrograph_uid", "<u8"),
            ("location/micrograph_path", "O"),
            ("location/micrograph_shape", "<u4", (2,)),
            ("location/center_x_frac", "<f4"),
            ("location/center_y_frac", "<f4"),
            ("pick_stats/ncc_score", "<f4"),
        ],
    )
    dataset["location/micrograph_path"] = ["J1/a.mrc", "J1/b.mrc"]
    dataset["location/micrograph_shape"] = [[1000, 2000], [1000, 2000]]
    dataset["location/center_x_frac"] = [0.25, 0.5]
    dataset["location/center_y_frac"] = [0.125, 1.0]
    dataset["pick_stats/ncc_score"] = [0.5, 0.75]
    dataset.save(str(tmp_path / "p.cs"), format=module.CSDAT_FORMAT if compact else module.NUMPY_FORMAT)
    table = read_cs(tmp_path / "p.cs")
    assert table["micrograph"].tolist() == ["J1/a.mrc", "J1/b.mrc"]
    assert table["x"].tolist() == [500, 1000]
    assert table["y"].tolist() == [125, 1000]
    assert table["figure_of_merit"].tolist() == [0.5, 0.75]


@pytest.mark.parametrize("flip_y", [False, True])
def test_a_round_trip_through_cryosparc_tools_in_both_directions_of_y(
    tmp_path: Path, rng: np.random.Generator, flip_y: bool
) -> None:
    module = pytest.importorskip("cryosparc.dataset")
    table = make_coordinates(rng.uniform(0, 5760, 50), rng.uniform(0, 4092, 50), micrograph=NAME, score=0.5)
    write_cs(tmp_path / "a.cs", table, WriteOptions(micrographs={NAME: INFO}, cs_flip_y=flip_y))
    module.Dataset.load(str(tmp_path / "a.cs")).save(str(tmp_path / "b.cs"))
    read = read_cs(tmp_path / "b.cs", flip_y=flip_y)
    np.testing.assert_allclose(read[["x", "y"]], table[["x", "y"]], atol=0.001)
    other = read_cs(tmp_path / "b.cs", flip_y=not flip_y)
    np.testing.assert_allclose(other["y"], INFO.shape[0] - table["y"], atol=0.001)


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("000123456789012345678_m1.mrc", "m1.mrc"),  # 21 digits, as cryoSPARC pads them
        ("18446744073709551615_m1.mrc", "m1.mrc"),  # 20 digits, the largest there is
        ("123456789012345_m1.mrc", "m1.mrc"),
        ("20260101_m1.mrc", "20260101_m1.mrc"),  # a date is no identifier
        ("FoilHole_1234567_Data_8910_m1.mrc", "FoilHole_1234567_Data_8910_m1.mrc"),
        ("m1.mrc", "m1.mrc"),
    ],
)
def test_the_number_in_front_is_cut_and_nothing_else(name: str, bare: str) -> None:
    assert without_uid(name) == bare
