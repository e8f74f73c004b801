"""The network's contract: shapes, order of the anchors, scores before training, every encoder."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet

from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.network import Output, RetinaNet


def small(**values: object) -> RetinaNet:
    torch.manual_seed(0)
    chosen = {"pyramid_channels": 16, "head_depth": 1, **values}
    return RetinaNet(NetworkConfig(**chosen)).eval()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def network() -> RetinaNet:
    return small()


def look(network: RetinaNet, view: Tensor) -> Output:
    with torch.inference_mode():
        output: Output = network(view)
    return output


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_every_encoder_gives_a_logit_and_three_deltas_an_anchor(depth: int) -> None:
    output = look(small(resnet_depth=depth), torch.randn(2, 1, 64, 128))
    anchors = sum((64 // stride) * (128 // stride) for stride in (8, 16, 32, 64)) * 3
    assert output.logits.shape == (2, anchors)
    assert output.deltas.shape == (2, anchors, 3)
    assert output.anchors.shape == (anchors, 3)
    assert output.logits.dtype == output.deltas.dtype == output.anchors.dtype == torch.float32
    assert torch.isfinite(output.logits).all()


@pytest.mark.parametrize("depth", [18, 50])
def test_a_narrower_encoder_has_fewer_channels_in_every_stage(depth: int) -> None:
    usual, narrow = small(resnet_depth=depth), small(resnet_depth=depth, resnet_width=24)

    def channels(network: RetinaNet) -> list[int]:
        return [
            v.shape[0] for k, v in network.backbone.body.state_dict().items() if k.endswith("conv2.weight")
        ]

    assert channels(narrow) == [count * 24 // 64 for count in channels(usual)]
    assert (
        look(narrow, torch.randn(1, 1, 64, 64)).logits.shape
        == look(usual, torch.randn(1, 1, 64, 64)).logits.shape
    )


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_the_usual_encoder_has_the_names_and_shapes_of_torchvisions(depth: int) -> None:
    theirs = getattr(resnet, f"resnet{depth}")(weights=None).state_dict()
    ours = small(resnet_depth=depth).backbone.body.state_dict()
    expected = {name: tuple(value.shape) for name, value in theirs.items() if not name.startswith("fc.")}
    expected["conv1.weight"] = (64, 1, 7, 7)  # one channel in place of three
    assert {name: tuple(value.shape) for name, value in ours.items()} == expected


def test_a_pyramid_of_three_levels_works_too() -> None:
    network = small(strides=(8, 16, 32))
    assert network.multiple == 32
    output = look(network, torch.randn(1, 1, 96, 64))
    anchors = sum((96 // stride) * (64 // stride) for stride in (8, 16, 32)) * 3
    assert output.logits.shape == (1, anchors)
    assert output.anchors.shape == (anchors, 3)


def test_there_is_one_channel_and_no_statistics_of_colour_pictures(network: RetinaNet) -> None:
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    assert first.in_channels == 1
    with pytest.raises(RuntimeError, match="channels"):
        network(torch.zeros(1, 3, 64, 64))


def test_subnets_are_shared_by_all_levels(network: RetinaNet) -> None:
    predicting = [name for name, _ in network.named_parameters() if name.endswith("predict.weight")]
    assert predicting == ["class_subnet.predict.weight", "box_subnet.predict.weight"]


def test_scores_before_training_are_the_prior(network: RetinaNet) -> None:
    scores = look(network, torch.randn(1, 1, 64, 64)).logits.sigmoid()
    assert scores.median() == pytest.approx(network.config.prior_probability, rel=0.5)
    assert scores.max() < 0.2


def test_head_depth_is_the_number_of_layers_before_the_prediction(network: RetinaNet) -> None:
    for subnet in (network.class_subnet, network.box_subnet):
        assert sum(isinstance(layer, nn.Conv2d) for layer in subnet.tower) == network.config.head_depth


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [0, 2])
def test_the_order_of_the_output_is_the_order_of_the_anchors(
    network: RetinaNet, level: int, size: int
) -> None:
    """A spike at one place of one level moves that anchor's logit most, and no other level's at all."""
    stride = network.config.strides[level]
    row, column = (256 // stride) // 2, (192 // stride) // 3
    levels = [torch.zeros(1, 16, 256 // s, 192 // s) for s in network.config.strides]
    spiked = [one.clone() for one in levels]
    spiked[level][0, :, row, column] = 1.0
    subnet = deepcopy(network.class_subnet)
    subnet.tower = nn.Sequential()
    with torch.no_grad():
        subnet.predict.weight.zero_()
        subnet.predict.weight[size, :, 1, 1] = 1.0  # so that the spike stays where it is
    with torch.inference_mode():
        before, after = (torch.cat([subnet(one) for one in pyramid], dim=1) for pyramid in (levels, spiked))
    changed = (after - before)[0, :, 0].nonzero().squeeze(1)
    assert len(changed) == 1
    anchor = network.anchors(torch.zeros(1, 1, 256, 192), levels)[changed[0]]
    assert anchor[:2].tolist() == [column * stride, row * stride]
    assert anchor[2].item() == pytest.approx(network.config.anchor_sizes[level][size], abs=1.01)


def test_deltas_of_an_anchor_stay_together(network: RetinaNet) -> None:
    subnet = deepcopy(network.box_subnet)
    subnet.tower = nn.Sequential()
    with torch.no_grad():
        subnet.predict.weight.zero_()
        subnet.predict.bias.copy_(torch.arange(9.0))
    with torch.inference_mode():
        deltas = subnet(torch.zeros(1, 16, 4, 5))
    assert deltas.shape == (1, 60, 3)
    assert deltas[0, 57:].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_features_are_centred_on_their_anchors(network: RetinaNet) -> None:
    """What a feature of stride 8 sees lies evenly about eight times its index, not half a stride further."""
    body = deepcopy(network.backbone.body)
    body["maxpool"] = nn.AvgPool2d(3, 2, 1)  # the gradient of a maximum goes to one of several equal values
    for layer in body.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
    view = torch.ones(1, 1, 128, 128, requires_grad=True)
    body(view)["8"][0, :, 8, 7].sum().backward()
    assert view.grad is not None
    weight, place = view.grad[0, 0], torch.arange(128.0)
    assert ((place * weight.sum(0)).sum() / weight.sum()).item() == pytest.approx(7 * 8, abs=0.1)
    assert ((place * weight.sum(1)).sum() / weight.sum()).item() == pytest.approx(8 * 8, abs=0.1)


def test_views_need_not_be_square_and_are_seen_alike_in_a_batch(network: RetinaNet) -> None:
    views = torch.randn(2, 1, 64, 128)
    together = look(network, views)
    alone = look(network, views[1:2])
    torch.testing.assert_close(together.logits[1], alone.logits[0], atol=1e-4, rtol=1e-4)


def test_gradients_reach_every_parameter(network: RetinaNet) -> None:
    learning = deepcopy(network).train()
    output: Output = learning(torch.randn(2, 1, 64, 64))
    (output.logits.sum() + output.deltas.square().sum()).backward()
    without = [name for name, one in learning.named_parameters() if one.grad is None]
    assert without == []
