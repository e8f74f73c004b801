"""The network's shape: every number that a set of weights depends on. No training settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryopick_cli.errors import ConfigError
from cryopick_cli.imaging.normalise import NormaliseConfig

RESNET_DEPTHS = (18, 34, 50)


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """RetinaNet for particles: encoder depth and width, pyramid, heads and square anchors.

    The defaults are those of the shipped model. Strides 8 to 64 with anchors of 1.6, 2 and 2.5 times the
    stride, 12.7 to 161 px, cover diameters from 12 to 200 px.
    """

    resnet_depth: int = field(default=18, metadata={"help": "Layers of the ResNet encoder: 18, 34 or 50."})
    resnet_width: int = field(
        default=64, metadata={"help": "Channels of the encoder's first stage; each later one doubles them."}
    )
    pyramid_channels: int = field(default=96, metadata={"help": "Channels of every pyramid level."})
    head_depth: int = field(default=3, metadata={"help": "3x3 convolutions in each of the two subnets."})
    head_norm_groups: int = field(default=8, metadata={"help": "Groups of the subnets' group normalisation."})
    strides: tuple[int, ...] = field(
        default=(8, 16, 32, 64), metadata={"help": "Strides of the pyramid, in px."}
    )
    anchor_scale: float = field(
        default=2 ** (2 / 3), metadata={"help": "Smallest anchor of a level, in strides."}
    )
    sizes_per_octave: int = field(
        default=3, metadata={"help": "Anchor sizes between one level and the next."}
    )
    smallest_diameter_px: float = field(
        default=12.0, metadata={"help": "Smallest diameter that is learnt, in px."}
    )
    largest_diameter_px: float = field(
        default=200.0, metadata={"help": "Largest diameter that is learnt, in px."}
    )
    prior_probability: float = field(
        default=0.01, metadata={"help": "Score of every anchor before training."}
    )
    normalise: NormaliseConfig = field(default_factory=NormaliseConfig)

    def __post_init__(self) -> None:
        """Refuse networks that cannot be built."""
        if self.resnet_depth not in RESNET_DEPTHS:
            raise ConfigError(f"resnet_depth: found {self.resnet_depth}, expected one of {RESNET_DEPTHS}")
        if self.resnet_width < 1:
            raise ConfigError(f"resnet_width: found {self.resnet_width}, expected 1 or more")
        if self.pyramid_channels % self.head_norm_groups:
            raise ConfigError(
                f"pyramid_channels: found {self.pyramid_channels}, expected a multiple of "
                f"head_norm_groups ({self.head_norm_groups})"
            )
        if self.strides not in ((8, 16, 32), (8, 16, 32, 64)):
            raise ConfigError(f"strides: found {self.strides}, expected (8, 16, 32) or (8, 16, 32, 64)")
        if min(self.head_depth, self.sizes_per_octave) < 1:
            raise ConfigError("head_depth and sizes_per_octave: expected 1 or more")
        if not 0 < self.smallest_diameter_px < self.largest_diameter_px:
            raise ConfigError(
                f"smallest_diameter_px, largest_diameter_px: found {self.smallest_diameter_px} and "
                f"{self.largest_diameter_px}, expected two rising positive numbers"
            )

    @property
    def anchor_sizes(self) -> tuple[tuple[float, ...], ...]:
        """Edges of the square anchors in px, a tuple a level."""
        steps = [2 ** (i / self.sizes_per_octave) for i in range(self.sizes_per_octave)]
        return tuple(tuple(stride * self.anchor_scale * step for step in steps) for stride in self.strides)
