"""Cut a finished run anew: which of its candidates are accepted, by score, size, place and number.

Works on tables alone; the network is not needed and torch is not loaded. Files are ``run_folder.py``'s
business.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryopick_cli.errors import ConfigError, InputError
from cryopick_cli.formats.coordinates import log_odds, score_or_merit
from cryopick_cli.picking.duplicates import suppress_duplicates
from cryopick_cli.picking.edges import METAVAR, edge_px, is_inside, parse_edge
from cryopick_cli.picking.junk import DROP, MODES, allowed, fade_of
from cryopick_cli.picking.notes import Row
from cryopick_cli.units import Length

Chosen = NDArray[np.bool_]
_LENGTH = "120A|90px"


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    """What an accepted pick must be. What is not given stays as the run decided it.

    Where threshold, junk or edge is given, acceptance is decided anew from the scores, so that a wider limit
    brings candidates back; else what was accepted is cut further.
    """

    threshold: float | None = field(
        default=None,
        metadata={
            "option": ("-t", "--threshold"),
            "help": "Accept every candidate from this score on. Default: as in the run.",
            "metavar": "0..1",
        },
    )
    min_diameter: Length | None = field(
        default=None, metadata={"help": "Smallest diameter of a pick.", "metavar": _LENGTH}
    )
    max_diameter: Length | None = field(
        default=None, metadata={"help": "Largest diameter of a pick.", "metavar": _LENGTH}
    )
    min_distance: Length | None = field(
        default=None, metadata={"help": "Smallest distance between picks.", "metavar": _LENGTH}
    )
    junk: str | None = field(
        default=None,
        metadata={
            "help": "What becomes of candidates on junk: drop accepts none, flag lowers their scores, keep "
            "changes nothing. Default: as in the run.",
            "choices": MODES,
        },
    )
    edge: str | None = field(
        default=None,
        metadata={
            "help": "How far from the edge picks stay. auto keeps the box, that of --box-size or else the "
            "suggested one, inside, 0 keeps all. Default: as in the run.",
            "metavar": METAVAR,
        },
    )
    box_size_px: int | None = field(
        default=None, metadata={"help": "Edge of the box to extract, where it is not the suggested one."}
    )
    most_picks: int | None = field(
        default=None, metadata={"help": "Picks a micrograph at most, the best ones.", "metavar": "N"}
    )

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ConfigError(f"--threshold: found {self.threshold}, expected a number from 0 to 1")
        if self.junk not in (None, *MODES):
            raise ConfigError(f"--junk: found {self.junk!r}, expected one of {MODES}")
        if self.edge is not None:
            parse_edge(self.edge)
        low, high = self.min_diameter, self.max_diameter
        if low is not None and high is not None and low.unit == high.unit and low.value > high.value:
            raise ConfigError(
                f"--min-diameter, --max-diameter: found {low.value:g} and {high.value:g}, expected rising"
            )
        if self.most_picks is not None and self.most_picks < 0:
            raise ConfigError(f"--most-picks: found {self.most_picks}, expected 0 or more")


def recut(picks: pd.DataFrame, row: Row, config: FilterConfig) -> pd.DataFrame:
    """Decide which candidates of a micrograph are accepted; none is removed from the table.

    Parameters
    ----------
    picks : DataFrame
        Every candidate, px of the micrograph.
    row : Row
        What is known of the micrograph: shape, pixel size, suggested box.
    config : FilterConfig

    Returns
    -------
    DataFrame
        The same rows with another ``accepted``, and with the scores that they have with junk as given.

    Raises
    ------
    InputError
        If the cut needs scores, diameters, junk or the micrograph's size, and they are unknown.
    """
    picks = _rescored(picks, config)
    if config.threshold is not None:
        _need(picks["score"], "score", "--threshold", row)
        picks = picks.assign(threshold=config.threshold)
    score = score_or_merit(picks)
    chosen = _scores_enough(picks, config) & _has_size(picks, row, config) & _is_clean(picks, row, config)
    chosen = chosen & _is_far_from_edge(picks, row, config)
    if config.min_distance is not None:
        chosen = _apart(picks, chosen, score, _in_px(config.min_distance, "--min-distance", row))
    if config.most_picks is not None:
        chosen = _best(chosen, score, config.most_picks)
    return picks.assign(accepted=chosen)


def knows_threshold(picks: pd.DataFrame) -> bool:
    """Tell whether a table says from which score its candidates were accepted, as those of a run do."""
    told = "threshold" in picks and picks[["threshold", "score"]].notna().to_numpy().all()
    return picks.empty or bool(told)


def _rescored(picks: pd.DataFrame, config: FilterConfig) -> pd.DataFrame:
    """Give the scores that candidates have with junk as asked for, where the table tells them without."""
    told = "junk" in picks and "score_without_junk" in picks
    if config.junk is None or not told or picks["score_without_junk"].isna().any():
        return picks
    fade = fade_of(picks["junk"].fillna(0.0).to_numpy(), config.junk)
    score = picks["score_without_junk"].to_numpy() * fade
    return picks.assign(score=score, figure_of_merit=log_odds(score))


def _scores_enough(picks: pd.DataFrame, config: FilterConfig) -> Chosen:
    given = any(value is not None for value in (config.threshold, config.junk, config.edge))
    if picks.empty or not (given and knows_threshold(picks)):
        return picks["accepted"].to_numpy(dtype=np.bool_)
    return np.asarray(picks["score"] >= picks["threshold"], dtype=np.bool_)


def _has_size(picks: pd.DataFrame, row: Row, config: FilterConfig) -> Chosen:
    fits = np.ones(len(picks), dtype=np.bool_)
    for limit, sign, option in ((config.min_diameter, 1, "min"), (config.max_diameter, -1, "max")):
        if limit is not None:
            _need(picks["diameter_px"], "diameter", f"--{option}-diameter", row)
            fits &= sign * (picks["diameter_px"].to_numpy() - _in_px(limit, f"--{option}-diameter", row)) >= 0
    return fits


def _is_clean(picks: pd.DataFrame, row: Row, config: FilterConfig) -> Chosen:
    if config.junk != DROP:
        return np.ones(len(picks), dtype=np.bool_)
    if "junk" not in picks:
        raise InputError(
            f"{row.name}: --junk drop: found no column junk, expected one; pick again, or leave --junk out"
        )
    return allowed(picks["junk"].fillna(0.0).to_numpy(), DROP)


def _is_far_from_edge(picks: pd.DataFrame, row: Row, config: FilterConfig) -> Chosen:
    margin = edge_px(config.edge or "0", row.pixel_size, config.box_size_px or row.box_size_px)
    if margin <= 0 or picks.empty:
        return np.ones(len(picks), dtype=np.bool_)
    if row.shape is None:
        raise InputError(
            f"{row.name}: --edge {config.edge}: the size of the micrograph is unknown (found no such file, "
            "expected one to look it up); run from the folder that its name is relative to, or give --edge 0"
        )
    return is_inside(picks["x"].to_numpy(), picks["y"].to_numpy(), row.shape, margin)


def _apart(picks: pd.DataFrame, chosen: Chosen, score: NDArray[np.float64], distance: float) -> Chosen:
    at = np.flatnonzero(chosen)
    ranked = np.nan_to_num(score[at], nan=-np.inf)
    kept = suppress_duplicates(picks["x"].to_numpy()[at], picks["y"].to_numpy()[at], ranked, distance)
    left = np.zeros_like(chosen)
    left[at[kept]] = True
    return left


def _best(chosen: Chosen, score: NDArray[np.float64], most: int) -> Chosen:
    order = np.argsort(-np.where(chosen, np.nan_to_num(score, nan=-1e9), -np.inf), kind="stable")
    best = np.zeros_like(chosen)
    best[order[:most]] = True
    return chosen & best


def _in_px(limit: Length, option: str, row: Row) -> float:
    if limit.unit != "px" and row.pixel_size is None:
        raise InputError(
            f"{row.name}: {option}: found {limit} for a micrograph of unknown pixel size, expected pixels; "
            "give the length in pixels, such as 90px"
        )
    return limit.in_px(row.pixel_size)


def _need(column: pd.Series[float], what: str, option: str, row: Row) -> None:
    if column.isna().any():
        raise InputError(
            f"{row.name}: {option}: found picks without {what}, expected one for each; leave {option} out"
        )
