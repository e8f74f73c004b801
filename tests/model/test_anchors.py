"""Anchors: where they lie, which particles they stand for, and how particles are coded by them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou

from cryopick_cli.model.anchors import (
    BACKGROUND,
    IGNORED,
    PARTICLE,
    MatchConfig,
    SquareAnchors,
    decode,
    encode,
    match,
    to_corners,
)
from cryopick_cli.model.config import NetworkConfig

CONFIG = NetworkConfig()
NONE = torch.zeros((0, 3))
MATCH = MatchConfig()


def lay(height: int, width: int, config: NetworkConfig = CONFIG) -> Tensor:
    levels = [torch.zeros(1, 1, height // stride, width // stride) for stride in config.strides]
    anchors: Tensor = SquareAnchors(config)(torch.zeros(1, 1, height, width), levels)
    return anchors


def rows(*particles: tuple[float, float, float]) -> Tensor:
    return torch.tensor(particles, dtype=torch.float32).reshape(-1, 3)


def test_anchors_lie_on_the_grid_of_their_level_in_the_order_row_column_size() -> None:
    anchors = lay(128, 192)
    counts = [(128 // stride) * (192 // stride) * 3 for stride in CONFIG.strides]
    assert len(anchors) == sum(counts)
    start = 0
    for stride, count, sizes in zip(CONFIG.strides, counts, CONFIG.anchor_sizes, strict=True):
        level = anchors[start : start + count].reshape(128 // stride, 192 // stride, 3, 3)
        row, column = 1, min(2, 192 // stride - 1)
        if row < level.shape[0]:
            expected = torch.tensor([column * stride, row * stride], dtype=torch.float32)
            assert torch.equal(level[row, column, :, :2], expected.expand(3, 2))
        # Corners are rounded to whole pixels, so a size differs from the wanted one by at most a pixel.
        assert level[0, 0, :, 2].tolist() == pytest.approx(sizes, abs=1.01)
        start += count


@pytest.mark.parametrize("strides", [(8, 16, 32), (8, 16, 32, 64)])
@pytest.mark.parametrize("sizes_per_octave", [1, 2, 3])
def test_number_of_anchors_follows_the_configuration(strides: tuple[int, ...], sizes_per_octave: int) -> None:
    config = NetworkConfig(strides=strides, sizes_per_octave=sizes_per_octave)
    expected = sum((256 // stride) ** 2 for stride in strides) * sizes_per_octave
    assert lay(256, 256, config).shape == (expected, 3)


@pytest.mark.parametrize("diameter", [12, 14, 18, 25, 36, 50, 72, 100, 142, 200])
def test_every_particle_of_the_covered_sizes_is_learnt(diameter: float, rng: np.random.Generator) -> None:
    """A particle and its best anchor overlap by half on average; where the grid is unlucky, by a third."""
    centres = rng.uniform(100, 164, (60, 2))
    particles = torch.from_numpy(np.column_stack([centres, np.full(60, diameter)])).float()
    anchors = lay(256, 256)
    best = box_iou(to_corners(anchors), to_corners(particles)).amax(dim=0)
    assert best.min() >= (0.3 if diameter < 16 else 0.39)
    assert best.mean() >= (0.45 if diameter < 14 else 0.55)
    for particle in particles[:5]:
        labels, index = match(anchors, particle[None], NONE, MATCH)
        assert (labels == PARTICLE).sum() >= 1
        assert (index[labels == PARTICLE] == 0).all()


def test_corners_are_half_a_size_from_the_centre() -> None:
    assert to_corners(rows((10, 20, 8))).tolist() == [[6, 16, 14, 24]]


def test_code_of_a_known_particle() -> None:
    """Offsets in anchor sizes, (20 - 16) / 16 and (12 - 16) / 16, and the logarithm of 32 / 16."""
    deltas = encode(rows((20, 12, 32)), rows((16, 16, 16)))
    assert deltas[0].tolist() == pytest.approx([0.25, -0.25, np.log(2)])


def test_decoding_undoes_encoding(rng: np.random.Generator) -> None:
    particles = torch.from_numpy(np.column_stack([rng.uniform(-50, 600, (500, 2)), rng.uniform(9, 250, 500)]))
    anchors = torch.from_numpy(np.column_stack([rng.uniform(-50, 600, (500, 2)), rng.uniform(32, 70, 500)]))
    torch.testing.assert_close(decode(encode(particles, anchors), anchors), particles)


def test_decoded_sizes_stay_within_a_factor_of_eight() -> None:
    wild = torch.tensor([[0.0, 0.0, 50.0], [0.0, 0.0, -50.0]])
    sizes = decode(wild, rows((0, 0, 16), (0, 0, 16)))[:, 2]
    assert sizes.tolist() == pytest.approx([16 * 8, 16 / 8], rel=0.01)


def test_decoding_keeps_leading_dimensions() -> None:
    anchors = lay(64, 64)
    assert decode(torch.zeros(2, len(anchors), 3), anchors).shape == (2, len(anchors), 3)


def test_labels_follow_the_overlap() -> None:
    """Squares of 20 px moved along x: the overlap over the union of a shift by d is (20 - d) / (20 + d)."""
    shifts = {0: 1.0, 5: 0.6, 8: 3 / 7, 10: 1 / 3, 30: 0.0}
    anchors = rows(*((100 + shift, 100, 20) for shift in shifts))
    found = box_iou(to_corners(anchors), to_corners(rows((100, 100, 20)))).squeeze(1)
    assert found.tolist() == pytest.approx(list(shifts.values()))
    labels, index = match(anchors, rows((100, 100, 20)), NONE, MATCH)
    assert labels.tolist() == [PARTICLE, PARTICLE, IGNORED, BACKGROUND, BACKGROUND]
    assert index[:2].tolist() == [0, 0]


def test_a_particle_without_a_good_anchor_gets_its_best_one() -> None:
    anchors = rows((100, 100, 20), (140, 100, 20))
    labels, index = match(anchors, rows((112, 100, 20)), NONE, MATCH)  # overlaps: a quarter, and nothing
    assert labels.tolist() == [PARTICLE, BACKGROUND]
    assert index[0] == 0


def test_an_anchor_stands_for_the_particle_that_it_overlaps_most() -> None:
    anchors = rows((100, 100, 20), (108, 100, 20))
    labels, index = match(anchors, rows((101, 100, 20), (107, 100, 20)), NONE, MATCH)
    assert labels.tolist() == [PARTICLE, PARTICLE]
    assert index.tolist() == [0, 1]


def test_the_best_anchor_serves_its_particle_though_another_is_nearer() -> None:
    """The second particle has no anchor but the first one's; it must not go untaught."""
    anchors = rows((100, 100, 20), (103, 100, 20))
    labels, index = match(anchors, rows((100, 100, 20), (112, 100, 20)), NONE, MATCH)
    assert labels.tolist() == [PARTICLE, PARTICLE]
    assert index.tolist() == [0, 1]


