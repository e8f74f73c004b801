"""Many micrographs: order, failures that end nothing, kinds that share a calibration, reading ahead."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryopick_cli.formats.inputs import MicrographSource, find_micrographs
from cryopick_cli.formats.micrograph import Micrograph, write_micrograph
from cryopick_cli.model.weights import Model
from cryopick_cli.picking import ahead as ahead_module
from cryopick_cli.picking import batch as batch_module
from cryopick_cli.picking.batch import Batch, count_pixels, group_by_kind, kind_of, read_source
from cryopick_cli.picking.calibrate import Calibration
from cryopick_cli.picking.choice import ranked
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.consistency import SizePrior
from cryopick_cli.progress import Watch
from cryopick_cli.units import Length

Plant = Callable[..., Micrograph]
Micrographs = Callable[..., list[MicrographSource]]
SHAPE = (200, 260)
CENTRES = np.array([(50, 60), (130.5, 80), (210, 70.25), (90, 150), (200, 150)])
CONFIG = PickConfig()
KNOWN = Calibration(unit="px", prior=SizePrior(30.0, 0.15), threshold=0.5)


@pytest.fixture
def micrographs(tmp_path: Path, plant: Plant) -> Micrographs:
    """Give a function that writes micrographs of these names and lists them."""

    def write(*names: str, pixel_size: float | None = None, diameter: float = 30.0) -> list[MicrographSource]:
        for name in names:
            array = plant(diameter, CENTRES, shape=SHAPE).array
            write_micrograph(tmp_path / "in" / f"{name}.mrc", array, pixel_size)
        return find_micrographs([str(tmp_path / "in")])

    return write


def source(path: Path, **values: Any) -> MicrographSource:
    return MicrographSource(path=path, name=path.name, relative=path.stem, **values)


def known_batch(model: Model, shape: tuple[int, int] = SHAPE) -> Batch:
    return Batch(model, CONFIG, calibrations={kind_of(shape, None, CONFIG): KNOWN})


def watched() -> tuple[list[tuple[str, int, list[str]]], Watch]:
    """Give a watch, and what it was told: what is done, how many steps were announced, and those done."""
    told: list[tuple[str, int, list[str]]] = []

    @contextmanager
    def watch(what: str, total: int, unit: str) -> Iterator[Callable[[str], None]]:
        told.append((what, total, []))
        yield told[-1][2].append

    return told, watch


def test_every_micrograph_gives_a_result_in_the_order_of_the_sources(
    planted_model: Model, micrographs: Micrographs
) -> None:
    sources = micrographs("c", "a", "sub/b")[::-1]
    batch = Batch(planted_model, PickConfig())
    batch.calibrate(sources)
    results = list(batch.pick(sources))
    assert [result.source for result in results] == sources
    for result in results:
        assert result.error is None
        assert result.picks is not None
        assert result.picks["accepted"].sum() == 5
        assert result.shape == SHAPE
        assert result.pixel_size is None
        assert result.box_size_px == 48  # 30 px, one and a half times 30 is 45, and 46 has a 23
        assert result.seconds > 0


@pytest.mark.parametrize(
    "config",
    [
        PickConfig(),
        PickConfig(junk="keep", contrast="dark"),
        PickConfig(diameter=Length(30, "px")),
    ],
)
def test_who_looks_on_is_told_of_each_step_of_the_calibration(
    planted_model: Model, micrographs: Micrographs, config: PickConfig
) -> None:
    told, watch = watched()
    Batch(planted_model, config).calibrate(micrographs("a", "b"), watch)
    assert [what for what, _, _ in told] == ["Reading headers", "Reading a sample", "Calibrating"]
    for _, total, items in told:
        assert len(items) == total
        assert set(items) == {"a", "b"}


@pytest.mark.parametrize(("held", "expected"), [(0.5, 1), (2.5, 2), (3.0, 3), (9.0, 3)])
def test_fewer_of_very_large_micrographs_are_held_in_memory(
    planted_model: Model, micrographs: Micrographs, held: float, expected: int
) -> None:
    sources = micrographs("a", "b", "c")
    config = PickConfig(calibration_pixels=int(held * SHAPE[0] * SHAPE[1]))
    learnt = Batch(planted_model, config).calibrate(sources)
    used = [name for calibration in learnt.values() for name in calibration.micrographs]
    first = ranked([source.relative for source in sources], config.seed)[:expected]
    assert used == sorted(first)


@pytest.mark.parametrize(("sample", "broken"), [(2, 1), (3, 1), (16, 2), (16, 3)])
def test_as_many_steps_are_done_as_announced_where_files_cannot_be_read(
    planted_model: Model, micrographs: Micrographs, sample: int, broken: int
) -> None:
    sources = micrographs("a", "b", "c")
    by_name = {source.relative: source.path for source in sources}
    for name in ranked(by_name, CONFIG.seed)[:broken]:  # whole headers, and half of the pixels
        content = by_name[name].read_bytes()
        by_name[name].write_bytes(content[: len(content) // 2])
    told, watch = watched()
    Batch(planted_model, PickConfig(calibration_micrographs=sample)).calibrate(sources, watch)
    assert len(told) == (3 if broken < 3 else 2)
    for what, total, items in told:
        assert len(items) == total, what


def test_a_corrupt_file_among_good_ones_fails_alone(
    planted_model: Model, micrographs: Micrographs, tmp_path: Path
) -> None:
    micrographs("a", "d", "g")
    (tmp_path / "in" / "b.mrc").write_bytes(b"no header")
    whole = (tmp_path / "in" / "a.mrc").read_bytes()
    (tmp_path / "in" / "c.mrc").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "in" / "e.png").write_bytes(b"no picture")
    with pytest.warns(RuntimeWarning, match="NaN"):
        write_micrograph(tmp_path / "in" / "f.mrc", np.full(SHAPE, np.nan, np.float32))
    sources = find_micrographs([str(tmp_path / "in")])
    batch = Batch(planted_model, PickConfig())
    batch.calibrate(sources)
    errors = {result.source.relative: result.error for result in batch.pick(sources)}
    assert [name for name, error in errors.items() if error is None] == ["a", "d", "g"]
    for name, words in (
        ("b.mrc", "truncated"),
        ("c.mrc", "ends early|truncated"),
        ("e.png", "picture"),
        ("f.mrc", "NaN"),
    ):
        error = errors[name[0]]
        assert error is not None
        assert error.startswith(str(tmp_path / "in" / name))
        assert any(word in error for word in words.split("|")), error


def test_a_missing_file_and_one_that_is_too_small_fail_alone(
    planted_model: Model, micrographs: Micrographs, tmp_path: Path
) -> None:
    good = micrographs("a")
    write_micrograph(tmp_path / "small.mrc", np.zeros((31, 200), np.float32))
    sources = [source(tmp_path / "gone.mrc"), *good, source(tmp_path / "small.mrc")]
    results = list(known_batch(planted_model).pick(sources))
    assert [result.error is None for result in results] == [False, True, False]
    assert "gone.mrc: is missing" in str(results[0].error)
    assert "found 200x31 px, expected at least 32 px each way" in str(results[2].error)


def test_an_error_of_our_own_making_fails_alone_too_and_names_its_kind(
    planted_model: Model, micrographs: Micrographs, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = micrographs("a", "b", "c")
    picks = batch_module.pick_micrograph

    def fails_once(model: Model, micrograph: Micrograph, *rest: Any) -> Any:
        if micrograph.path.stem == "b":
            raise RuntimeError("out of memory")
        return picks(model, micrograph, *rest)

    monkeypatch.setattr(batch_module, "pick_micrograph", fails_once)
    results = list(known_batch(planted_model).pick(sources))
    assert [result.error is None for result in results] == [True, False, True]
    assert results[1].error == f"{sources[1].path}: RuntimeError: out of memory"
    assert results[1].picks is None


def test_reading_goes_ahead_by_a_few_and_keeps_the_order(
    planted_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [source(tmp_path / f"{i:02d}.mrc") for i in range(12)]
    lock, reading, most = threading.Lock(), 0, 0
    started: list[str] = []

    def read(one: MicrographSource, _: float | None) -> Micrograph:
        nonlocal reading, most
        with lock:
            reading, most = reading + 1, max(most, reading + 1)
            started.append(one.relative)
        time.sleep(0.02 if int(one.relative) % 3 else 0.06)  # the first of three comes in last
        with lock:
            reading -= 1
        return Micrograph(np.zeros((64, 64), np.float32), None, one.path)

    monkeypatch.setattr(batch_module, "read_source", read)
    order = []
    for done, result in enumerate(known_batch(planted_model, (64, 64)).pick(sources)):
        order.append(result.source.relative)
        assert len(started) <= done + 1 + 4
    assert order == [one.relative for one in sources]
    assert 1 < most <= 4


def test_huge_micrographs_are_prepared_one_at_a_time_with_the_same_picks(
    planted_model: Model, micrographs: Micrographs, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = micrographs("a", "b", "c")
    whole = [result.picks for result in Batch(planted_model, CONFIG).pick(sources)]
    lock, read = threading.Lock(), 0

    def alone(*arguments: Any) -> Any:
        nonlocal read
        assert lock.acquire(blocking=False)
        try:
            read += 1
            time.sleep(0.01)
            return read_source(*arguments)
        finally:
            lock.release()

    monkeypatch.setattr(batch_module, "read_source", alone)
    monkeypatch.setattr(ahead_module, "MOST_PIXELS", 1.5 * SHAPE[0] * SHAPE[1])
    picks = [result.picks for result in Batch(planted_model, CONFIG).pick(sources)]
    assert read == 3 + 3  # the sample, and each file in its turn
    for one, expected in zip(picks, whole, strict=True):
        pd.testing.assert_frame_equal(one, expected, check_exact=True)


def test_pixels_are_counted_without_reading_them(micrographs: Micrographs) -> None:
    (one,) = micrographs("a")
    assert count_pixels(one) == SHAPE[0] * SHAPE[1]
    assert count_pixels(replace(one, path=Path("missing.mrc"))) == 0
    assert count_pixels(replace(one, path=Path("missing.mrc"), shape=(3, 5))) == 15


def test_stopping_early_reads_no_further(
    planted_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def read(one: MicrographSource, _: float | None) -> Micrograph:
        started.append(one.relative)
        return Micrograph(np.zeros((64, 64), np.float32), None, one.path)

    monkeypatch.setattr(batch_module, "read_source", read)
    results = known_batch(planted_model, (64, 64)).pick([source(tmp_path / f"{i}.mrc") for i in range(50)])
    next(results)
    results.close()  # type: ignore[attr-defined]
    time.sleep(0.05)
    assert len(started) <= 5


def test_pixel_size_is_the_given_one_else_the_lists_else_the_headers(
    micrographs: Micrographs,
) -> None:
    (one,) = micrographs("a", pixel_size=1.5)
    assert read_source(one, None).pixel_size == pytest.approx(1.5)
    assert read_source(replace(one, pixel_size=2.5), None).pixel_size == 2.5
    assert read_source(replace(one, pixel_size=2.5), 3.5).pixel_size == 3.5


def test_kinds_are_all_with_a_pixel_size_and_else_those_of_one_shape() -> None:
    assert kind_of((100, 200), 1.2, CONFIG) == kind_of((4096, 4096), 3.0, CONFIG) == "Å"
    assert kind_of((100, 200), None, CONFIG) == "200x100 px"


def test_a_diameter_given_in_pixels_is_another_one_for_each_pixel_size() -> None:
    in_px, in_angstrom = PickConfig(diameter=Length(90, "px")), PickConfig(diameter=Length(120, "A"))
    assert kind_of((100, 200), 1.2, in_px) == "1.2 Å/px"
    assert kind_of((100, 200), 3.0, in_px) == "3 Å/px"
    assert kind_of((100, 200), 3.0, in_angstrom) == "Å"


def test_micrographs_of_different_pixel_sizes_keep_a_diameter_given_in_pixels(
    planted_model: Model, micrographs: Micrographs
) -> None:
    micrographs("a", pixel_size=2.0)
    sources = micrographs("b", pixel_size=4.0)
    batch = Batch(planted_model, PickConfig(diameter=Length(30, "px")))
    batch.calibrate(sources)
    results = list(batch.pick(sources))
    assert [result.box_size_px for result in results] == [48, 48]
    for result in results:
        assert result.picks is not None
        assert result.picks["accepted"].sum() == 5


def test_micrographs_are_grouped_by_kind_and_unreadable_ones_left_out(
    micrographs: Micrographs, tmp_path: Path
) -> None:
    micrographs("a", "b", pixel_size=2.0)
    micrographs("c")
    write_micrograph(tmp_path / "in" / "d.mrc", np.zeros((64, 64), np.float32))
    (tmp_path / "in" / "e.mrc").write_bytes(b"no header")
    sources = find_micrographs([str(tmp_path / "in")])
    groups = group_by_kind(sources, None, CONFIG)
    assert {kind: sorted(members) for kind, members in groups.items()} == {
        "Å": ["a", "b"],
        "260x200 px": ["c"],
        "64x64 px": ["d"],
    }
    assert {kind: len(members) for kind, members in group_by_kind(sources, 1.5, CONFIG).items()} == {"Å": 5}


def test_each_kind_is_calibrated_by_itself_and_once(planted_model: Model, micrographs: Micrographs) -> None:
    micrographs("a", "b", pixel_size=2.0)
    sources = micrographs("c", diameter=40.0)
    told: list[str] = []
    batch = Batch(planted_model, PickConfig(), report=told.append)
    found = batch.calibrate(sources)
    assert sorted(told) == sorted(found) == ["260x200 px", "Å"]
    assert found["Å"].diameter_px(2.0) == pytest.approx(30, rel=0.06)
    assert found["Å"].micrographs == ("a", "b")
    assert found["260x200 px"].diameter_px(None) == pytest.approx(40, rel=0.06)
    before = dict(found)
    assert all(batch.calibrate(sources)[kind] is before[kind] for kind in before)
    assert len(told) == 2


def test_a_calibration_from_an_earlier_run_is_kept(
    planted_model: Model, micrographs: Micrographs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_module, "calibrate", lambda *_: pytest.fail("calibrated again"))
    batch = known_batch(planted_model)
    sources = micrographs("a")
    assert batch.calibrate(sources) == {kind_of(SHAPE, None, CONFIG): KNOWN}
    (result,) = batch.pick(sources)
    assert result.error is None


def test_one_of_an_unknown_kind_is_calibrated_when_its_turn_comes(
    planted_model: Model, micrographs: Micrographs
) -> None:
    batch = Batch(planted_model, PickConfig())
    (result,) = batch.pick(micrographs("a"))
    assert result.picks is not None
    assert result.picks["accepted"].sum() == 5
    assert batch.calibrations["260x200 px"].micrographs == ("a",)


def test_one_of_a_kind_met_late_is_calibrated_on_all_of_its_kind_whatever_comes_first(
    planted_model: Model, micrographs: Micrographs
) -> None:
    """Such as micrographs whose files were not there when the samples were drawn."""
    sources = micrographs("a", "b", "c")
    learnt = []
    for order in (sources, sources[::-1]):
        told: list[str] = []
        batch = Batch(planted_model, PickConfig(calibration_micrographs=2), report=told.append)
        whole = {one.path: one.path.read_bytes() for one in sources}
        for path in whole:
            path.write_bytes(b"")
        assert batch.calibrate(order) == {}
        for path, content in whole.items():
            path.write_bytes(content)
        next(batch.pick(order))
        assert told == ["260x200 px"]
        learnt.append(batch.calibrations["260x200 px"])
    assert learnt[0] == learnt[1]
    assert len(learnt[0].micrographs) == 2


def test_in_place_of_an_unreadable_micrograph_the_next_by_hash_is_taken(
    planted_model: Model, micrographs: Micrographs, tmp_path: Path
) -> None:
    sources = micrographs("a", "b", "c", "d")
    first, second, *_ = ranked([one.relative for one in sources], 0)
    path = tmp_path / "in" / f"{first}.mrc"
    path.write_bytes(path.read_bytes()[:-4000])
    for order in (sources, sources[::-1]):
        batch = Batch(planted_model, PickConfig(calibration_micrographs=1))
        assert batch.calibrate(order)["260x200 px"].micrographs == (second,)


def test_unreadable_micrographs_are_left_out_of_the_sample(
    planted_model: Model, micrographs: Micrographs, tmp_path: Path
) -> None:
    micrographs("a")
    whole = (tmp_path / "in" / "a.mrc").read_bytes()
    (tmp_path / "in" / "b.mrc").write_bytes(whole[:-4000])  # its header is as good as the other's
    batch = Batch(planted_model, PickConfig())
    found = batch.calibrate(find_micrographs([str(tmp_path / "in")]))
    assert found["260x200 px"].micrographs == ("a",)


def test_a_run_over_nothing_but_bad_files_calibrates_nothing(planted_model: Model, tmp_path: Path) -> None:
    (tmp_path / "a.mrc").write_bytes(b"")
    sources = [source(tmp_path / "a.mrc"), source(tmp_path / "b.mrc")]
    batch = Batch(planted_model, PickConfig())
    assert batch.calibrate(sources) == {}
    assert [result.error is None for result in batch.pick(sources)] == [False, False]


def picks_of(sources: Sequence[MicrographSource], model: Model) -> dict[str, list[list[float]]]:
    """Calibrate on two micrographs and pick; gives x, y, score, threshold and say by micrograph."""
    batch = Batch(model, PickConfig(calibration_micrographs=2))
    batch.calibrate(sources)
    return {
        result.source.relative: result.picks[["x", "y", "score", "threshold", "accepted"]].to_numpy().tolist()
        for result in batch.pick(sources)
        if result.picks is not None
    }


def test_picks_do_not_depend_on_the_order_of_the_files(
    planted_model: Model, micrographs: Micrographs
) -> None:
    sources = micrographs("a", "b", "c", "d")
    forth, back = picks_of(sources, planted_model), picks_of(sources[::-1], planted_model)
    assert len(forth) == 4
    assert forth == back


def test_picks_do_not_depend_on_micrographs_beyond_the_calibration_set(
    planted_model: Model, micrographs: Micrographs
) -> None:
    first, second, third, last = ranked("abcd", 0)
    few = picks_of(micrographs(first, second, third), planted_model)
    other = micrographs(last, diameter=45.0)  # unlike the rest, and not calibrated on
    assert [one.relative for one in other] == ["a", "b", "c", "d"]
    all_of_them = picks_of(other, planted_model)
    assert {name: all_of_them[name] for name in few} == few
    exchanged = [one for one in other if one.relative != second]
    assert picks_of(exchanged, planted_model)[first] != few[first]  # where it is calibrated on, it matters


def test_lengths_in_angstrom_fail_where_the_pixel_size_is_unknown_and_there_alone(
    planted_model: Model, micrographs: Micrographs
) -> None:
    micrographs("a")
    sources = micrographs("b", pixel_size=2.0)
    for config in (PickConfig(diameter=Length(60, "A")), PickConfig(min_distance=Length(30, "A"))):
        batch = Batch(planted_model, config)
        assert set(batch.calibrate(sources)) == {"Å"}
        failed, picked = batch.pick(sources)
        assert failed.error is not None
        assert failed.error.startswith(f"{sources[0].path}: unknown pixel size")
        assert "--pixel-size" in failed.error
        assert picked.error is None
