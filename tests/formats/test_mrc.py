"""MRC files good and bad: modes, byte order, compression, headers that lie."""

from __future__ import annotations

import bz2
import gzip
import logging
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from mrcfile.dtypes import HEADER_DTYPE
from numpy.typing import NDArray

from cryopick_cli.errors import FormatError, OutputError
from cryopick_cli.formats.micrograph import read_micrograph, read_micrograph_header, write_micrograph

PACK = {".gz": gzip.compress, ".bz2": bz2.compress}
MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}


def raw_mrc(values: NDArray[np.generic], mode: int, order: str = "<", **fields: object) -> bytes:
    """Make an MRC file by hand, so that every field can be wrong."""
    header = np.zeros((), dtype=HEADER_DTYPE.newbyteorder(order))
    rows, columns = values.shape[-2:]
    header["nx"], header["ny"], header["nz"], header["mode"] = columns, rows, 1, mode
    header["mx"], header["my"], header["mz"] = columns, rows, 1
    header["cella"] = (columns * 1.25, rows * 1.25, 1.25)
    header["map"] = b"MAP "
    for name, value in fields.items():
        header[name] = value
    return header.tobytes() + values.astype(np.dtype(MODES[mode]).newbyteorder(order)).tobytes()


def with_mode(mode: int) -> bytes:
    """Make a file of a mode that is not read."""
    raw = raw_mrc(np.zeros((5, 7)), 2)
    return raw[:12] + mode.to_bytes(4, "little") + raw[16:]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mode", sorted(MODES))
@pytest.mark.parametrize("suffix", [".mrc", ".mrcs", ".mrc.gz", ".mrc.bz2", ".MRC"])
def test_every_mode_byte_order_and_compression(tmp_path: Path, mode: int, order: str, suffix: str) -> None:
    values = np.arange(35).reshape(5, 7)
    raw = raw_mrc(values, mode, order)
    path = tmp_path / f"m{suffix}"
    path.write_bytes(PACK.get(path.suffix, bytes)(raw))
    micrograph = read_micrograph(path)
    assert micrograph.array.dtype == np.float32
    assert micrograph.array.dtype.isnative
    np.testing.assert_array_equal(micrograph.array, values)
    assert micrograph.pixel_size == pytest.approx(1.25)
    header = read_micrograph_header(path)
    assert header.shape == (5, 7)
    assert header.pixel_size == pytest.approx(1.25)


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (1, 1), (31, 64)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_round_trip(tmp_path: Path, rng: np.random.Generator, shape: tuple[int, int], dtype: str) -> None:
    array = rng.integers(-100, 100, shape).astype(np.float32)
    path = tmp_path / "m.mrc"
    write_micrograph(path, array, 1.07, dtype)
    micrograph = read_micrograph(path)
    np.testing.assert_array_equal(micrograph.array, array)
    assert micrograph.pixel_size == pytest.approx(1.07, rel=1e-5)


def test_mrcfile_reads_and_validates_what_is_written(tmp_path: Path, rng: np.random.Generator) -> None:
    array = rng.normal(size=(20, 30)).astype(np.float32)
    path = tmp_path / "m.mrc"
    write_micrograph(path, array, 0.885)
    with mrcfile.open(path) as file:
        np.testing.assert_array_equal(file.data, array)
        assert float(file.voxel_size.x) == pytest.approx(0.885)
    assert mrcfile.validate(str(path))


def test_reads_what_mrcfile_writes_with_an_extended_header(tmp_path: Path) -> None:
    path = tmp_path / "m.mrc"
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    with mrcfile.new(path) as file:
        file.set_data(values)
        file.set_extended_header(np.frombuffer(b"x" * 160, dtype="V160"))
        file.voxel_size = 2.2
    assert read_micrograph(path).pixel_size == pytest.approx(2.2)
    np.testing.assert_array_equal(read_micrograph(path).array, values)


def test_unknown_pixel_size_is_written_as_unknown(tmp_path: Path) -> None:
    write_micrograph(tmp_path / "m.mrc", np.zeros((4, 4), np.float32))
    assert read_micrograph(tmp_path / "m.mrc").pixel_size is None


@pytest.mark.parametrize(
    ("cell", "sampling"),
    [
        ((0.0, 0.0, 0.0), (7, 5, 1)),  # not told
        ((7.0, 5.0, 1.0), (7, 5, 1)),  # 1 Å: what many write when not told
        ((8.4, 5.0, 1.0), (7, 5, 1)),  # pixels that are not square
        ((7e-10, 5e-10, 1.0), (7, 5, 1)),  # metres
        ((700.0, 500.0, 1.0), (7, 5, 1)),  # 100 Å
        ((8.4, 6.0, 1.2), (0, 0, 0)),  # no sampling
        ((float("nan"), 6.0, 1.2), (7, 5, 1)),
    ],
)
def test_pixel_sizes_that_are_not_believed(
    tmp_path: Path, cell: tuple[float, float, float], sampling: tuple[int, int, int]
) -> None:
    fields = {"cella": cell, "mx": sampling[0], "my": sampling[1], "mz": sampling[2]}
    (tmp_path / "m.mrc").write_bytes(raw_mrc(np.zeros((5, 7)), 2, **fields))
    assert read_micrograph_header(tmp_path / "m.mrc").pixel_size is None


