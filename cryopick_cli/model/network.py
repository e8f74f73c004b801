"""RetinaNet for particles: ResNet encoder, feature pyramid, class and box subnets shared by all levels.

After Lin et al. 2017 (focal loss for dense object detection), built from torchvision's parts, with one
input channel, square anchors, and no resizing or colour statistics inside. It knows nothing of files,
thresholds or micrographs.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from cryopick_cli.model.anchors import SquareAnchors
from cryopick_cli.model.config import NetworkConfig

_Block = type[BasicBlock | Bottleneck]
_RESNETS: dict[int, tuple[_Block, tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
}
"""Depth -> kind of block, and how many of them in each of the four stages."""


class Output(NamedTuple):
    """What the network says of ``n`` views, an entry an anchor."""

    logits: Tensor
    """(n, a): log-odds that the anchor holds a particle."""
    deltas: Tensor
    """(n, a, 3): its offset and log size, coded as in :func:`cryopick_cli.model.anchors.encode`."""
    anchors: Tensor
    """(a, 3): x, y and size of the anchors in working px."""


class RetinaNet(nn.Module):
    """Find particles of any size between 12 and 200 px in a normalised view.

    Takes ``(n, 1, h, w)`` with median 0 and robust spread 1, particles dark; h and w are multiples of the
    largest stride (:attr:`multiple`). Gives an :class:`Output`; training and evaluation mode differ in
    batch normalisation only.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = _encoder_with_pyramid(config)
        self.class_subnet = _Subnet(config, outputs=1)
        self.box_subnet = _Subnet(config, outputs=3)
        self.anchors = SquareAnchors(config)
        nn.init.constant_(
            _bias(self.class_subnet.predict),
            -math.log((1 - config.prior_probability) / config.prior_probability),
        )

    @property
    def multiple(self) -> int:
        """Height and width of a view must be whole multiples of this."""
        return self.config.strides[-1]

    def forward(self, view: Tensor) -> Output:
        """Look for particles; see the class for shapes."""
        levels = list(self.backbone(view).values())[: len(self.config.strides)]
        logits = torch.cat([self.class_subnet(level) for level in levels], dim=1)
        deltas = torch.cat([self.box_subnet(level) for level in levels], dim=1)
        return Output(logits.float().squeeze(-1), deltas.float(), self.anchors(view, levels))


class _Subnet(nn.Module):
    """Convolutions shared by all levels, with ``outputs`` numbers an anchor at the end."""

    def __init__(self, config: NetworkConfig, outputs: int) -> None:
        super().__init__()
        channels = config.pyramid_channels
        layers: list[nn.Module] = []
        for _ in range(config.head_depth):
            layers += [
                nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                nn.GroupNorm(config.head_norm_groups, channels),
                nn.ReLU(inplace=True),
            ]
        self.tower = nn.Sequential(*layers)
        self.outputs = outputs
        self.predict = nn.Conv2d(channels, outputs * config.sizes_per_octave, 3, padding=1)
        nn.init.normal_(self.predict.weight, std=0.01)
        nn.init.zeros_(_bias(self.predict))

    def forward(self, level: Tensor) -> Tensor:
        """Turn (n, c, h, w) into (n, h * w * sizes, outputs): the anchors' order is row, column, size."""
        n = level.shape[0]
        raw: Tensor = self.predict(self.tower(level))
        return raw.permute(0, 2, 3, 1).reshape(n, -1, self.outputs)


def _bias(layer: nn.Conv2d) -> Tensor:
    if layer.bias is None:
        raise ValueError("the layer has no bias")
    return layer.bias


class _Encoder(nn.Module):
    """ResNet (He et al. 2015) of torchvision's blocks, with one input channel and no classifier."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        block, counts = _RESNETS[config.resnet_depth]
        width = config.resnet_width
        self.conv1 = nn.Conv2d(1, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        planes = [width * 2**stage for stage in range(len(counts))]
        channels = [width, *(count * block.expansion for count in planes)]
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(block, count, channels[i], planes[i], stride=1 if i == 0 else 2)
            for i, count in enumerate(counts)
        )
        self.channels = tuple(channels[1:])
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def _stage(block: _Block, count: int, channels: int, planes: int, stride: int) -> nn.Sequential:
    """Put ``count`` blocks in a row; the first one changes channels and resolution."""
    widened = planes * block.expansion
    shortcut = None
    if stride != 1 or channels != widened:
        shortcut = nn.Sequential(nn.Conv2d(channels, widened, 1, stride, bias=False), nn.BatchNorm2d(widened))
    first = block(channels, planes, stride, shortcut)
    return nn.Sequential(first, *(block(widened, planes) for _ in range(count - 1)))


def _encoder_with_pyramid(config: NetworkConfig) -> nn.Module:
    encoder = _Encoder(config)
    backbone: nn.Module = BackboneWithFPN(
        encoder,
        return_layers={"layer2": "8", "layer3": "16", "layer4": "32"},
        in_channels_list=list(encoder.channels[1:]),
        out_channels=config.pyramid_channels,
        extra_blocks=LastLevelMaxPool(),  # torchvision has no pyramid without it; `forward` leaves it out
    )
    return backbone
