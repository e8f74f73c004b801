"""Labels typed in RELION's window to options: switches with two names, what is unknown, what has no value."""

from __future__ import annotations

import click
import pytest

from cryopick_cli.cli.relion_labels import sort_labels

OPTIONS = [
    click.Option(["--fast/--no-fast"]),
    click.Option(["--overwrite"], is_flag=True),
    click.Option(["--min-distance"]),
]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("--fast", ["--fast"]),
        ("--fast Yes", ["--fast"]),
        ("--Fast No", ["--no-fast"]),
        ("--no_fast Yes", ["--no-fast"]),
        ("--no-fast No", ["--fast"]),
        ("--overwrite Yes", ["--overwrite"]),
        ("--overwrite No", []),
        ("--min_distance -1.5", ["--min-distance", "-1.5"]),
        ("--min_distance=20", ["--min-distance", "20"]),
    ],
)
def test_what_is_known_is_kept_in_the_options_own_spelling(typed: str, kept: list[str]) -> None:
    assert sort_labels(typed.split(), OPTIONS) == (kept, [])


@pytest.mark.parametrize(
    ("typed", "warning"),
    [
        ("--overwrite maybe", "found maybe, expected Yes or No"),
        ("--min_distance", "--min_distance: has no value"),
        ("--min_distanc 3", "did you mean --min-distance?"),
        ("word", "word: no option of this command"),
    ],
)
def test_what_is_not_is_left_out_with_a_warning(typed: str, warning: str) -> None:
    kept, (said,) = sort_labels(typed.split(), OPTIONS)
    assert kept == []
    assert warning in said
