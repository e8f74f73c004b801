"""Micrographs with planted dark discs, and a network that finds them without having learnt anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.device import DeviceChoice
from cryopick_cli.model.network import Output
from cryopick_cli.model.weights import Model, ModelCard, OperatingPoint

CPU = DeviceChoice(torch.device("cpu"), torch.float32, "a test")
SHAPE = (420, 530)
# Far enough apart and from the edges for discs of up to 60 px.
CENTRES = np.array(
    [(70, 60), (200.5, 80), (330, 70.25), (450, 95), (90, 210), (240, 230), (400, 250), (130, 350)]
)

Plant = Callable[..., Micrograph]


class DiscNetwork(nn.Module):
    """Answers with one anchor for every dark disc of a view: its centre, its diameter, a sure logit.

    The view is smoothed and cut halfway between ice (0) and a clipped disc (-6), which leaves radii as they
    are; every connected patch is a disc.
    """

    multiple = 64

    def forward(self, view: Tensor) -> Output:
        smooth = ndimage.gaussian_filter(view[0, 0].numpy(), 1.0)
        labels, count = ndimage.label(smooth < -3)
        index = np.arange(1, count + 1)
        area = ndimage.sum_labels(np.ones_like(smooth), labels, index)
        centres = np.array(ndimage.center_of_mass(np.ones_like(smooth), labels, index)).reshape(-1, 2)
        found = np.column_stack([centres[:, ::-1], 2 * np.sqrt(area / np.pi)])[area > 20]
        anchors = torch.from_numpy(found.astype(np.float32))
        return Output(torch.full((1, len(found)), 3.0), torch.zeros(1, len(found), 3), anchors)


def make_model(network: nn.Module, **point: float) -> Model:
    card = ModelCard(
        name="planted", sha256="0" * 64, network=NetworkConfig(), operating_point=OperatingPoint(**point)
    )
    return Model(network, card, CPU)  # type: ignore[arg-type]


@pytest.fixture
def planted_model() -> Model:
    """Give a model that picks dark discs."""
    return make_model(DiscNetwork())


@pytest.fixture
def plant(rng: np.random.Generator) -> Plant:
    """Give a function that makes a micrograph of noisy ice with discs."""

    def make(
        diameter: float = 40.0,
        centres: NDArray[np.float64] = CENTRES,
        *,
        shape: tuple[int, int] = SHAPE,
        pixel_size: float | None = None,
        grey: float = -30.0,
    ) -> Micrograph:
        array = rng.normal(size=shape).astype(np.float32)
        rows, columns = np.mgrid[: shape[0], : shape[1]]
        for x, y in centres:
            array[(columns - x) ** 2 + (rows - y) ** 2 <= (diameter / 2) ** 2] += grey
        return Micrograph(array, pixel_size, Path("planted.mrc"))

    return make


@pytest.fixture
def shapes_seen(planted_model: Model, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Give the list that fills with the shapes of all views the network is shown."""
    shapes: list[tuple[int, ...]] = []
    network = type(planted_model.network)
    looks = network.forward

    def forward(self: Any, view: Tensor) -> Output:
        shapes.append(tuple(view.shape[-2:]))
        return looks(self, view)

    monkeypatch.setattr(network, "forward", forward)
    return shapes
