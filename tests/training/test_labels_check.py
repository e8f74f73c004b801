"""The check before training: right labels pass, wrong ones stop it, and what says nothing says nothing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cryopick_cli.errors import InputError
from cryopick_cli.evaluation.orientation import OrientationConfig, Verdict
from cryopick_cli.training.config import SourceConfig
from cryopick_cli.training.labels_check import check_source

SOURCE = SourceConfig(name="own", micrographs=Path("mics"), coordinates=Path("coords"))
# The planted particles are few.
CONFIG = OrientationConfig(sure=5.0)


def test_right_labels_fit(planted_data: Path) -> None:
    report = check_source(SOURCE, planted_data, CONFIG)
    assert report is not None
    assert report.verdict is Verdict.FITS
    assert report.micrographs == 3


def test_wrong_labels_stop_with_the_names_of_both(planted_data: Path) -> None:
    for path in (planted_data / "coords").iterdir():
        table = pd.read_csv(path)
        table.assign(y=209 - table["y"]).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"^coords: found coordinates that are .*flipped.*px of mics"):
        check_source(SOURCE, planted_data, CONFIG)


def test_places_to_ignore_are_not_compared(planted_data: Path) -> None:
    for path in (planted_data / "coords").iterdir():
        table = pd.read_csv(path)
        doubtful = table.assign(y=209 - table["y"], ignore=1)
        pd.concat([table.assign(ignore=0), doubtful]).to_csv(path, index=False)
    report = check_source(SOURCE, planted_data, CONFIG)
    assert report is not None
    assert report.verdict is Verdict.FITS


def test_labels_without_particles_say_nothing(planted_data: Path) -> None:
    for path in (planted_data / "coords").iterdir():
        path.write_text("x,y,diameter\n")
    assert check_source(SOURCE, planted_data, CONFIG) is None
