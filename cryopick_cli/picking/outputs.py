"""Which files a run writes. Where they lie and how they are written is the folder's business."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryopick_cli.errors import ConfigError
from cryopick_cli.formats.micrograph import MASK_SUFFIX
from cryopick_cli.formats.registry import FORMATS


@dataclass(frozen=True, kw_only=True)
class OutputConfig:
    """Which files a run writes beside its tables."""

    format: str = field(
        default="star,box",
        metadata={
            "help": f"Coordinate files to write, parted by commas: {', '.join(FORMATS)}.",
            "metavar": "NAMES",
        },
    )
    box_size: int | None = field(
        default=None,
        metadata={
            "help": "Edge of the boxes in BOX and CBOX files, and of those that --edge auto keeps inside. "
            "Default: the suggested one.",
            "metavar": "PX",
        },
    )
    write_masks: bool = field(
        default=False,
        metadata={
            "help": f"Write where there is no ice to <stem>{MASK_SUFFIX}: 1 on junk, 0 elsewhere, in the "
            "micrograph's shape; all 0 where the mask is not believed.",
        },
    )

    def __post_init__(self) -> None:
        """Refuse unknown formats and boxes without area."""
        if not self.formats:
            raise ConfigError(f"--format: found nothing, expected some of {', '.join(FORMATS)}")
        unknown = [name for name in self.formats if name not in FORMATS]
        if unknown:
            raise ConfigError(f"--format: found {unknown[0]!r}, expected one of {', '.join(FORMATS)}")
        if self.box_size is not None and (self.box_size < 2 or self.box_size % 2):
            raise ConfigError(f"--box-size: found {self.box_size}, expected an even number of pixels")

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats by name, each once."""
        return tuple(dict.fromkeys(name.strip() for name in self.format.split(",") if name.strip()))