def test_a_missing_stamp_is_read_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    values = np.arange(35).reshape(5, 7)
    (tmp_path / "m.mrc").write_bytes(raw_mrc(values, 2, map=b"\0\0\0\0", ispg=1))
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(read_micrograph(tmp_path / "m.mrc").array, values)
    assert "MAP stamp" in caplog.text


def test_imods_unsigned_bytes(tmp_path: Path) -> None:
    stamp = b"\0" * 40 + np.array([1146047817, 0], "<i4").tobytes() + b"\0" * 36
    raw = raw_mrc(np.zeros((1, 2)), 0, extra2=np.void(stamp))
    (tmp_path / "m.mrc").write_bytes(raw[:1024] + bytes([200, 100]))
    np.testing.assert_array_equal(read_micrograph(tmp_path / "m.mrc").array, [[200, 100]])
    signed = raw_mrc(np.zeros((1, 2)), 0)[:1024] + bytes([200, 100])
    (tmp_path / "s.mrc").write_bytes(signed)
    np.testing.assert_array_equal(read_micrograph(tmp_path / "s.mrc").array, [[-56, 100]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>" * 40, "no MRC file.*text"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "no MRC file.*text"),
        (b"\xff" * 4096, "no MRC file"),
        (raw_mrc(np.zeros((5, 7)), 2)[:600], "truncated.*600.*1024"),
        (raw_mrc(np.zeros((5, 7)), 2)[:-1], "truncated.*139.*140"),
        (with_mode(4), "mode 4.*Fourier"),
        (with_mode(77), "mode 77"),
    ],
)
def test_damaged_and_misnamed_files_say_what_is_wrong(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "m.mrc"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        read_micrograph(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("suffix", PACK)
def test_truncated_and_false_compression(tmp_path: Path, rng: np.random.Generator, suffix: str) -> None:
    packed = PACK[suffix](raw_mrc(rng.normal(size=(50, 50)), 2))
    path = tmp_path / f"m.mrc{suffix}"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(FormatError, match=r"ends early|truncated"):
        read_micrograph(path)
    path.write_bytes(b"no compression at all")
    with pytest.raises(FormatError, match="cannot be read"):
        read_micrograph(path)


@pytest.mark.parametrize(
    ("name", "sections", "space_group", "word"),
    [
        ("m.mrc", 40, 0, "movie"),
        ("m.mrcs", 40, 1, "movie"),
        ("m.mrc", 40, 1, "volume"),
        ("m.mrc", 40, 401, "volume"),
        ("m.mrc", 5, 0, "volume"),  # a cube whose writer left the space group at 0
    ],
)
def test_movies_and_volumes_are_refused_by_that_word(
    tmp_path: Path, name: str, sections: int, space_group: int, word: str
) -> None:
    columns = 5 if sections == 5 else 7
    path = tmp_path / name
    path.write_bytes(raw_mrc(np.zeros((sections, 5, columns)), 2, nz=sections, ispg=space_group))
    for read in (read_micrograph, read_micrograph_header):
        with pytest.raises(FormatError, match=f"is a {word}.*found {sections} sections"):
            read(path)


def test_values_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"do not fit int8.*200"):
        write_micrograph(tmp_path / "m.mrc", np.full((2, 2), 200.0), None, "int8")
    with pytest.raises(OutputError, match="do not fit float16"):
        write_micrograph(tmp_path / "m.mrc", np.full((2, 2), 1e6), None, "float16")
    with pytest.raises(OutputError, match="found dtype float64"):
        write_micrograph(tmp_path / "m.mrc", np.zeros((2, 2)), None, "float64")
    assert not list(tmp_path.iterdir())


def test_refuses_volumes_and_other_suffixes_on_writing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="expected 2D"):
        write_micrograph(tmp_path / "m.mrc", np.zeros((2, 2, 2)))
    with pytest.raises(OutputError, match=r"expected \.mrc"):
        write_micrograph(tmp_path / "m.tif", np.zeros((2, 2)))


def test_a_real_file_whose_header_says_one_angstrom(shared_data: Path) -> None:
    micrograph = read_micrograph(shared_data / "micrographs" / "ice_ball_mrc" / "Ucsf_stack_1142_DW.mrc")
    assert micrograph.array.shape == (927, 959)
    assert micrograph.pixel_size is None
    assert np.isfinite(micrograph.array).all()
