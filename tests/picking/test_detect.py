"""Running the network over a view: tiles, floor, limits, and candidates that do not depend on either."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cryopick_cli.errors import ConfigError
from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.imaging.normalise import NormaliseConfig, normalise
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.device import DeviceChoice
from cryopick_cli.model.network import Output, RetinaNet
from cryopick_cli.model.weights import Model, ModelCard, OperatingPoint
from cryopick_cli.picking.detect import Candidates, DetectConfig, detect, fuse, overlap, tiles

Plant = Callable[..., Micrograph]
CONFIG = DetectConfig()


class Answers(nn.Module):
    """A network that always says the same."""

    multiple = 64

    def __init__(self, *rows: tuple[float, float, float, float]) -> None:
        super().__init__()
        self.rows = torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)
        self.seen: list[tuple[int, ...]] = []

    def forward(self, view: Tensor) -> Output:
        self.seen.append(tuple(view.shape))
        return Output(self.rows[None, :, 3], torch.zeros(1, len(self.rows), 3), self.rows[:, :3])


def model_of(network: nn.Module, dtype: torch.dtype = torch.float32) -> Model:
    card = ModelCard(name="", sha256="", network=NetworkConfig(), operating_point=OperatingPoint())
    return Model(network, card, DeviceChoice(torch.device("cpu"), dtype, "a test"))  # type: ignore[arg-type]


def blank(height: int = 200, width: int = 300) -> np.ndarray:
    return np.zeros((height, width), np.float32)


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (63, 2048), (2048, 2048), (2049, 2049), (3838, 3710), (4092, 5760), (8184, 11520), (2047, 5633)],
)
def test_every_pixel_belongs_to_one_core(shape: tuple[int, int]) -> None:
    count = np.zeros(shape, np.uint8)
    for tile in tiles(shape, CONFIG):
        count[tile.core] += 1
    assert (count == 1).all()


@pytest.mark.parametrize(
    ("config", "lengths"),
    [
        (DetectConfig(tile_px=128, tile_overlap_px=33), range(1, 700)),
        (DetectConfig(tile_px=64, tile_overlap_px=0), range(1, 300)),
        (CONFIG, [2048, 2049, 3840, 3841, 5632, 5760, 11520, 23040]),
    ],
)
def test_windows_are_no_longer_than_a_tile_and_hold_their_core_with_a_margin(
    config: DetectConfig, lengths: Sequence[int]
) -> None:
    margin = config.tile_overlap_px // 2
    for length in lengths:
        spans = [(tile.window[1], tile.core[1]) for tile in tiles((1, length), config)]
        assert spans[0][0].start == spans[0][1].start == 0
        assert spans[-1][0].stop == spans[-1][1].stop == length
        for window, core in spans:
            assert window.stop - window.start <= config.tile_px
            assert core.start < core.stop
            assert core.start - window.start >= margin or window.start == 0
            assert window.stop - core.stop >= margin or window.stop == length


def test_a_view_that_fits_is_one_tile() -> None:
    assert len(list(tiles((2048, 1500), CONFIG))) == 1


@pytest.mark.parametrize("shape", [(420, 530), (257, 640)])
def test_candidates_are_the_same_with_and_without_tiles(
    shape: tuple[int, int], planted_model: Model, plant: Plant, rng: np.random.Generator
) -> None:
    grid = np.mgrid[30 : shape[1] - 30 : 60, 30 : shape[0] - 30 : 60].reshape(2, -1).T
    centres = grid + rng.uniform(-8, 8, grid.shape)
    view = normalise(plant(36, centres, shape=shape).array, NormaliseConfig())
    whole = detect(planted_model, view, CONFIG)
    tiled = detect(planted_model, view, DetectConfig(tile_px=192, tile_overlap_px=96))
    assert len(whole.x) == len(centres)
    order, other = np.lexsort((whole.x, whole.y)), np.lexsort((tiled.x, tiled.y))
    np.testing.assert_allclose(np.array(tiled)[:, other], np.array(whole)[:, order], atol=0.1)
    nearest = np.hypot(whole.x[:, None] - centres[:, 0], whole.y[:, None] - centres[:, 1]).min(axis=0)
    assert nearest.max() < 0.5
    assert whole.diameter == pytest.approx(36, abs=1)


@pytest.mark.parametrize("shape", [(64, 64), (65, 200), (1, 500)])
def test_views_are_padded_to_whole_multiples(shape: tuple[int, int]) -> None:
    network = Answers()
    detect(model_of(network), blank(*shape), CONFIG)
    ((_, _, height, width),) = network.seen
    assert height % 64 == width % 64 == 0
    assert height - 64 < shape[0] <= height
    assert width - 64 < shape[1] <= width


def test_centres_outside_the_view_go_and_those_on_its_rim_stay() -> None:
    inside = [(-0.5, 10.0), (299.4, 10.0), (10.0, 199.4), (50.0, -0.4)]
    outside = [(-0.6, 50.0), (299.6, 50.0), (60.0, 199.6), (60.0, -0.6), (310.0, 100.0)]
    network = Answers(*((x, y, 8.0, 2.0) for x, y in inside + outside))
    found = detect(model_of(network), blank(), CONFIG)
    centres = sorted(zip(found.x.tolist(), found.y.tolist(), strict=True))
    np.testing.assert_allclose(centres, sorted(inside), atol=1e-4)


def test_candidates_come_by_falling_logit_and_above_the_floor_only() -> None:
    floor = np.log(CONFIG.floor / (1 - CONFIG.floor))
    network = Answers(
        (50, 50, 20, 0.5), (100, 50, 20, floor + 0.01), (150, 50, 20, floor - 0.01), (200, 50, 20, 3)
    )
    found = detect(model_of(network), blank(), CONFIG)
    assert found.logit.tolist() == pytest.approx([3, 0.5, floor + 0.01], abs=1e-5)
    assert found.x.tolist() == [200, 50, 100]
    assert all(column.dtype == np.float64 for column in found)


def test_of_strongly_overlapping_candidates_one_stays_with_the_best_score() -> None:
    network = Answers((50, 50, 20, 1.0), (52, 50, 20, 2.0), (65, 50, 20, 0.0))
    found = detect(model_of(network), blank(), CONFIG)
    assert found.logit.tolist() == [2.0, 0.0]
    assert 50 < found.x[0] < 52
    assert found.x[1] == 65


def test_an_empty_view_gives_empty_columns() -> None:
    found = detect(model_of(Answers()), blank(), CONFIG)
    assert [len(column) for column in found] == [0, 0, 0, 0]


def test_deltas_move_and_scale_the_anchors() -> None:
    class Moved(Answers):
        def forward(self, view: Tensor) -> Output:
            output = super().forward(view)
            return output._replace(deltas=torch.tensor([[[0.5, -0.25, float(np.log(2))]]]))

    found = detect(model_of(Moved((100, 80, 20, 1.0))), blank(), CONFIG)
    assert (found.x[0], found.y[0]) == pytest.approx((110, 75))
    assert found.diameter[0] == pytest.approx(40)


def crowd(columns: int, rows: int, answers: int) -> Answers:
    """Make particles of 16 px, 20 px apart, each with several anchors about it, the first the best."""
    y, x, k = np.mgrid[:rows, :columns, :answers].reshape(3, -1)
    return Answers(
        *zip(10 + 20 * x + 0.2 * k, 10 + 20 * y, np.full(x.size, 16.0), 2.0 - 0.1 * k, strict=True)
    )


def test_three_thousand_particles_with_several_anchors_each_all_come_out() -> None:
    network = crowd(60, 50, answers=6)
    found = detect(model_of(network), blank(1000, 1200), CONFIG)
    assert len(found.x) == 3000


def test_reaching_the_limit_keeps_the_best_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    network = Answers(*((20.0 + 30 * i, 50, 20, i / 10) for i in range(9)))
    with caplog.at_level(logging.WARNING):
        found = detect(model_of(network), blank(), DetectConfig(most_candidates=4))
    assert found.x.tolist() == [260, 230, 200, 170]
    (record,) = caplog.records
    assert "9 candidates" in record.getMessage()
    assert "4" in record.getMessage()


def test_below_the_limit_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    detect(model_of(Answers((20, 50, 20, 1.0))), blank(), DetectConfig(most_candidates=1))
    assert not caplog.records


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_real_network_runs_in_every_number_type(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    network = RetinaNet(NetworkConfig(pyramid_channels=16, head_depth=1, prior_probability=0.3)).eval()
    view = np.random.default_rng(0).normal(size=(70, 100)).astype(np.float32)
    found = detect(model_of(network, dtype), view, CONFIG)
    assert len(found.x) > 0
    assert np.isfinite(np.array(found)).all()
    assert (found.x >= -0.5).all()
    assert (found.x < 99.5).all()


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"floor": 0.0}, "floor: found 0.0"),
        ({"floor": 1.0}, "floor: found 1.0"),
        ({"tile_px": 100}, "tile_px"),
        ({"tile_px": 256, "tile_overlap_px": 256}, "tile_px"),
        ({"most_candidates": 0}, "most_candidates: found 0"),
    ],
)
def test_settings_that_lose_particles_are_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        DetectConfig(**values)


def candidates(*rows: tuple[float, float, float, float]) -> Candidates:
    return Candidates(*np.array(rows, dtype=np.float64).reshape(-1, 4).T)


def test_a_candidate_has_the_mean_of_what_it_stands_for() -> None:
    network = Answers((100, 100, 40, 2.0), (104, 98, 44, 2.0), (110, 100, 20, 1.9), (200, 100, 40, 1.0))
    found = detect(model_of(network), blank(), CONFIG)
    # The third overlaps too little to count for the first: it stays by itself.
    assert found.x.tolist() == pytest.approx([102, 110, 200])
    assert found.y.tolist() == pytest.approx([99, 100, 100])
    assert found.diameter.tolist() == pytest.approx([np.sqrt(40 * 44), 20, 40])
    assert found.logit.tolist() == pytest.approx([2.0, 1.9, 1.0])


def test_surer_candidates_count_more_and_each_for_one_only() -> None:
    found = candidates((100, 100, 40, 3.0), (110, 100, 40, -3.0), (126, 100, 40, 2.0))
    fused = fuse(found, np.array([0, 2]), 0.5)
    low, high = (1 / (1 + np.exp(-logit)) for logit in (-3.0, 3.0))
    assert fused.x.tolist() == pytest.approx([(100 * high + 110 * low) / (high + low), 126])
    assert len(fuse(found, np.zeros(0, np.int64), 0.5).x) == 0


def test_two_kept_at_one_place_keep_their_own_sizes() -> None:
    found = candidates((100, 100, 40, 3.0), (100, 100, 80, 2.0))
    assert fuse(found, np.array([0, 1]), 0.5).diameter.tolist() == pytest.approx([40, 80])


def test_overlap_is_that_of_squares() -> None:
    one = candidates((0, 0, 10, 0), (0, 0, 10, 0), (0, 0, 10, 0), (0, 0, 10, 0))
    other = candidates((0, 0, 10, 0), (5, 0, 10, 0), (20, 0, 10, 0), (0, 0, 5, 0))
    assert overlap(one, other).tolist() == pytest.approx([1, 1 / 3, 0, 0.25])
