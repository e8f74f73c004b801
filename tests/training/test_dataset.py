"""Crops: where a particle lies after cutting, resizing and turning; sizes; what is learnt, what ignored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cryopick_cli.errors import InputError
from cryopick_cli.formats.coordinates import make_coordinates
from cryopick_cli.formats.micrograph import write_micrograph
from cryopick_cli.formats.registry import write_coordinates
from cryopick_cli.imaging.resample import resample
from cryopick_cli.model.anchors import BACKGROUND, PARTICLE, MatchConfig, decode
from cryopick_cli.model.losses import Targets
from cryopick_cli.training import dataset
from cryopick_cli.training.config import AugmentConfig, CropConfig, SourceConfig, TrainConfig
from cryopick_cli.training.dataset import (
    Crop,
    Crops,
    LabelledMicrograph,
    collate,
    draw_crop,
    draw_example,
    find_labelled,
    split_targets,
    to_crop,
    turn,
)

Recipe = Callable[..., TrainConfig]
PLAIN = AugmentConfig(**{one.name: 0.0 for one in fields(AugmentConfig)})
SOURCE = SourceConfig(name="own", micrographs=Path("mics"), coordinates=Path("coords"))


def blob(shape: tuple[int, int], x: float, y: float, sigma: float = 4.0) -> NDArray[np.float32]:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)).astype(np.float32)


def centroid(array: NDArray[np.float32]) -> tuple[float, float]:
    rows, columns = np.mgrid[: array.shape[0], : array.shape[1]]
    return float((columns * array).sum() / array.sum()), float((rows * array).sum() / array.sum())


def labelled_with(*rows: tuple[float, float, float, float], path: str = "mic.mrc") -> LabelledMicrograph:
    return LabelledMicrograph(Path(path), np.array(rows, dtype=np.float64).reshape(-1, 4))


@pytest.mark.parametrize("symmetry", range(8))
@pytest.mark.parametrize("crop", [Crop(31.0, 17.0, 128.0), Crop(20.4, 33.7, 97.3), Crop(60.2, 0.0, 180.0)])
def test_a_particle_stays_under_its_target(symmetry: int, crop: Crop) -> None:
    """From the micrograph through cut, resize and each symmetry of the square."""
    x, y = 83.3, 71.6
    view = resample(blob((190, 260), x, y), (96, 96), crop.region)
    reference = to_crop(np.array([[x, y, 30.0, 0.0]]), crop, 96)
    view, reference = turn(view, reference, symmetry)
    assert centroid(view) == pytest.approx(tuple(reference[0, :2]), abs=0.06)
    assert reference[0, 2] == pytest.approx(30 * 96 / crop.side)


def test_the_eight_symmetries_are_different(rng: np.random.Generator) -> None:
    view = rng.normal(size=(5, 5)).astype(np.float32)
    turned = {turn(view, np.zeros((0, 4)), symmetry)[0].tobytes() for symmetry in range(8)}
    assert len(turned) == 8


def test_moving_and_turning_change_no_input() -> None:
    reference = np.array([[10.0, 20.0, 30.0, 0.0]])
    to_crop(reference, Crop(5, 5, 50), 100)
    turn(np.zeros((9, 9), np.float32), reference, 7)
    assert reference.tolist() == [[10, 20, 30, 0]]


def test_an_example_shows_its_particle_at_its_target(tmp_path: Path, recipe: Recipe) -> None:
    """The whole way from the file, dark particle and normalisation included."""
    x, y = 140.3, 101.8
    array = np.random.default_rng(5).normal(0, 1, (230, 290)).astype(np.float32)
    rows, columns = np.mgrid[:230, :290]
    array[(columns - x) ** 2 + (rows - y) ** 2 <= 5**2] -= 30  # the middle of it, which no background eats
    write_micrograph(tmp_path / "mic.mrc", 10 * array + 300)
    labelled = labelled_with((x, y, 32, 0), path=str(tmp_path / "mic.mrc"))
    config = recipe(augment=PLAIN, crop=CropConfig(size_px=96, focus_share=1.0, smallest_side_px=64))
    whole = 0
    for seed in range(20):
        view, targets = draw_example(labelled, config, np.random.default_rng(seed))
        assert view.shape == (1, 96, 96)
        assert view.dtype == torch.float32
        (target,) = torch.cat([targets.particles, targets.ignored]).numpy()
        if min(*target[:2], *(95 - target[:2])) > target[2] / 2:
            whole += 1
            dark = (view[0].numpy() < -5).astype(np.float32)
            assert centroid(dark) == pytest.approx(tuple(target[:2]), abs=0.03 * float(target[2]))
    assert whole >= 8


@pytest.mark.parametrize("decoy", ["phase_noise", "wrong_contrast"])
def test_a_decoy_shows_a_changed_view_and_no_particle(tmp_path: Path, recipe: Recipe, decoy: str) -> None:
    array = np.random.default_rng(5).normal(0, 1, (160, 160)).astype(np.float32)
    array[60:80, 60:80] -= 8
    write_micrograph(tmp_path / "mic.mrc", array)
    labelled = labelled_with((69.5, 69.5, 32, 0), path=str(tmp_path / "mic.mrc"))
    config = recipe(augment=replace(PLAIN, **{decoy: 1.0}), crop=CropConfig(size_px=96, focus_share=1.0))
    for seed in range(5):
        view, targets = draw_example(labelled, config, np.random.default_rng(seed))
        assert len(targets.particles) == len(targets.ignored) == 0
        assert view.std() > 0.3
        if decoy == "wrong_contrast":
            assert view.max() > -view.min()


def crops_of(config: TrainConfig, labelled: LabelledMicrograph, count: int = 400) -> list[Crop]:
    rng = np.random.default_rng(3)
    return [draw_crop((3000, 4000), labelled, config, rng) for _ in range(count)]


def test_every_crop_is_a_square_inside_the_micrograph(recipe: Recipe) -> None:
    particle = labelled_with((5, 5, 150, 0), (3990, 2990, 150, 0))
    for labelled in (particle, labelled_with()):
        for crop in crops_of(recipe(crop=CropConfig()), labelled):
            left, top, right, bottom = crop.region
            assert left >= 0
            assert top >= 0
            assert right <= 4000 + 1e-9
            assert bottom <= 3000 + 1e-9
            assert right - left == pytest.approx(crop.side)
            assert 224 - 1e-9 <= crop.side <= 3000


def test_diameters_in_the_crops_follow_the_recipe(recipe: Recipe) -> None:
    labelled = labelled_with((2000, 1500, 100, 0))

    def diameters(share: float) -> NDArray[np.float64]:
        config = recipe(crop=CropConfig(working_share=share, size_px=512, smallest_side_px=100))
        return np.array([100 * 512 / crop.side for crop in crops_of(config, labelled)])

    near = np.log(diameters(1.0) / 40)
    assert np.median(near) == pytest.approx(0, abs=0.06)
    assert near.std() == pytest.approx(0.35, abs=0.05)
    spread = np.log(diameters(0.0))
    low, high = np.log(100 * 512 / 3000), np.log(200)  # the micrograph's short side limits how small they get
    assert spread.min() == pytest.approx(low, abs=0.05)
    assert spread.max() == pytest.approx(high, abs=0.05)
    assert np.mean(spread < np.log(np.sqrt(17 * 200))) == pytest.approx(0.5, abs=0.1)


def test_crops_without_particles_are_of_every_size(recipe: Recipe) -> None:
    sides = np.log([crop.side for crop in crops_of(recipe(crop=CropConfig()), labelled_with())])
    assert sides.min() == pytest.approx(np.log(224), abs=0.1)
    assert sides.max() == pytest.approx(np.log(3000), abs=0.1)
    assert np.median(sides) == pytest.approx((np.log(224) + np.log(3000)) / 2, abs=0.2)


def test_crops_are_placed_about_particles_as_often_as_asked(recipe: Recipe) -> None:
    labelled = labelled_with((2000, 1500, 60, 0), (1, 1, 60, 1))

    def share_with_the_particle(focus: float) -> float:
        found = crops_of(recipe(crop=CropConfig(focus_share=focus, working_share=1.0)), labelled)
        inside = [c.left < 2000 < c.left + c.side and c.top < 1500 < c.top + c.side for c in found]
        return float(np.mean(inside))

    assert share_with_the_particle(1.0) == 1
    assert share_with_the_particle(0.0) < 0.3


def test_an_item_depends_on_seed_and_index_alone(planted_data: Path, recipe: Recipe) -> None:
    config = recipe()
    sources = [find_labelled(source, planted_data) for source in config.sources]
    first, again = Crops(sources, config), Crops(sources, config)
    [again[i] for i in (9, 1)]  # what was drawn before must not matter
    for one, other in ((first[4], again[4]), (first[0], again[0])):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1].particles, other[1].particles)
    assert not torch.equal(first[4][0], first[5][0])
    assert not torch.equal(first[4][0], Crops(sources, replace(config, seed=1))[4][0])


def test_sources_are_drawn_by_their_shares(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = (replace(SOURCE, name="a", share=1.0), replace(SOURCE, name="b", share=3.0))
    crops = Crops([[labelled_with(path="a")], [labelled_with(path="b")] * 5], recipe(sources=sources))
    monkeypatch.setattr(dataset, "draw_example", lambda labelled, config, rng: labelled.path.name)
    drawn = [crops[i] for i in range(600)]
    assert drawn.count("b") / 600 == pytest.approx(0.75, abs=0.05)  # type: ignore[arg-type]


def test_targets_are_learnt_only_if_whole_unmarked_and_of_a_covered_size(recipe: Recipe) -> None:
    reference = np.array(
        [
            (32, 32, 20, 0),  # learnt
            (32, 32, 20, 1),  # marked
            (3, 32, 20, 0),  # nearer to the edge than a fifth of its diameter
            (4.5, 32, 20, 0),  # learnt: just beyond that
            (-5, 32, 20, 0),  # its centre is outside, its rim is not
            (-11, 32, 20, 0),  # out of sight
            (32, 32, 10, 0),  # smaller than the network covers
            (32, 32, 240, 0),  # larger
        ],
        dtype=np.float64,
    )
    targets = split_targets(reference, 64, recipe())
    assert targets.particles.tolist() == reference[[0, 3], :3].tolist()
    assert targets.ignored.tolist() == reference[[1, 2, 4, 6, 7], :3].tolist()
    assert targets.particles.dtype == torch.float32


def test_a_crop_without_reference_has_empty_targets(recipe: Recipe) -> None:
    targets = split_targets(np.zeros((0, 4)), 64, recipe())
    assert targets.particles.shape == targets.ignored.shape == (0, 3)


def test_light_particles_come_out_dark(tmp_path: Path, recipe: Recipe) -> None:
    write_micrograph(tmp_path / "mic.mrc", 5 * blob((100, 100), 50, 50, sigma=6))
    dark = labelled_with((50, 50, 24, 0), path=str(tmp_path / "mic.mrc"))
    config = recipe(augment=PLAIN, crop=CropConfig(size_px=64, focus_share=1.0))
    views = [
        draw_example(replace(dark, light=light), config, np.random.default_rng(0))[0]
        for light in (True, False)
    ]
    torch.testing.assert_close(views[0], -views[1], atol=1e-4, rtol=0)
    assert views[0].min() < -1


def test_dead_pixels_do_not_spoil_a_crop(tmp_path: Path, recipe: Recipe, rng: np.random.Generator) -> None:
    array = rng.normal(size=(100, 100)).astype(np.float32)
    array[40:44, 40:44] = np.nan
    with pytest.warns(RuntimeWarning, match="NaN"):
        write_micrograph(tmp_path / "mic.mrc", array)
    labelled = labelled_with((50, 50, 24, 0), path=str(tmp_path / "mic.mrc"))
    for seed in range(5):
        view, _ = draw_example(labelled, recipe(), np.random.default_rng(seed))
        assert torch.isfinite(view).all()
        assert view.std() > 0.2


def test_batches_stack_views_and_match_their_particles() -> None:
    none = torch.zeros(0, 3)
    anchors = torch.tensor([[20.0, 20.0, 24.0], [80.0, 80.0, 24.0]])
    one = Targets(torch.tensor([[81.0, 79.0, 25.0]]), none)
    batch = [(torch.zeros(1, 8, 8), Targets(none, none)), (torch.ones(1, 8, 8), one)]
    views, matched = collate(batch, anchors, MatchConfig())
    assert views.shape == (2, 1, 8, 8)
    assert views[1].all()
    assert matched.labels.tolist() == [[BACKGROUND, BACKGROUND], [BACKGROUND, PARTICLE]]
    assert (matched.views.tolist(), matched.rows.tolist()) == ([1], [1])
    torch.testing.assert_close(decode(matched.wanted, anchors[matched.rows]), one.particles)


def test_diameter_of_a_micrograph_is_the_median_of_what_is_learnt() -> None:
    assert labelled_with((0, 0, 20, 0), (0, 0, 30, 0), (0, 0, 26, 0), (0, 0, 900, 1)).diameter == 26
    assert labelled_with((0, 0, 900, 1)).diameter is None
    assert labelled_with().diameter is None


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write micrographs a, b and c, of which a and b have coordinates."""
    for name in ("a", "b", "c"):
        write_micrograph(tmp_path / "mics" / f"{name}.mrc", np.zeros((40, 50), np.float32), 2.0)
    (tmp_path / "coords").mkdir()
    (tmp_path / "coords" / "a.csv").write_text("x,y,diameter,ignore\n10,20,30,0\n5,6,7,1\n")
    (tmp_path / "coords" / "b.csv").write_text("x,y,diameter\n")
    return tmp_path


