"""All settings between micrograph and picks. The command line's options are made of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryopick_cli.errors import ConfigError
from cryopick_cli.imaging.junk import JunkConfig
from cryopick_cli.picking.consistency import SIZE_PRIORS, ConsistencyConfig
from cryopick_cli.picking.cross_check import CrossCheckConfig
from cryopick_cli.picking.detect import DetectConfig
from cryopick_cli.picking.edges import ALL, HELP, METAVAR, parse_edge
from cryopick_cli.picking.junk import FLAG, MODES
from cryopick_cli.picking.recentre import RecentreConfig
from cryopick_cli.picking.scale import ScaleConfig
from cryopick_cli.picking.threshold import TARGETS, ThresholdConfig
from cryopick_cli.units import Length

QUALITIES = ("fast", "normal", "best")
WITHOUT_OPTION = (
    "box_size_px",
    "calibration_pixels",
    "fast_factor",
    "averaged_scales",
    "scale",
    "detection",
    "consistency",
    "thresholding",
    "masking",
    "cross_check",
    "recentring",
)
"""Fields that the command line does not offer: for experiments, or, the box size, told with the files."""


@dataclass(frozen=True, kw_only=True)
class PickConfig:
    """All decisions between micrograph and picks."""

    diameter: Length | None = field(
        default=None,
        metadata={
            "help": "Particle diameter with its unit. auto finds it.",
            "metavar": "auto|120A|90px",
            "auto": True,
        },
    )
    threshold: float | None = field(
        default=None,
        metadata={
            "option": ("-t", "--threshold"),
            "help": "Score from which a candidate is accepted. auto finds it.",
            "metavar": "auto|0..1",
            "auto": True,
        },
    )
    min_distance: Length | None = field(
        default=None,
        metadata={
            "help": "Smallest distance between picks; a number without a unit is in Å. Default: half the "
            "diameter, less where particles overlap.",
            "metavar": "120A|90px",
            "bare": "A",
        },
    )
    contrast: str = field(
        default="auto",
        metadata={
            "help": "Whether particles are darker or lighter than the ice. auto finds it.",
            "choices": ("auto", "dark", "light"),
        },
    )
    size_prior: str = field(
        default="auto",
        metadata={
            "help": "How sizes unlike the data set's count: they fade (soft), go (hard), stay (off). auto is "
            "soft, and keeps two sizes where there clearly are two.",
            "choices": SIZE_PRIORS,
        },
    )
    target: str = field(
        default="f1",
        metadata={
            "help": "What the automatic threshold aims at: the balance of both, few false picks, or few "
            "missed particles. Where nothing scores like a particle, it is the same for all.",
            "choices": TARGETS,
        },
    )
    quality: str = field(
        default="normal",
        metadata={
            "help": "How carefully each micrograph is looked at: once, in smaller views (fast), as it is and "
            "turned by half a circle (normal), or in all symmetries at three scales (best).",
            "choices": QUALITIES,
        },
    )
    calibration_micrographs: int = field(
        default=16,
        metadata={
            "help": "Micrographs from which diameter and threshold are learnt, at most; fewer of very large "
            "ones.",
            "metavar": "N",
        },
    )
    calibration_pixels: int = field(
        default=500_000_000,
        metadata={"help": "Their pixels together, at most, unless a single one has more: 2 GB of memory."},
    )
    fast_factor: float = field(
        default=1.4, metadata={"help": "How much smaller the views are along each side with --quality fast."}
    )
    averaged_scales: tuple[float, ...] = field(
        default=(0.85, 1.0, 1.18), metadata={"help": "Scales that --quality best averages."}
    )
    seed: int = field(default=0, metadata={"help": "Seed of the choice of these micrographs."})
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    detection: DetectConfig = field(default_factory=DetectConfig)
    consistency: ConsistencyConfig = field(default_factory=ConsistencyConfig)
    thresholding: ThresholdConfig = field(default_factory=ThresholdConfig)
    junk: str = field(
        default=FLAG,
        metadata={
            "help": "What becomes of candidates on carbon, gold, ice balls and the like: drop accepts none, "
            "flag lowers their scores, keep changes nothing.",
            "choices": MODES,
        },
    )
    edge: str = field(default=ALL, metadata={"help": HELP, "metavar": METAVAR})
    box_size_px: int | None = field(
        default=None,
        metadata={"help": "Edge of the box to extract, where it is not the suggested one."},
    )
    masking: JunkConfig = field(default_factory=JunkConfig)
    cross_check: CrossCheckConfig = field(default_factory=CrossCheckConfig)
    recentring: RecentreConfig = field(default_factory=RecentreConfig)

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ConfigError(f"--threshold: found {self.threshold}, expected auto or a number from 0 to 1")
        if self.contrast not in ("auto", "dark", "light"):
            raise ConfigError(f"--contrast: found {self.contrast!r}, expected auto, dark or light")
        parse_edge(self.edge)
        for name, choices in (
            ("quality", QUALITIES),
            ("junk", MODES),
            ("size_prior", SIZE_PRIORS),
            ("target", TARGETS),
        ):
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"--{name.replace('_', '-')}: found {getattr(self, name)!r}, expected one of {choices}"
                )
        if not self.averaged_scales or not min(self.fast_factor, *self.averaged_scales) > 0:
            raise ConfigError("fast_factor, averaged_scales: expected positive numbers")
        if self.calibration_micrographs < 1:
            raise ConfigError(
                f"--calibration-micrographs: found {self.calibration_micrographs}, expected 1 or more"
            )
        if self.calibration_pixels < 1:
            raise ConfigError(f"calibration_pixels: found {self.calibration_pixels}, expected 1 or more")

    def check_unit(self, pixel_size: float | None) -> None:
        """Refuse lengths given in Å for a micrograph of unknown pixel size.

        Raises
        ------
        ConfigError
            If the diameter, the smallest distance or the edge is in Å and the pixel size is unknown.
        """
        lengths = (self.diameter, self.min_distance, parse_edge(self.edge))
        if pixel_size is None and any(length is not None and length.unit == "A" for length in lengths):
            raise ConfigError(
                "unknown pixel size, expected one, as --diameter, --min-distance or --edge is in Å; give "
                "--pixel-size"
            )
