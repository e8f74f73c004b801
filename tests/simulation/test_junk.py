"""What is no particle: each effect does to the beam what its kind does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cryopick_cli.simulation import contamination, crystals, ice, support
from cryopick_cli.simulation.config import JunkConfig
from cryopick_cli.simulation.optics import interaction_constant
from cryopick_cli.simulation.specimen import PROTEIN, Specimen, smooth_field

Effect = Callable[[np.random.Generator, Specimen], None]

DARKENING: list[Effect] = [
    contamination.add_frost,
    contamination.add_ice_balls,
    contamination.add_gold_beads,
    contamination.add_denatured_film,
    contamination.add_filaments,
    support.add_carbon_edge,
    support.add_gold_edge,
    crystals.add_plates,
]
COVERING: list[Effect] = [
    contamination.add_ice_balls,
    support.add_carbon_edge,
    support.add_gold_edge,
    support.add_empty_hole,
    support.add_beam_edge,
    support.add_cracks,
]


@pytest.fixture
def specimen() -> Specimen:
    return Specimen(edge=300, margin=22, pixel_size=4.0, phase_per_volt=interaction_constant(300.0))


@pytest.mark.parametrize("add", DARKENING, ids=lambda add: add.__name__)
def test_material_retards_and_absorbs(add: Effect, specimen: Specimen) -> None:
    for seed in range(4):
        add(np.random.default_rng(seed), specimen)
    assert specimen.phase.sum() > 0
    assert specimen.loss.sum() > 0
    assert np.isfinite(specimen.phase).all()


@pytest.mark.parametrize("add", COVERING, ids=lambda add: add.__name__)
def test_what_hides_particles_says_where(add: Effect, specimen: Specimen) -> None:
    shares = []
    for seed in range(6):
        specimen.covered[:] = False
        add(np.random.default_rng(seed), specimen)
        shares.append(specimen.covered.mean())
    assert max(shares) > 0.0
    assert min(shares) < 1.0


@pytest.mark.parametrize("add", [support.add_cracks, support.add_empty_hole], ids=lambda add: add.__name__)
def test_where_ice_is_gone_it_has_no_texture(add: Effect, specimen: Specimen) -> None:
    add(np.random.default_rng(1), specimen)
    assert specimen.thickness.min() < 0.2
    assert specimen.thickness.max() == pytest.approx(1.0)


def test_mosaic_varies_brightness_both_ways(rng: np.random.Generator, specimen: Specimen) -> None:
    crystals.add_mosaic(rng, specimen)
    assert specimen.loss.min() < 0 < specimen.loss.max()


def test_protein_thickness_gives_two_milliradian_an_angstrom(specimen: Specimen) -> None:
    specimen.add_material(np.full((300, 300), 50.0, np.float32), PROTEIN)
    assert specimen.phase[0, 0] / 50.0 == pytest.approx(1.96e-3, rel=0.01)


def test_fragments_are_small(rng: np.random.Generator, specimen: Specimen) -> None:
    contamination.add_fragments(rng, specimen, 60.0)
    assert 0 < (specimen.phase > 0.5 * specimen.phase.max()).mean() < 0.2


def test_blob_beyond_the_canvas_changes_nothing(rng: np.random.Generator, specimen: Specimen) -> None:
    contamination.add_blob(
        rng,
        specimen,
        PROTEIN,
        contamination.Blob(x=-200.0, y=900.0, radius=20.0, height=50.0, roughness=0.1),
    )
    assert not specimen.phase.any()
    assert not specimen.covered.any()


def test_ice_texture_grows_with_thickness_and_shrinks_with_pixel(rng: np.random.Generator) -> None:
    constant = interaction_constant(300.0)
    thin, thick = (ice.texture_sigma(thickness, 4.0, constant) for thickness in (200.0, 800.0))
    assert thick / thin == pytest.approx(2.0)
    assert ice.texture_sigma(200.0, 8.0, constant) / thin == pytest.approx(0.5)


def test_ice_is_rougher_where_it_is_thicker(rng: np.random.Generator, specimen: Specimen) -> None:
    specimen.thickness[:, 150:] = 4.0
    sigma = ice.add_ice(rng, specimen, 400.0, JunkConfig(ice_noise=(1.0, 1.0)))
    left, right = specimen.phase[:, :150], specimen.phase[:, 150:]
    assert right.std() / left.std() == pytest.approx(2.0, rel=0.25)
    assert sigma > 0
    assert specimen.loss[0, 200] == pytest.approx(4.0 * specimen.loss[0, 0])


@pytest.mark.parametrize("seed", range(6))
def test_thickness_varies_about_its_mean(seed: int, specimen: Specimen) -> None:
    ice.draw_thickness(np.random.default_rng(seed), specimen)
    assert 0.3 < specimen.thickness.min() < specimen.thickness.max() < 3.0
    assert specimen.thickness.std() > 0.001


def test_smooth_field_is_standardised_and_smooth(rng: np.random.Generator) -> None:
    field = smooth_field(rng, 256, 4)
    assert field.std() == pytest.approx(1.0, rel=1e-3)
    assert np.abs(np.diff(field, axis=0)).max() < 0.3


def test_aggregates_are_denser_than_touching(rng: np.random.Generator) -> None:
    piles = contamination.aggregate_centres(rng, 40.0, 1024)
    assert len(piles) >= 6
    nearest = np.linalg.norm(piles[:, None] - piles[None], axis=2) + 1e9 * np.eye(len(piles))
    assert np.median(nearest.min(axis=1)) < 30.0