def test_micrographs_are_found_with_their_coordinates(data: Path) -> None:
    one, two = find_labelled(SOURCE, data)
    assert one.path == data / "mics" / "a.mrc"
    assert one.reference.tolist() == [[10, 20, 30, 0], [5, 6, 7, 1]]
    assert two.reference.shape == (0, 4)  # looked at, and empty; c was not looked at, so it says nothing


def test_a_source_without_coordinates_holds_no_particles(data: Path) -> None:
    found = find_labelled(replace(SOURCE, coordinates=None), data)
    assert [len(one.reference) for one in found] == [0, 0, 0]


def test_include_and_exclude_choose_by_name(data: Path) -> None:
    assert [one.path.stem for one in find_labelled(replace(SOURCE, include=("b*",)), data)] == ["b"]
    assert [one.path.stem for one in find_labelled(replace(SOURCE, exclude=("b*",)), data)] == ["a"]


def test_places_to_ignore_may_lie_in_files_of_their_own(data: Path) -> None:
    (data / "doubt").mkdir()
    (data / "doubt" / "a.csv").write_text("x,y,diameter\n40,30,90\n")
    one, two = find_labelled(replace(SOURCE, ignore=Path("doubt")), data)
    assert one.reference.tolist() == [[10, 20, 30, 0], [5, 6, 7, 1], [40, 30, 90, 1]]
    assert len(two.reference) == 0


