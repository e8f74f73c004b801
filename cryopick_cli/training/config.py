"""All settings of a training run, as they stand in a recipe file. Nothing is computed here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from cryopick_cli.errors import ConfigError
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.losses import LossConfig
from cryopick_cli.simulation.config import SimulationConfig
from cryopick_cli.simulation.pool import PoolConfig
from cryopick_cli.units import Length


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """One set of micrographs with their reference coordinates. Relative paths start at the data folder."""

    name: str
    micrographs: Path
    coordinates: Path | None = None
    ignore: Path | None = None
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    share: float = 1.0
    contrast: str = "dark"
    diameter: str | None = None
    """Like 120A or 90px; for coordinate files that hold no diameters."""
    pixel_size: float | None = None
    """Å per pixel, for a diameter in Å, in place of what the list or the header says."""

    def __post_init__(self) -> None:
        """Refuse sources that cannot be drawn from."""
        if self.share <= 0:
            raise ConfigError(f"source {self.name}: found share {self.share}, expected a positive number")
        if self.contrast not in ("dark", "light"):
            raise ConfigError(f"source {self.name}: found contrast {self.contrast!r}, expected dark or light")
        if self.diameter is not None:
            Length.parse(self.diameter)
        if self.pixel_size is not None and not self.pixel_size > 0:
            raise ConfigError(
                f"source {self.name}: found a pixel size of {self.pixel_size}, expected a positive number"
            )


@dataclass(frozen=True, kw_only=True)
class SimulatedSourceConfig:
    """Micrographs that are simulated while training runs, renewed after every checkpoint."""

    name: str = "simulated"
    structures: Path | None = None
    """Folder of structures, relative to the data folder; None draws procedural shapes only."""
    share: float = 1.0
    settings: SimulationConfig = field(default_factory=SimulationConfig)
    pool: PoolConfig = field(default_factory=PoolConfig)

    def __post_init__(self) -> None:
        """Refuse sources that are never drawn from, and names that are no folder's."""
        if self.share <= 0:
            raise ConfigError(f"source {self.name}: found share {self.share}, expected a positive number")
        if not re.fullmatch(r"\w[\w .-]*", self.name):
            raise ConfigError(
                f"simulated.name: found {self.name!r}, expected letters, digits, blanks, dots and hyphens, "
                "as it names a folder"
            )


@dataclass(frozen=True, kw_only=True)
class CropConfig:
    """Crops of random position and random size, resized to one size: what makes the network size-agnostic."""

    size_px: int = field(default=512, metadata={"help": "Edge of the crops after resizing, px."})
    smallest_side_px: int = field(default=224, metadata={"help": "Smallest crop before resizing, px."})
    working_diameter_px: float = field(
        default=40.0, metadata={"help": "Diameter that picking will show the network, px."}
    )
    working_share: float = field(
        default=0.5, metadata={"help": "Share of crops near the working diameter; the rest is log-uniform."}
    )
    working_spread: float = field(
        default=0.35, metadata={"help": "Spread of log diameter about the working one."}
    )
    focus_share: float = field(
        default=0.6, metadata={"help": "Share of crops that are placed about a particle."}
    )
    edge_share: float = field(
        default=0.2,
        metadata={"help": "Particles nearer to an edge than this share of their diameter are ignored."},
    )

    def __post_init__(self) -> None:
        """Refuse crops that cannot be cut."""
        for name in ("size_px", "smallest_side_px", "working_diameter_px"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"crop.{name}: found {getattr(self, name)}, expected a positive number")
        for name in ("working_share", "focus_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"crop.{name}: found {getattr(self, name)}, expected a share from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Probabilities of each change to a crop's grey values. The first two leave no particle to be found."""

    phase_noise: float = 0.04
    wrong_contrast: float = 0.03
    band_pass: float = 0.35
    denoise: float = 0.1
    local_contrast: float = 0.1
    eight_bit: float = 0.15
    squash: float = 0.15
    noise: float = 0.3
    gain: float = 0.4
    gradient: float = 0.2

    def __post_init__(self) -> None:
        """Refuse values that are no probabilities."""
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise ConfigError(f"augment.{name}: found {value}, expected a probability from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig:
    """AdamW with warm-up and cosine, clipped gradients, and averaged weights."""

    steps: int = field(default=6000, metadata={"help": "Steps of the whole run."})
    batch: int = field(default=4, metadata={"help": "Crops a step."})
    learning_rate: float = field(default=1e-3, metadata={"help": "Largest learning rate."})
    final_share: float = field(default=0.01, metadata={"help": "Share of the learning rate left at the end."})
    warm_up: int = field(default=200, metadata={"help": "Steps until the learning rate is reached."})
    weight_decay: float = field(default=1e-4, metadata={"help": "AdamW's weight decay."})
    gradient_norm: float = field(default=5.0, metadata={"help": "Largest norm of a step's gradient."})
    average: float = field(default=0.998, metadata={"help": "How much of the averaged weights a step keeps."})

    def __post_init__(self) -> None:
        """Refuse runs that cannot be done."""
        if min(self.steps, self.batch) < 1:
            raise ConfigError(f"steps and batch: found {self.steps} and {self.batch}, expected 1 or more")
        if not 0 <= self.average < 1:
            raise ConfigError(f"average: found {self.average}, expected 0 or more and less than 1")


@dataclass(frozen=True, kw_only=True)
class ValidationConfig:
    """A labelled set on which checkpoints are judged while training runs."""

    name: str
    micrographs: Path
    coordinates: Path
    ignore: Path | None = None
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    most: int = field(default=6, metadata={"help": "Micrographs used, spread evenly over the set."})

    def __post_init__(self) -> None:
        """Refuse a validation of nothing."""
        if self.most < 1:
            raise ConfigError(f"validation {self.name}: found most = {self.most}, expected 1 or more")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A recipe: data, network, losses, crops, augmentation and optimisation."""

    sources: tuple[SourceConfig, ...] = ()
    simulated: tuple[SimulatedSourceConfig, ...] = ()
    validation: tuple[ValidationConfig, ...] = ()
    network: NetworkConfig = field(default_factory=NetworkConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    crop: CropConfig = field(default_factory=CropConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    seed: int = field(default=0, metadata={"help": "Seed of the run."})
    workers: int = field(default=2, metadata={"help": "Processes that cut crops."})
    checkpoint_every: int = field(default=250, metadata={"help": "Steps between checkpoints."})
    validate_every: int = field(default=500, metadata={"help": "Steps between validations."})

    def __post_init__(self) -> None:
        """Refuse recipes without data, and intervals of no length."""
        if not self.sources and not self.simulated:
            raise ConfigError(
                "sources, simulated: found none, expected at least one set of micrographs to train on"
            )
        if len({one.name for one in self.simulated}) < len(self.simulated):
            raise ConfigError("simulated: found one name twice, expected a name for each")
        if self.crop.size_px % self.network.strides[-1]:
            raise ConfigError(
                f"crop.size_px: found {self.crop.size_px}, expected a multiple of {self.network.strides[-1]}"
            )
        for name in ("checkpoint_every", "validate_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: found {getattr(self, name)}, expected 1 or more steps")

    @property
    def shares(self) -> tuple[float, ...]:
        """Shares of the sources, then of the simulated ones, as given."""
        return (*(one.share for one in self.sources), *(one.share for one in self.simulated))
