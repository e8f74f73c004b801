"""Particles in their places: each whole at one height, and all of them together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cryopick_cli.simulation import simulate
from cryopick_cli.simulation.config import LayoutConfig, OpticsConfig, SimulationConfig
from cryopick_cli.simulation.exposure import NearSlab, expose
from cryopick_cli.simulation.optics import Optics
from cryopick_cli.simulation.population import Particle, Population, draw_kinds, populate, superpose
from cryopick_cli.simulation.simulate import simulate_micrograph
from cryopick_cli.simulation.specimen import Specimen
from cryopick_cli.simulation.structures import StructureLibrary

EDGE, PIXEL_SIZE = 128, 3.0
CROWDED = SimulationConfig(size_px=256, layout=LayoutConfig(empty_probability=0.0, coverage=(0.4, 0.5)))


def population_of(*centres: tuple[float, float]) -> Population:
    disc = (np.hypot(*np.indices((31, 31)) - 15) < 10).astype(np.float32)
    particles = tuple(Particle(projection=disc, occupancy=np.float32(0.9), x=x, y=y) for x, y in centres)
    return Population(
        particles=particles,
        blur_px=1.0,
        electrons=superpose(particles, 1.0, (EDGE, EDGE), PIXEL_SIZE),
        reference=pd.DataFrame(),
        diameter=60.0,
        aggregated=False,
    )


def left_of(border: float) -> np.ndarray:
    return np.broadcast_to(np.arange(EDGE) < border, (EDGE, EDGE))


def test_a_region_holds_whole_particles_by_their_centres() -> None:
    both, left, right = (population_of(*at) for at in [((40, 64), (64, 64)), ((40, 64),), ((64, 64),)])
    # The border cuts through the left particle's right half, then through its left half.
    np.testing.assert_array_equal(both.electrons_within(left_of(42), PIXEL_SIZE), left.electrons)
    np.testing.assert_array_equal(both.electrons_within(~left_of(42), PIXEL_SIZE), right.electrons)
    assert not both.electrons_within(left_of(38), PIXEL_SIZE).any()


def test_a_centre_beyond_the_canvas_goes_with_the_edge() -> None:
    outside = population_of((-6.0, 140.0))
    np.testing.assert_array_equal(outside.electrons_within(left_of(1), PIXEL_SIZE), outside.electrons)
    assert not outside.electrons_within(~left_of(1), PIXEL_SIZE).any()


def test_regions_of_a_drawn_population_add_up_to_all_of_it(rng: np.random.Generator) -> None:
    library = StructureLibrary.open(None)
    kinds, pixel_size = draw_kinds(rng, CROWDED, library)
    specimen = Specimen(edge=304, margin=24, pixel_size=pixel_size, phase_per_volt=6.5e-4)
    population = populate(rng, CROWDED, specimen, kinds)
    region = rng.random((304, 304)) > 0.5
    near, far = (population.electrons_within(part, pixel_size) for part in (region, ~region))
    assert near.any()
    assert far.any()
    np.testing.assert_allclose(near + far, population.electrons, atol=1e-5 * population.electrons.max())
    assert len(population.particles) == len(population.reference)


def test_a_particle_on_the_border_shows_one_defocus_in_full() -> None:
    population = population_of((64, 64))
    optics, strength, absorbed = Optics(defocus=12000.0), np.float32(0.5), 0.1

    def exposed(optics: Optics, near: np.ndarray | None = None) -> np.ndarray:
        specimen = Specimen(edge=EDGE, margin=0, pixel_size=PIXEL_SIZE, phase_per_volt=6.5e-4)
        if near is None:
            specimen.add_weak(strength * population.electrons, absorbed)
            return expose(specimen, optics)
        specimen.add_weak(strength * (population.electrons - near), absorbed)
        return expose(specimen, optics, NearSlab(phase=strength * near, absorption=absorbed, distance=900.0))

    for border, defocus in ((66, 12000.0), (62, 11100.0)):
        parted = exposed(optics, population.electrons_within(left_of(border), PIXEL_SIZE))
        np.testing.assert_allclose(parted, exposed(replace(optics, defocus=defocus)), atol=1e-5)
        # Cut along the border it would look otherwise.
        halved = exposed(optics, population.electrons * left_of(border))
        assert np.abs(halved - parted).max() > 1e-3


def test_two_heights_lie_within_the_ice_and_come_back_with_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    slabs: list[NearSlab] = []

    def watch(specimen: Specimen, optics: Optics, near: NearSlab | None = None) -> np.ndarray:
        slabs.extend([near] if near is not None else [])
        return expose(specimen, optics, near)

    monkeypatch.setattr(simulate, "expose", watch)
    two_heights = OpticsConfig(slab_probability=1.0, ice_thickness=(600.0, 600.0))
    first, second = (simulate_micrograph(replace(CROWDED, optics=two_heights), 3) for _ in range(2))
    np.testing.assert_array_equal(first.array, second.array)
    assert [300.0 <= slab.distance <= 600.0 for slab in slabs] == [True, True]
    one_height = simulate_micrograph(replace(CROWDED, optics=replace(two_heights, slab_probability=0.0)), 3)
    assert len(slabs) == 2
    assert first.reference.equals(one_height.reference)
    assert not np.array_equal(first.array, one_height.array)