def test_contrast_of_the_source_is_that_of_its_micrographs(data: Path) -> None:
    assert not any(one.light for one in find_labelled(SOURCE, data))
    assert all(one.light for one in find_labelled(replace(SOURCE, contrast="light"), data))


@pytest.mark.parametrize("ending", ["_autopick.star", ".box", ".cbox"])
def test_coordinates_of_other_programs_are_taken_with_a_diameter(data: Path, ending: str) -> None:
    table = make_coordinates([12.0, 30.0], [22.0, 8.0], diameter_px=20.0, score=0.9)
    write_coordinates(data / "coords" / f"c{ending}", table)
    found = find_labelled(replace(SOURCE, include=("c*",), diameter="40A"), data)
    assert found[0].reference.tolist() == [[12, 22, 20, 0], [30, 8, 20, 0]]  # 40 Å at 2 Å a pixel


def test_coordinates_without_diameters_ask_for_one(data: Path) -> None:
    (data / "coords" / "c.csv").write_text("x,y\n10,20\n11,21\n")
    with pytest.raises(InputError, match=r"c\.mrc: 2 of its 2 coordinates have no diameter.*--diameter"):
        find_labelled(SOURCE, data)


def test_compressed_micrographs_have_coordinates_of_their_stem(data: Path) -> None:
    (data / "mics" / "d.mrc.gz").write_bytes(b"")
    (data / "coords" / "d.csv").write_text("x,y,diameter\n1,2,30\n")
    assert [one.path.name for one in find_labelled(SOURCE, data)] == ["a.mrc", "b.mrc", "d.mrc.gz"]


