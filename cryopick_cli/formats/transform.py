"""Move coordinates to another frame: exchange, scale, shift, mirror; and cut them by score. No files."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cryopick_cli.errors import ConfigError, InputError
from cryopick_cli.formats.coordinates import score_or_merit
from cryopick_cli.units import rescale_coordinate


@dataclass(frozen=True, kw_only=True)
class TransformConfig:
    """What is done to coordinates, in the order of the fields; from ``scale`` on in the target's pixels."""

    threshold: float | None = field(
        default=None,
        metadata={
            "option": ("-t", "--threshold"),
            "help": "Keep candidates of this score and above (of this figure "
            "of merit where there is no score), "
            "whatever was accepted before. CBOX files hold every candidate, so give one for them.",
        },
    )
    swap_xy: bool = field(default=False, metadata={"help": "Exchange x and y."})
    scale: float = field(
        default=1.0,
        metadata={
            "help": "Multiply by this: 2 takes coordinates of a micrograph binned twice to the full one. "
            "Diameters and boxes grow with it."
        },
    )
    shift: tuple[float, float] = field(
        default=(0.0, 0.0), metadata={"help": "Add these to x and y, px.", "metavar": "X Y"}
    )
    flip_x: bool = field(default=False, metadata={"help": "Mirror x: column x becomes columns - 1 - x."})
    flip_y: bool = field(default=False, metadata={"help": "Mirror y: row y becomes rows - 1 - y."})

    def __post_init__(self) -> None:
        """Refuse a scale that is none."""
        if not (self.scale > 0 and np.isfinite(self.scale)):
            raise ConfigError(f"--scale: found {self.scale:g}, expected a positive number")
        if not np.isfinite(self.shift).all():
            raise ConfigError(f"shift: found {self.shift}, expected two numbers")

    @property
    def needs_shape(self) -> bool:
        """Tell whether the micrograph's shape must be known."""
        return self.flip_x or self.flip_y


def transform_coordinates(
    table: pd.DataFrame,
    config: TransformConfig,
    *,
    shape: tuple[int, int] | None = None,
    where: str = "table",
) -> pd.DataFrame:
    """Give the table in the new frame.

    Parameters
    ----------
    table : DataFrame
        One micrograph's coordinates.
    config : TransformConfig
        What to do.
    shape : (rows, columns), optional
        Of the target micrograph; mirroring needs it.
    where : str
        What messages call the table.

    Raises
    ------
    InputError
        If there is a threshold and a row without any rating, or a mirror and no shape.
    """
    table = table if config.threshold is None else _cut(table, config.threshold, where)
    if config.needs_shape and shape is None:
        raise InputError(
            f"{where}: the micrograph's size is unknown and mirroring needs it; give --micrographs or --size"
        )
    order = ("y", "x") if config.swap_xy else ("x", "y")
    # Unlike a factor of binning, which makes pixels larger, the scale makes coordinates larger.
    x, y = (rescale_coordinate(table[one].to_numpy(dtype=np.float64), 1.0 / config.scale) for one in order)
    x, y = x + config.shift[0], y + config.shift[1]
    if config.flip_x and shape is not None:
        x = shape[1] - 1 - x
    if config.flip_y and shape is not None:
        y = shape[0] - 1 - y
    sizes = [column for column in ("diameter_px", "box_size_px") if column in table.columns]
    scaled = {column: table[column] * config.scale for column in sizes}
    return table.assign(x=x, y=y, **scaled)


def _cut(table: pd.DataFrame, threshold: float, where: str) -> pd.DataFrame:
    rating = score_or_merit(table)
    unrated = int(np.isnan(rating).sum())
    if unrated:
        raise InputError(
            f"{where}: found {unrated} of {len(table)} coordinates without a score, expected one for each; "
            "leave out --threshold"
        )
    return table[rating >= threshold].assign(accepted=True).reset_index(drop=True)
