"""Test-time averaging: turning there and back, and what several looks agree on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.model.network import Output, RetinaNet
from cryopick_cli.model.weights import Model
from cryopick_cli.picking.averaging import SYMMETRIES_OF, average_looks, turn_back, turn_view
from cryopick_cli.picking.candidates import look, prepare_views
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.detect import Candidates

Plant = Callable[..., Micrograph]
FLOOR = -3.0


def find(model: Model, array: np.ndarray, diameter_px: float | None, config: PickConfig) -> Candidates:
    return look(model, prepare_views(model, array, diameter_px, config), config)


def candidates(*rows: tuple[float, float, float, float]) -> Candidates:
    return Candidates(*np.array(rows, dtype=np.float64).reshape(-1, 4).T)


@pytest.mark.parametrize("symmetry", range(8))
def test_turning_back_finds_the_pixel_again(symmetry: int) -> None:
    view = np.zeros((30, 50), np.float32)
    view[7, 41] = 1
    turned = turn_view(view, symmetry)
    row, column = np.argwhere(turned == 1)[0]
    back = turn_back(candidates((column, row, 5, 0)), view.shape, symmetry)
    assert (back.x[0], back.y[0]) == (41, 7)


def test_the_symmetries_are_eight_different_ones() -> None:
    view = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert len({turn_view(view, symmetry).tobytes() for symmetry in SYMMETRIES_OF["best"]}) == 8


def test_looks_that_agree_keep_their_score_and_one_by_itself_fades() -> None:
    seen_by_all = [candidates((10, 10, 20, 2.0)) for _ in range(4)]
    seen_by_all[2] = candidates((10, 10, 20, 2.0), (60, 60, 20, 2.0))
    found = average_looks(seen_by_all, FLOOR)
    assert found.x.tolist() == pytest.approx([10, 60])
    assert found.logit.tolist() == pytest.approx([2.0, (2.0 + 3 * FLOOR) / 4])


def test_centres_and_sizes_are_averaged_by_score() -> None:
    found = average_looks([candidates((10, 10, 20, 0.0)), candidates((12, 10, 22, 0.0))], FLOOR)
    assert (found.x[0], found.diameter[0]) == pytest.approx((11, 21))


def test_other_places_and_other_sizes_are_other_candidates() -> None:
    looks = [candidates((10, 10, 20, 1.0)), candidates((30, 10, 20, 1.0), (10, 10, 60, 0.5))]
    assert len(average_looks(looks, FLOOR).x) == 3


def test_two_neighbours_of_one_look_are_not_merged() -> None:
    pair = candidates((10, 10, 20, 1.0), (13, 10, 20, 0.9))
    found = average_looks([pair, candidates((11, 10, 20, 2.0))], FLOOR)
    # The one seen twice has the better of the pair; the other was seen once.
    assert found.logit.tolist() == pytest.approx([1.5, (0.9 + FLOOR) / 2])


def test_the_better_of_two_that_want_the_same_gets_it() -> None:
    middle = candidates((15, 10, 20, 0.5))
    found = average_looks([candidates((10, 10, 20, 2.0), (20, 10, 20, 1.0)), middle], FLOOR)
    assert found.logit.tolist() == pytest.approx([1.25, (1.0 + FLOOR) / 2])


def test_nothing_gives_nothing() -> None:
    assert len(average_looks([candidates(), candidates()], FLOOR).x) == 0


@pytest.mark.parametrize("quality", ["fast", "normal", "best"])
def test_a_view_is_looked_at_in_the_symmetries_of_the_quality(
    planted_model: Model, plant: Plant, shapes_seen: list[tuple[int, ...]], quality: str
) -> None:
    array, config = plant(40.0).array, PickConfig(quality=quality)
    shapes_seen.clear()
    find(planted_model, array, 40.0, config)
    assert len(shapes_seen) == {"fast": 1, "normal": 2, "best": 24}[quality]


def test_two_looks_even_out_what_leans_to_one_side(
    planted_model: Model, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that places every disc 1 px too far right and 2 px too low in what it is shown."""
    network = type(planted_model.network)
    straight = network.forward

    def leaning(self: RetinaNet, view: Tensor) -> Output:
        output = straight(self, view)
        return output._replace(anchors=output.anchors + torch.tensor([1.0, 2.0, 0.0]))

    monkeypatch.setattr(network, "forward", leaning)
    centres = np.array([(70, 60), (200, 80), (330, 70), (90, 210), (240, 230)], dtype=float)
    array = plant(40.0, centres).array

    def miss(quality: str) -> float:
        found = find(planted_model, array, 40.0, PickConfig(quality=quality))
        return float(np.median(cKDTree(np.column_stack([found.x, found.y])).query(centres)[0]))

    assert miss("fast") > 1.5
    assert miss("normal") < 0.5


def test_best_finds_the_planted_particles_in_a_mirrored_micrograph_too(
    planted_model: Model, plant: Plant
) -> None:
    array, config = plant(40.0).array, PickConfig(quality="best")
    plain = find(planted_model, array, 40.0, config)
    mirrored = find(planted_model, np.ascontiguousarray(array[:, ::-1]), 40.0, config)
    assert len(plain.x) > 0
    there = np.column_stack([array.shape[1] - 1 - mirrored.x, mirrored.y])
    distance, _ = cKDTree(there).query(np.column_stack([plain.x, plain.y]))
    assert np.median(distance) < 1.0


def test_fast_looks_at_a_smaller_view_and_finds_the_same(planted_model: Model, plant: Plant) -> None:
    array = plant(40.0).array
    normal = find(planted_model, array, 40.0, PickConfig())
    fast = find(planted_model, array, 40.0, PickConfig(quality="fast"))
    distance, _ = cKDTree(np.column_stack([fast.x, fast.y])).query(np.column_stack([normal.x, normal.y]))
    assert np.median(distance) < 2.0
