"""Recipes: what is refused, and that one survives being written down."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cryopick_cli.errors import ConfigError
from cryopick_cli.settings import from_mapping, to_mapping
from cryopick_cli.training.config import (
    AugmentConfig,
    CropConfig,
    OptimiserConfig,
    SourceConfig,
    TrainConfig,
    ValidationConfig,
)

SOURCE = SourceConfig(name="own", micrographs=Path("mics"), coordinates=Path("coords"), include=("a*", "b*"))


def test_a_recipe_survives_json() -> None:
    validation = ValidationConfig(name="klh", micrographs=Path("m"), coordinates=Path("c"), most=3)
    config = TrainConfig(sources=(SOURCE, replace(SOURCE, share=0.5)), validation=(validation,), seed=7)
    assert from_mapping(TrainConfig, json.loads(json.dumps(to_mapping(config)))) == config


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"share": 0.0}, r"source own: found share 0\.0, expected a positive number"),
        ({"contrast": "grey"}, "source own: found contrast 'grey', expected dark or light"),
        ({"diameter": "120"}, "found '120', expected a positive number with its unit"),
    ],
)
def test_sources_that_cannot_be_drawn_from_are_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        replace(SOURCE, **values)


def test_a_recipe_without_data_is_refused() -> None:
    with pytest.raises(ConfigError, match="sources, simulated: found none"):
        TrainConfig()


def test_crops_must_fit_the_pyramid() -> None:
    with pytest.raises(ConfigError, match=r"crop\.size_px: found 500, expected a multiple of 64"):
        TrainConfig(sources=(SOURCE,), crop=CropConfig(size_px=500))


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_probabilities_are_from_nought_to_one(value: float) -> None:
    with pytest.raises(ConfigError, match=r"augment\.noise: found"):
        AugmentConfig(noise=value)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"steps": 0}, "steps and batch: found 0 and 4"),
        ({"batch": 0}, "steps and batch: found 6000 and 0"),
        ({"average": 1.0}, r"average: found 1\.0, expected 0 or more and less than 1"),
    ],
)
def test_runs_that_change_nothing_are_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        OptimiserConfig(**values)


@pytest.mark.parametrize("name", ["size_px", "smallest_side_px", "working_diameter_px"])
def test_crops_without_size_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"crop\.{name}: found 0, expected a positive number"):
        CropConfig(**{name: 0})


@pytest.mark.parametrize("name", ["working_share", "focus_share"])
def test_shares_are_from_nought_to_one(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"crop\.{name}: found 1\.5, expected a share from 0 to 1"):
        CropConfig(**{name: 1.5})


@pytest.mark.parametrize("name", ["checkpoint_every", "validate_every"])
def test_intervals_of_no_length_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: found 0, expected 1 or more steps"):
        TrainConfig(sources=(SOURCE,), **{name: 0})


def test_a_validation_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="validation klh: found most = 0"):
        ValidationConfig(name="klh", micrographs=Path("m"), coordinates=Path("c"), most=0)