def test_coordinates_that_appear_later_are_found_then(data: Path) -> None:
    """A simulation may still be writing while training runs."""
    only_c = replace(SOURCE, include=("c*",))
    with pytest.raises(InputError, match="found no micrograph with coordinates"):
        find_labelled(only_c, data)
    (data / "coords" / "c.csv").write_text("x,y,diameter\n1,2,30\n")
    assert len(find_labelled(only_c, data)) == 1


def test_a_source_without_any_coordinates_is_named(data: Path) -> None:
    with pytest.raises(InputError, match=r"source own: found no micrograph with coordinates under .*mics"):
        find_labelled(replace(SOURCE, include=("x*",)), data)
    with pytest.raises(InputError, match="is missing"):
        find_labelled(replace(SOURCE, micrographs=Path("nowhere")), data)


def write_particles(data: Path, *names: str) -> Path:
    table = make_coordinates([12.0] * len(names), [22.0] * len(names), micrograph=names)
    write_coordinates(data / "particles.star", table, "particles")
    return Path("particles.star")


def test_one_file_holds_the_coordinates_of_all_micrographs(data: Path) -> None:
    """Paired by name, whatever the folder, the suffix and cryoSPARC's number."""
    file = write_particles(data, "Movies/a.mrc", "000123456789012345678_c.mrc")
    found = find_labelled(replace(SOURCE, coordinates=file, diameter="40A"), data)
    assert {one.path.stem: one.reference.tolist() for one in found} == {
        "a": [[12, 22, 20, 0]],  # 40 Å at 2 Å a pixel
        "c": [[12, 22, 20, 0]],
    }
    bigger = replace(SOURCE, coordinates=file, diameter="40A", pixel_size=4.0)
    assert find_labelled(bigger, data)[0].reference.tolist() == [[12, 22, 10, 0]]


