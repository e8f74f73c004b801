"""TIFF, PNG and JPEG; row order; what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from cryopick_cli.errors import FormatError
from cryopick_cli.formats.micrograph import read_micrograph, read_micrograph_header, split_suffix

# The brightest value is at x = 4, y = 1: a reader that flips or transposes is caught.
ARRAY = np.zeros((3, 6))
ARRAY[1, 4] = 200
ARRAY[0, 0] = 100


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float16"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff(tmp_path: Path, dtype: str, compression: str | None) -> None:
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, ARRAY.astype(dtype), compression=compression)
    micrograph = read_micrograph(path)
    np.testing.assert_array_equal(micrograph.array, ARRAY)
    assert micrograph.array.dtype == np.float32
    assert read_micrograph_header(path).shape == (3, 6)


def test_tiff_resolution_is_not_taken_for_a_pixel_size(tmp_path: Path) -> None:
    path = tmp_path / "m.tiff"
    tifffile.imwrite(path, ARRAY.astype(np.float32), resolution=(72, 72))
    assert read_micrograph(path).pixel_size is None


def test_tiff_with_lzw(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    Image.fromarray(ARRAY.astype(np.uint16)).save(path, compression="tiff_lzw")
    np.testing.assert_array_equal(read_micrograph(path).array, ARRAY)


def test_png_of_8_and_16_bit(tmp_path: Path) -> None:
    Image.fromarray(ARRAY.astype(np.uint8)).save(tmp_path / "a.png")
    Image.fromarray((ARRAY * 300).astype(np.uint16)).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_micrograph(tmp_path / "a.png").array, ARRAY)
    np.testing.assert_array_equal(read_micrograph(tmp_path / "b.png").array, ARRAY * 300)
    assert read_micrograph_header(tmp_path / "b.png").shape == (3, 6)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "1", "LA"])
def test_pictures_in_colour_become_grey(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(np.where(ARRAY > 0, 255, 0).astype(np.uint8)).convert(mode)
    picture.save(tmp_path / "m.png")
    np.testing.assert_allclose(
        read_micrograph(tmp_path / "m.png").array, np.where(ARRAY > 0, 255, 0), atol=1e-3
    )


def test_jpeg(tmp_path: Path) -> None:
    smooth = np.broadcast_to(np.linspace(0, 255, 64), (48, 64))
    Image.fromarray(smooth.astype(np.uint8)).save(tmp_path / "m.jpg", quality=95)
    np.testing.assert_allclose(read_micrograph(tmp_path / "m.jpg").array, smooth, atol=4)


def test_several_pages_are_a_movie(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", np.zeros((4, 8, 8), np.uint16), photometric="minisblack")
    for read in (read_micrograph, read_micrograph_header):
        with pytest.raises(FormatError, match=r"is a movie.*4 pages"):
            read(tmp_path / "m.tif")


def test_eer_is_a_movie(tmp_path: Path) -> None:
    (tmp_path / "m.eer").write_bytes(b"II+\0")
    with pytest.raises(FormatError, match="is a movie"):
        read_micrograph(tmp_path / "m.eer")


@pytest.mark.parametrize("name", ["m.tif", "m.png", "m.jpg"])
@pytest.mark.parametrize("cut", [0, 20, 200])
def test_damaged_pictures(tmp_path: Path, rng: np.random.Generator, name: str, cut: int) -> None:
    path = tmp_path / name
    noise = rng.integers(0, 255, (32, 32)).astype(np.uint8)
    if name == "m.tif":
        tifffile.imwrite(path, noise)
    else:
        Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(FormatError, match="cannot be read as"):
        read_micrograph(path)


def test_a_missing_file_a_folder_and_an_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="is missing"):
        read_micrograph(tmp_path / "m.mrc")
    (tmp_path / "d.mrc").mkdir()
    with pytest.raises(FormatError, match="is no file"):
        read_micrograph(tmp_path / "d.mrc")
    (tmp_path / "m.dm4").write_bytes(b"")
    with pytest.raises(FormatError, match=r"found suffix '\.dm4'"):
        read_micrograph(tmp_path / "m.dm4")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.mrc", ("a", ".mrc")),
        ("a.b.mrc.gz", ("a.b", ".mrc.gz")),
        ("A.MRC.BZ2", ("A", ".MRC.BZ2")),
        ("01nov26b.001", ("01nov26b", ".001")),
        ("plain", ("plain", "")),
        (".mrc", (".mrc", "")),
    ],
)
def test_split_suffix(name: str, parts: tuple[str, str]) -> None:
    assert split_suffix(name) == parts
