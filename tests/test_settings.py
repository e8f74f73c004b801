"""Configuration from mappings and files: nesting, types, unknown keys, and the way back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from cryopick_cli.errors import ConfigError
from cryopick_cli.settings import differences, from_mapping, read_toml, to_mapping
from cryopick_cli.units import Length


@dataclass(frozen=True, kw_only=True)
class Inner:
    depth: int = 3
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outer:
    folder: Path
    rate: float = 0.5
    on: bool = False
    inner: Inner = field(default_factory=Inner)
    parts: tuple[Inner, ...] = ()
    pair: tuple[int, float] = (1, 2.0)
    diameter: Length | None = None
    by_side: dict[int, float] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ConfigError(f"rate: found {self.rate}, expected 0 or more")


FULL = Outer(
    folder=Path("a/b"),
    rate=2.0,
    on=True,
    inner=Inner(depth=5, names=("x", "y")),
    parts=(Inner(depth=1), Inner(names=("z",))),
    pair=(3, 4.5),
    diameter=Length(120.0, "A"),
    by_side={512: 40.5, 1024: 41.0},
    about={"free": [1, {"deep": None}]},
)


def test_what_is_left_out_keeps_its_default() -> None:
    assert from_mapping(Outer, {"folder": "a"}) == Outer(folder=Path("a"))


def test_round_trip_through_json_gives_an_equal_configuration() -> None:
    assert from_mapping(Outer, json.loads(json.dumps(to_mapping(FULL)))) == FULL


def test_differences_are_named_with_both_values_and_by_field() -> None:
    other = replace(
        FULL,
        rate=3.0,
        inner=Inner(depth=6, names=("x", "y")),
        parts=(Inner(depth=1), Inner(names=("w",))),
        diameter=Length(90.0, "px"),
    )
    assert differences(FULL, FULL, "run") == []
    assert differences(FULL, other, "run", whole=(Length,)) == [
        "run.rate (found 2.0, expected 3.0)",
        "run.inner.depth (found 5, expected 6)",
        "run.parts[1].names[0] (found z, expected w)",
        "run.diameter (found 120A, expected 90px)",
    ]


def test_what_is_not_made_alike_is_told_whole() -> None:
    assert differences(None, 2.0, "pixel_size") == ["pixel_size (found None, expected 2.0)"]
    assert differences(Length(1, "A"), None, "distance") == ["distance (found 1A, expected None)"]
    assert differences(("a",), ("a", "b"), "names") == ["names (found ('a',), expected ('a', 'b'))"]


def test_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"recipe\.toml: found 'x', expected a table of settings"):
        from_mapping(Outer, "x", "recipe.toml")  # type: ignore[arg-type]


def test_mapping_holds_plain_values_only() -> None:
    mapping = to_mapping(FULL)
    assert mapping["folder"] == "a/b"
    assert mapping["parts"] == [{"depth": 1, "names": []}, {"depth": 3, "names": ["z"]}]
    assert mapping["diameter"] == {"value": 120.0, "unit": "A"}


def test_whole_numbers_pass_as_floats_and_become_them() -> None:
    config = from_mapping(Outer, {"folder": "a", "rate": 2, "pair": [1, 2]})
    assert isinstance(config.rate, float)
    assert isinstance(config.pair[1], float)


@pytest.mark.parametrize(
    ("mapping", "place", "complaint"),
    [
        ({"folder": "a", "rates": 1}, "recipe.toml", r"unknown \['rates'\], expected some of"),
        ({"folder": "a", "inner": {"deep": 1}}, r"recipe\.toml\.inner", r"unknown \['deep'\]"),
        ({"folder": "a", "parts": [{}, {"deep": 1}]}, r"recipe\.toml\.parts\[1\]", r"unknown \['deep'\]"),
        ({"folder": "a", "inner": 3}, r"recipe\.toml\.inner", "found 3, expected a table of settings"),
        (
            {"folder": "a", "inner": {"depth": "3"}},
            r"recipe\.toml\.inner\.depth",
            "found '3', expected .*int",
        ),
        (
            {"folder": "a", "inner": {"depth": True}},
            r"recipe\.toml\.inner\.depth",
            "found True, expected .*int",
        ),
        (
            {"folder": "a", "inner": {"depth": 3.0}},
            r"recipe\.toml\.inner\.depth",
            "found 3.0, expected .*int",
        ),
        ({"folder": "a", "on": 1}, r"recipe\.toml\.on", "found 1, expected .*bool"),
        ({"folder": "a", "rate": "fast"}, r"recipe\.toml\.rate", "found 'fast', expected .*float"),
        ({"folder": 3}, r"recipe\.toml\.folder", "found 3, expected .*Path"),
        ({"folder": "a", "pair": [1]}, r"recipe\.toml\.pair", "found 1 values, expected 2"),
        ({"folder": "a", "pair": 1}, r"recipe\.toml\.pair", "found 1, expected a list"),
        ({"folder": "a", "by_side": [1]}, r"recipe\.toml\.by_side", r"found \[1\], expected a table"),
        ({"folder": "a", "by_side": {"x": 1.0}}, r"recipe\.toml\.by_side", "found 'x', expected .*int"),
        ({}, "recipe.toml", "folder.*give every field that has no default"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(
    mapping: dict[str, Any], place: str, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{place}: .*{complaint}"):
        from_mapping(Outer, mapping, "recipe.toml")


def test_checks_of_the_dataclass_itself_still_hold() -> None:
    with pytest.raises(ConfigError, match="rate: found -1"):
        from_mapping(Outer, {"folder": "a", "rate": -1})


def test_none_is_a_value_where_the_field_may_be_none() -> None:
    assert from_mapping(Outer, {"folder": "a", "diameter": None}).diameter is None


def test_reads_toml(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('folder = "å"\nrate = 2\n[inner]\ndepth = 5\n[[parts]]\ndepth = 1\n', encoding="utf-8")
    config = from_mapping(Outer, read_toml(path), path.name)
    assert config == Outer(folder=Path("å"), rate=2.0, inner=Inner(depth=5), parts=(Inner(depth=1),))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"steps: 4", "not TOML"), (b"\xff\xfe", "not TOML"), (None, "no such file")],
)
def test_files_that_are_no_toml_are_named(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    path = tmp_path / "recipe.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"{path}: .*{complaint}"):
        read_toml(path)
