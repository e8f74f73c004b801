"""Whether particles are darker or lighter than the ice: both signs of the grey values are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future

from scipy.special import expit

from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.model.weights import Model
from cryopick_cli.picking.ahead import ahead
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.scale import Looks, prepare_search, search, sides_of
from cryopick_cli.picking.view import View

# Evidence for light particles over that for dark ones from which they are taken to be light.
_LIGHT_IS_SURE = 3.0


def look_both_ways(
    model: Model, middle: Iterable[Future[dict[int, View]]], config: PickConfig
) -> tuple[list[Looks], list[Looks]]:
    """Find candidates in views of the sample as if particles were dark, and as if they were light."""
    dark, light = [], []
    for ready in middle:
        views = ready.result()
        inverted = {side: view.inverted() for side, view in views.items()}
        dark.append(search(model, views, config.detection))
        light.append(search(model, inverted, config.detection))
    return dark, light


def is_light(dark: Iterable[Looks], light: Iterable[Looks]) -> bool:
    """Tell whether the particles are lighter than the ice: which sign of the grey values shows more of them.

    Dark is what cryo-EM gives, so light particles must be clearly the more likely ones.
    """
    evidence = [
        sum(float((expit(seen.logit) ** 3 * seen.diameter).sum()) for look in looks for seen in look.values())
        for looks in (dark, light)
    ]
    return evidence[True] > _LIGHT_IS_SURE * evidence[False]


def prepare_middle(
    model: Model, sample: Iterable[Micrograph], config: PickConfig
) -> Iterator[Future[dict[int, View]]]:
    """Prepare the view of the middle scale of each micrograph."""

    def prepare(micrograph: Micrograph) -> dict[int, View]:
        sides = sides_of(micrograph.array.shape, [config.scale.middle_px])
        return prepare_search(model, micrograph.array, sides)

    return ahead(prepare, sample, lambda micrograph: micrograph.array.size)
