"""The view that the network sees, and the way back to the micrograph's pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.imaging.normalise import NormaliseConfig
from cryopick_cli.picking.detect import Candidates
from cryopick_cli.picking.view import View, prepare_view

Plant = Callable[..., Micrograph]
NORMALISE = NormaliseConfig()


def one(x: float, y: float, diameter: float) -> Candidates:
    return Candidates(*(np.array([value]) for value in (x, y, diameter, 1.0)))


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5, 7.3])
def test_shape_follows_the_factor(factor: float, plant: Plant) -> None:
    view = prepare_view(plant().array, factor, 40, NORMALISE)
    assert view.array.shape == (round(420 / factor), round(530 / factor))
    assert view.factor_x == pytest.approx(factor, rel=0.01)
    assert view.factor_y == pytest.approx(factor, rel=0.01)
    assert view.factor_x * view.array.shape[1] == pytest.approx(530)


@pytest.mark.parametrize("factor", [0.7, 1.0, 3.1])
def test_a_disc_found_in_the_view_comes_back_to_its_place(factor: float, plant: Plant) -> None:
    x, y = 201.0, 113.0
    view = prepare_view(plant(60, np.array([(x, y)])).array, factor, 60 / factor, NORMALISE)
    rows, columns = np.nonzero(view.array < -5)
    back = view.to_micrograph(one(columns.mean(), rows.mean(), 60 / factor))
    assert back.x[0] == pytest.approx(x, abs=0.3)
    assert back.y[0] == pytest.approx(y, abs=0.3)
    assert back.diameter[0] == pytest.approx(60, rel=0.01)
    assert back.logit[0] == 1.0


def test_centres_follow_the_pixel_centre_rule_each_way_by_itself() -> None:
    """The first working pixel of factor 4 covers 0 to 3, centre 1.5; that of factor 2 covers 0 and 1."""
    back = View(np.zeros((10, 10), np.float32), 4.0, 2.0).to_micrograph(one(0, 0, 10))
    assert (back.x[0], back.y[0]) == (1.5, 0.5)
    assert back.diameter[0] == pytest.approx(10 * np.sqrt(8))


def test_light_particles_are_turned_dark(plant: Plant) -> None:
    array = plant().array
    turned = prepare_view(-array, 2, 20, NORMALISE, light=True).array
    plain = prepare_view(array, 2, 20, NORMALISE).array
    np.testing.assert_allclose(turned, plain, atol=1e-4)
    assert prepare_view(-array, 2, 20, NORMALISE).array.max() > 5.5
    np.testing.assert_array_equal(prepare_view(-array, 2, 20, NORMALISE).inverted().array, plain)


def test_holes_do_not_spread(plant: Plant) -> None:
    array = plant().array.copy()
    array[300:310, 300:310] = np.nan
    view = prepare_view(array, 3, 20, NORMALISE).array
    assert np.isfinite(view).all()
    assert np.abs(view[100:103, 100:103]).max() < 1.5


@pytest.mark.parametrize("diameter", [40, 120])
def test_background_never_follows_a_particle_of_the_working_diameter(diameter: float, plant: Plant) -> None:
    """In a view of 180 px the usual background, an eighth of it, would eat the middle of a disc of 120 px."""
    array = plant(diameter, np.array([(90.0, 90.0)]), shape=(180, 180), grey=-4.0).array
    view = prepare_view(array, 1, diameter, NORMALISE).array
    middle = float(view[85:96, 85:96].mean())
    rim = float(view[86:95, int(82 + diameter / 2) : int(88 + diameter / 2)].mean())
    assert middle == pytest.approx(rim, abs=0.35 * abs(rim))
    assert middle < -1