def test_ignored_places_take_no_part_unless_a_particle_is_there() -> None:
    anchors = rows((100, 100, 20), (200, 100, 20), (300, 100, 20))
    labels, index = match(anchors, rows((200, 100, 20)), rows((100, 100, 20), (205, 100, 20)), MATCH)
    assert labels.tolist() == [IGNORED, PARTICLE, BACKGROUND]
    assert index[1] == 0


def test_a_view_without_particles_is_background() -> None:
    labels, index = match(lay(64, 64), NONE, NONE, MATCH)
    assert (labels == BACKGROUND).all()
    assert (index == 0).all()
    assert labels.dtype == index.dtype == torch.int64


def test_a_view_with_ignored_places_only() -> None:
    labels, _ = match(rows((0, 0, 20), (100, 100, 20)), NONE, rows((0, 0, 20)), MATCH)
    assert labels.tolist() == [IGNORED, BACKGROUND]


@pytest.mark.parametrize("size", [8, 13, 40, 90, 400])
def test_leaving_out_anchors_of_other_sizes_changes_no_label(size: float, rng: np.random.Generator) -> None:
    """Compared with overlaps of all anchors; beyond the covered sizes the nearest anchor still serves."""
    particles = torch.from_numpy(rng.uniform(40, 216, (9, 3))).float()
    particles[:, 2] = size * torch.from_numpy(rng.uniform(0.9, 1.1, 9)).float()
    anchors = lay(256, 256)
    iou = box_iou(to_corners(anchors), to_corners(particles))
    labels, _ = match(anchors, particles, NONE, MATCH)
    assert ((iou.amax(dim=1) >= MATCH.particle_iou) <= (labels == PARTICLE)).all()
    between = (iou.amax(dim=1) >= MATCH.background_iou) & (labels != PARTICLE)
    assert (labels[between] == IGNORED).all()
    assert (labels == IGNORED).sum() == between.sum()
    assert (labels == PARTICLE).sum() >= 1
