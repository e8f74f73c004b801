"""The network's numbers: anchor sizes, and which networks are refused."""

from __future__ import annotations

from typing import Any

import pytest

from cryopick_cli.errors import ConfigError
from cryopick_cli.model.config import NetworkConfig


def test_anchor_sizes_are_three_an_octave_from_the_smallest_diameter_on() -> None:
    sizes = NetworkConfig().anchor_sizes
    assert len(sizes) == 4
    assert sizes[0] == pytest.approx((12.70, 16, 20.16), abs=0.01)
    for coarse, fine in zip(sizes[1:], sizes, strict=False):
        assert coarse == pytest.approx([2 * size for size in fine])


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"resnet_width": 0}, "resnet_width: found 0, expected 1 or more"),
        ({"resnet_depth": 101}, r"resnet_depth: found 101, expected one of \(18, 34, 50\)"),
        (
            {"pyramid_channels": 100},
            r"pyramid_channels: found 100, expected a multiple of head_norm_groups \(8\)",
        ),
        ({"strides": (4, 8)}, r"strides: found \(4, 8\)"),
        ({"head_depth": 0}, "head_depth"),
        ({"sizes_per_octave": 0}, "sizes_per_octave"),
        ({"smallest_diameter_px": 300.0}, "found 300.0 and 200.0, expected two rising"),
        ({"smallest_diameter_px": 0.0}, "found 0.0 and 200.0"),
    ],
)
def test_networks_that_cannot_be_built_are_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        NetworkConfig(**values)
