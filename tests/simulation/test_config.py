"""Settings: checked when made, read from nested tables, unknown names refused."""

from __future__ import annotations

import pytest

from cryopick_cli.errors import ConfigError
from cryopick_cli.settings import from_mapping, to_mapping
from cryopick_cli.simulation.config import (
    DetectorConfig,
    JunkConfig,
    LayoutConfig,
    OpticsConfig,
    ParticleConfig,
    SimulationConfig,
)


def test_mapping_round_trip_keeps_every_setting() -> None:
    config = SimulationConfig(size_px=512, junk=JunkConfig(strength=0.5, carbon_probability=0.0))
    assert from_mapping(SimulationConfig, to_mapping(config)) == config


def test_settings_left_out_keep_their_default() -> None:
    config = from_mapping(SimulationConfig, {"optics": {"defocus": [1.0, 2.0]}})
    assert config.optics == OpticsConfig(defocus=(1.0, 2.0))
    assert config.layout == LayoutConfig()


def test_unknown_setting_is_named() -> None:
    with pytest.raises(ConfigError, match="carbn_probability"):
        from_mapping(SimulationConfig, {"junk": {"carbn_probability": 0.1}})


def test_probability_above_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"junk\.frost_probability: found 1\.5"):
        JunkConfig(frost_probability=1.5)


def test_reversed_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"optics\.defocus: found \(3\.0, 1\.0\)"):
        OpticsConfig(defocus=(3.0, 1.0))


@pytest.mark.parametrize(
    "values", [{"diameter_px": (0.0, 50.0)}, {"orientations": 0}, {"usual_pixel_size": 0.0}]
)
def test_values_that_cannot_be_drawn_from_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"particles.{next(iter(values))}"):
        ParticleConfig(**values)  # type: ignore[arg-type]


def test_range_above_its_limit_is_refused() -> None:
    with pytest.raises(ConfigError, match="modulation_at_nyquist"):
        DetectorConfig(modulation_at_nyquist=(0.5, 1.2))


def test_voltage_shares_beyond_the_whole_are_refused() -> None:
    with pytest.raises(ConfigError, match="voltage"):
        OpticsConfig(voltage_200_share=0.7, voltage_120_share=0.7)


@pytest.mark.parametrize("size", [0, 63, 20000])
def test_size_out_of_bounds_is_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=f"size_px: found {size}"):
        SimulationConfig(size_px=size)
