"""Whole micrographs: reproducible, physical, with a reference that says what is there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cryopick_cli.simulation.config import (
    AppearanceConfig,
    DetectorConfig,
    JunkConfig,
    LayoutConfig,
    OpticsConfig,
    ParticleConfig,
    SimulationConfig,
)
from cryopick_cli.simulation.exposure import NoiseLevel, detectability, draw_optics
from cryopick_cli.simulation.optics import Optics
from cryopick_cli.simulation.reference import COLUMNS
from cryopick_cli.simulation.simulate import simulate_micrograph

SMALL = SimulationConfig(size_px=256)
CLEAN = SimulationConfig(
    size_px=256,
    particles=ParticleConfig(diameter_px=(120.0, 120.0), second_species_probability=0.0),
    layout=LayoutConfig(empty_probability=0.0, coverage=(0.2, 0.3), spacing=(1.1, 1.1)),
    junk=JunkConfig(strength=0.0),
    detector=DetectorConfig(hot_pixel_probability=0.0, dead_line_probability=0.0, stripe_probability=0.0),
    appearance=AppearanceConfig(
        filtered_probability=0.0, denoised_probability=0.0, eight_bit_probability=0.0
    ),
)


def test_same_seed_gives_the_same_micrograph() -> None:
    first, second = simulate_micrograph(SMALL, 11), simulate_micrograph(SMALL, 11)
    np.testing.assert_array_equal(first.array, second.array)
    assert first.reference.equals(second.reference)
    assert first.description == second.description
    assert not np.array_equal(first.array, simulate_micrograph(SMALL, 12).array)


@pytest.mark.parametrize("seed", range(12))
def test_micrograph_and_table_are_of_the_promised_kind(seed: int) -> None:
    simulated = simulate_micrograph(SMALL, seed)
    assert simulated.array.shape == (256, 256)
    assert simulated.array.dtype == np.float32
    assert np.isfinite(simulated.array).all()
    assert simulated.array.std() > 0
    assert tuple(simulated.reference.columns) == COLUMNS
    assert simulated.reference["visible"].between(0.0, 1.0).all()
    assert simulated.reference["ignore"].dtype == np.bool_
    low, high = SMALL.particles.pixel_size
    assert 4.0 * low <= simulated.pixel_size <= 4.0 * high


def test_particles_are_dark_where_the_reference_says() -> None:
    for seed in range(4):
        simulated = simulate_micrograph(CLEAN, seed)
        y, x = np.indices(simulated.array.shape)
        inside = np.zeros(simulated.array.shape, np.bool_)
        for particle in simulated.reference.itertuples():
            inside |= (x - particle.x) ** 2 + (y - particle.y) ** 2 < (0.4 * particle.diameter_px) ** 2
        difference = simulated.array[inside].mean() - simulated.array[~inside].mean()
        error = simulated.array.std() / np.sqrt(min(inside.sum(), (~inside).sum()))
        assert difference < -4.0 * error


def test_one_diameter_a_species_and_as_drawn() -> None:
    simulated = simulate_micrograph(CLEAN, 3)
    assert simulated.reference["diameter_px"].nunique() == 1
    # 120 px in a view of 1024 px are 30 px here.
    assert simulated.reference["diameter_px"].iloc[0] == pytest.approx(30.0, rel=0.02)


def test_cut_particles_are_to_ignore_and_whole_ones_are_not() -> None:
    table = simulate_micrograph(CLEAN, 5).reference
    radius = 0.5 * table["diameter_px"]
    depth = np.minimum.reduce([table["x"], table["y"], 255 - table["x"], 255 - table["y"]])
    assert not table["ignore"][depth > radius].any()
    assert table["ignore"][depth < -0.5 * radius].all()
    assert (table["visible"][depth > radius] == 1.0).all()


def test_no_particles_give_an_empty_table() -> None:
    empty = replace(
        SMALL, layout=LayoutConfig(empty_probability=1.0), junk=JunkConfig(aggregate_probability=0.0)
    )
    simulated = simulate_micrograph(empty, 1)
    assert len(simulated.reference) == 0
    assert tuple(simulated.reference.columns) == COLUMNS
    assert simulated.description["detectability"] == 0.0


def test_particles_in_aggregates_are_to_ignore() -> None:
    config = replace(
        SMALL,
        layout=LayoutConfig(empty_probability=1.0),
        junk=JunkConfig(strength=1.0, aggregate_probability=1.0),
    )
    reference = simulate_micrograph(config, 2).reference
    assert len(reference) >= 6
    assert reference["ignore"].all()


def test_two_species_have_two_diameters() -> None:
    config = replace(
        SMALL,
        particles=ParticleConfig(diameter_px=(40.0, 160.0), second_species_probability=1.0),
        layout=LayoutConfig(empty_probability=0.0, coverage=(0.5, 0.5)),
    )
    numbers = [simulate_micrograph(config, seed).reference["diameter_px"].nunique() for seed in range(8)]
    assert max(numbers) == 2


@pytest.mark.parametrize("name", [item for item in vars(JunkConfig()) if item.endswith("_probability")])
def test_each_effect_can_be_had_alone_and_is_named(name: str) -> None:
    none = {item: 0.0 for item in vars(JunkConfig()) if item.endswith("_probability")}
    config = replace(CLEAN, junk=JunkConfig(**{**none, name: 1.0}))  # type: ignore[arg-type]
    with_effect, without = simulate_micrograph(config, 4), simulate_micrograph(CLEAN, 4)
    assert with_effect.description["effects"] == [name.removesuffix("_probability")]
    assert not np.array_equal(with_effect.array, without.array)
    assert np.isfinite(with_effect.array).all()


def test_faint_particles_are_made_visible_enough() -> None:
    strict = replace(CLEAN, detector=replace(CLEAN.detector, least_detectability=(12.0, 12.0)))
    found = [simulate_micrograph(strict, seed).description["detectability"] for seed in range(6)]
    assert np.median(np.array(found, dtype=float)) >= 12.0 - 1e-6


def test_detectability_of_a_blob_is_its_signal_to_noise() -> None:
    # An in-focus phase plate of 90 degrees turns phase into contrast 2 phase: the sum can be done by hand.
    optics = Optics(
        defocus=0.0, spherical_aberration_mm=0.0, amplitude_contrast=0.0, b_factor=0.0, phase_shift_deg=90.0
    )
    y, x = np.indices((256, 256)) - 128
    blob = (0.05 * np.exp(-(x**2 + y**2) / (2 * 4.0**2))).astype(np.float32)
    noise = NoiseLevel(electrons=100.0, ice_sigma=0.0, longest_period=1e6)
    # DC, which does not count, holds (sum)² / pixels.
    signal = ((2 * blob) ** 2).sum() - (2 * blob).sum() ** 2 / blob.size
    expected = np.sqrt(signal * noise.electrons)
    assert detectability(blob, 1, optics, 2.0, noise) == pytest.approx(expected, rel=1e-3)
    rough = NoiseLevel(electrons=100.0, ice_sigma=0.05, longest_period=1e6)
    # The texture adds (2 * 0.05)² to the variance 1/100 of the counts: twice the noise power.
    assert detectability(blob, 1, optics, 2.0, rough) == pytest.approx(expected / np.sqrt(2.0), rel=1e-3)
    assert detectability(blob, 0, optics, 2.0, noise) == 0.0


def test_drawn_optics_stay_in_their_ranges(rng: np.random.Generator) -> None:
    config = OpticsConfig(voltage_200_share=0.5, voltage_120_share=0.2, phase_plate_probability=0.3)
    drawn = [draw_optics(rng, config) for _ in range(300)]
    assert {optics.voltage_kv for optics in drawn} == {120.0, 200.0, 300.0}
    defoci = np.array([optics.defocus for optics in drawn]) / 1e4
    assert config.defocus[0] <= defoci.min() <= defoci.max() <= config.defocus[1]
    assert 1.2 < np.median(defoci) < 2.4
    shifted = [optics.phase_shift_deg for optics in drawn if optics.phase_shift_deg]
    assert 0.2 < len(shifted) / 300 < 0.4
    assert 30.0 <= min(shifted) <= max(shifted) <= 120.0