def test_a_particles_file_names_micrographs_and_coordinates(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write_particles(data, "mics/a.mrc", "mics/b.mrc", "mics/gone.mrc")
    found = find_labelled(replace(SOURCE, micrographs=file, coordinates=file, diameter="20px"), data)
    assert [one.path for one in found] == [data / "mics" / "a.mrc", data / "mics" / "b.mrc"]
    assert "1 of 3 micrographs are missing and left out (first: mics/gone.mrc)" in caplog.text


def test_the_list_s_pixel_size_goes_before_the_header_s(data: Path) -> None:
    (data / "m.star").write_text(
        "data_\nloop_\n_rlnMicrographName\n_rlnMicrographPixelSize\nmics/a.mrc 4.0\n"
    )
    (data / "coords" / "a.csv").write_text("x,y\n12,22\n")
    found = find_labelled(replace(SOURCE, micrographs=Path("m.star"), diameter="40A"), data)
    assert found[0].reference.tolist() == [[12, 22, 10, 0]]


def test_names_that_differ_by_cryosparcs_number_are_told(data: Path) -> None:
    for name in ("a", "b"):
        path = data / "coords" / f"{name}.csv"
        path.rename(path.with_name(f"000123456789012345678_{name}.csv"))
    with pytest.raises(
        InputError, match=r"78_a\.csv for a\.mrc, which differ by cryoSPARC's number in front"
    ):
        find_labelled(SOURCE, data)
