"""Do coordinates fit? The ways in which they go wrong between programs, tried one by one and compared.

Coordinates arrive mirrored, with x and y exchanged, scaled by a binning factor, or off by half a box. Each
such frame is tried and gets its evidence: against micrographs in :mod:`.orientation_micrographs`, against
other coordinates in :mod:`.orientation_reference`. Here are the frames and the verdict. Names are paired in
``folders.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from cryopick_cli.errors import ConfigError, InputError

Shape = tuple[int, int]

_SCALES = (2.0, 3.0, 4.0, 6.0, 8.0)
_BOX_PER_DIAMETER = 1.5


class Verdict(Enum):
    """What came out: the coordinates fit, another frame fits, or it cannot be told."""

    FITS = "fits"
    MISMATCH = "mismatch"
    UNSURE = "unsure"


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A way to read coordinates: exchange, scale, shift, mirror, in the order of ``cryopick convert``."""

    name: str
    swap_xy: bool = False
    flip_x: bool = False
    flip_y: bool = False
    scale: float = 1.0
    shift: float = 0.0

    @property
    def cure(self) -> str:
        """The options of ``cryopick convert`` that bring coordinates from this frame into the right one."""
        options = [
            f"--{name.replace('_', '-')}" for name in ("swap_xy", "flip_x", "flip_y") if getattr(self, name)
        ]
        if self.scale != 1.0:
            options.append(f"--scale {self.scale:g}")
        if self.shift:
            options.append(f"--shift {self.shift:g} {self.shift:g}")
        return " ".join(options)

    def apply(self, xy: NDArray[np.float64], shape: Shape) -> NDArray[np.float64]:
        """Move centres, (n, 2) px, into the micrograph of this shape (rows, columns)."""
        moved = self.turn(xy) + self.shift
        return moved + np.array(
            [(shape[1] - 1) * self.flip_x, (shape[0] - 1) * self.flip_y], dtype=np.float64
        )

    def turn(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Exchange, scale and mirror centres about the origin, without any shift."""
        signs = np.array([-1.0 if self.flip_x else 1.0, -1.0 if self.flip_y else 1.0])
        exchanged = xy[:, ::-1] if self.swap_xy else xy
        return np.asarray(((exchanged + 0.5) * self.scale - 0.5) * signs, dtype=np.float64)


AS_GIVEN = Frame(name="as given")
_TURNED = (
    Frame(name="y flipped", flip_y=True),
    Frame(name="x flipped", flip_x=True),
    Frame(name="x and y flipped", flip_x=True, flip_y=True),
    Frame(name="x and y exchanged", swap_xy=True),
    Frame(name="exchanged, y flipped", swap_xy=True, flip_y=True),
    Frame(name="exchanged, x flipped", swap_xy=True, flip_x=True),
    Frame(name="exchanged, both flipped", swap_xy=True, flip_x=True, flip_y=True),
)


def frames_to_try(box_size_px: float | None) -> list[Frame]:
    """List the frames: as given, turned, scaled with or without a flip, off by half a box if known."""
    scaled = [
        Frame(name=f"{text}{', y flipped' * flip}", scale=scale, flip_y=flip)
        for factor in _SCALES
        for scale, text in (
            (factor, f"in pixels {factor:g} times as large"),
            (1 / factor, f"in pixels {factor:g} times as small"),
        )
        for flip in (False, True)
    ]
    half = 0.0 if box_size_px is None else float(round(box_size_px / 2))
    shifted = [
        Frame(name="corners of boxes, not centres", shift=half),
        Frame(name="half a box too far, as centres taken for corners", shift=-half),
    ]
    return [AS_GIVEN, *_TURNED, *scaled, *(shifted if half else [])]


@dataclass(frozen=True, kw_only=True)
class OrientationConfig:
    """How frames are tried and when a verdict is sure.

    Attributes
    ----------
    diameter_px, box_size_px : float or None
        Of the particles and of their boxes, px; None takes the tables' own.
    most_micrographs : int
        Greatest number of micrographs looked at: those with most coordinates.
    sure : float
        Least evidence of the best frame, in standard deviations of chance.
    seed : int
        Of the displacements that chance is measured by.
    """

    diameter_px: float | None = None
    box_size_px: float | None = None
    most_micrographs: int = field(
        default=12,
        metadata={"help": "Look at no more than this many micrographs, those with most coordinates."},
    )
    sure: float = field(
        default=8.0, metadata={"help": "Least evidence, in standard deviations of chance, for a verdict."}
    )
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be tried."""
        if self.most_micrographs < 1 or self.sure <= 0:
            raise ConfigError(
                f"check: found {self.most_micrographs} micrographs and a bound of "
                f"{self.sure}, expected positive numbers"
            )
        for name in ("diameter_px", "box_size_px"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"check: found {name} {value}, expected a positive number")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How well one frame does.

    Attributes
    ----------
    frame : Frame
        The frame.
    evidence : float
        Distance from chance in standard deviations; 0 where coordinates would leave the micrographs.
    share : float
        0 to 1: of the coordinates, those inside the micrographs, or those that find a partner.
    offset : (float, float) or None
        Further shift in x and y that this frame needs, px; None where none was sought.
    """

    frame: Frame
    evidence: float
    share: float
    offset: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class OrientationReport:
    """Every frame tried, best first, and what follows."""

    findings: Sequence[Finding]
    verdict: Verdict
    micrographs: int
    coordinates: int

    @property
    def best(self) -> Finding:
        """The frame with most evidence."""
        return self.findings[0]

    @property
    def as_given(self) -> Finding:
        """The frame in which the coordinates came."""
        return next(one for one in self.findings if one.frame is AS_GIVEN)

    def message(self) -> str:
        """Tell the verdict in a sentence, with numbers, and the cure where one is needed."""
        compared = f"{self.coordinates} coordinates on {self.micrographs} micrographs"
        best, given = self.best, self.as_given
        if self.verdict is Verdict.FITS:
            return f"the coordinates fit as they are ({compared}; evidence {given.evidence:.1f})"
        if self.verdict is Verdict.UNSURE:
            return (
                f"it cannot be told whether the coordinates fit ({compared}; "
                f"evidence as given {given.evidence:.1f}, "
                f"best {best.evidence:.1f} for {best.frame.name})"
            )
        return (
            f"the coordinates do not fit: they are {_name(best)} ({compared}; "
            f"evidence {best.evidence:.1f}, as given "
            f"{given.evidence:.1f}); cryopick convert {_cure(best)} puts it right"
        )


def conclude(
    findings: Sequence[Finding], config: OrientationConfig, *, micrographs: int, coordinates: int
) -> OrientationReport:
    """Draw the verdict: sure if the best frame is far from chance and the given one far behind or level."""
    ranked = sorted(findings, key=lambda one: (-one.evidence, one.frame is not AS_GIVEN))
    best = ranked[0].evidence
    given = next(one for one in ranked if one.frame is AS_GIVEN)
    displaced = given.offset is not None and given.offset != (0.0, 0.0)
    if best < config.sure:
        verdict = Verdict.UNSURE
    elif given.evidence >= 0.8 * best:
        verdict = Verdict.MISMATCH if displaced else Verdict.FITS
    else:
        verdict = Verdict.MISMATCH if given.evidence < 0.5 * best else Verdict.UNSURE
    if verdict is not Verdict.UNSURE and given.evidence >= 0.8 * best:
        ranked = [given, *(one for one in ranked if one is not given)]
    return OrientationReport(
        findings=ranked, verdict=verdict, micrographs=micrographs, coordinates=coordinates
    )


def refuse_mismatch(
    report: OrientationReport, coordinates: str, against: str, *, tolerated_shift_px: float = 0.0
) -> None:
    """Stop where coordinates surely do not fit; pass where they do or where it cannot be told.

    Parameters
    ----------
    report : OrientationReport
        What the check found.
    coordinates, against : str
        Where the coordinates came from, and what they were compared with, for the message.
    tolerated_shift_px : float
        A shift of coordinates that are right otherwise passes up to this length, px.

    Raises
    ------
    InputError
        On a sure mismatch.
    """
    best = report.best
    shift = float(np.hypot(*best.offset)) if best.offset else 0.0
    if report.verdict is not Verdict.MISMATCH or (best.frame is AS_GIVEN and 0 < shift <= tolerated_shift_px):
        return
    raise InputError(
        f"{coordinates}: found coordinates that are {_name(best)}, expected centres in px of {against}, y "
        f"down the stored rows ({report.coordinates} compared on {report.micrographs} micrographs; evidence "
        f"{best.evidence:.1f}, as given {report.as_given.evidence:.1f}); cryopick convert {_cure(best)} "
        "puts it right, --no-check goes on all the same"
    )


def box_size_of(
    box_sizes: Sequence[float], diameters: Sequence[float], config: OrientationConfig
) -> float | None:
    """Give the box whose half coordinates may be off by: as set, the tables', 1.5 diameters, or None."""
    if config.box_size_px is not None:
        return config.box_size_px
    for known, factor in (
        (box_sizes, 1.0),
        ([config.diameter_px] if config.diameter_px else diameters, _BOX_PER_DIAMETER),
    ):
        values = np.asarray(known, dtype=np.float64)
        values = values[np.isfinite(values) & (values > 0)]
        if values.size:
            return float(np.median(values)) * factor
    return None


def _name(finding: Finding) -> str:
    if not finding.offset or finding.offset == (0.0, 0.0):
        return finding.frame.name
    shift = f"shifted by {finding.offset[0]:.0f}, {finding.offset[1]:.0f} px"
    return shift if finding.frame is AS_GIVEN else f"{finding.frame.name} and {shift}"


def _cure(finding: Finding) -> str:
    if not finding.offset or finding.offset == (0.0, 0.0):
        return finding.frame.cure
    # `convert` shifts before it mirrors.
    x = -finding.offset[0] if finding.frame.flip_x else finding.offset[0]
    y = -finding.offset[1] if finding.frame.flip_y else finding.offset[1]
    shift = f"--shift {x:.0f} {y:.0f}"
    return f"{finding.frame.cure} {shift}".strip()
