"""The simulator's settings: what is drawn, from which ranges, with which probabilities.

A range is a pair ``(low, high)``. Every physical quantity names its unit in its description. There is
no drawing code here: `simulate` and its neighbours draw.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cryopick_cli.errors import ConfigError

Range = tuple[float, float]


def setting(default: Any, description: str, lowest: float = 0.0, highest: float = math.inf) -> Any:
    """Declare a field: its default, the sentence that help texts show, and the bounds of its value."""
    return field(default=default, metadata={"help": description, "lowest": lowest, "highest": highest})


def probability(default: float, description: str) -> Any:
    """Declare a field that holds a share or a probability."""
    return setting(default, description, 0.0, 1.0)


class CheckedConfig:
    """Checks every field against the bounds that it was declared with."""

    section: ClassVar[str]
    """What messages and configuration files call these settings."""

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):  # type: ignore[arg-type]
            _check(f"{self.section}.{item.name}", getattr(self, item.name), item.metadata)


def _check(name: str, value: float | Range, bounds: Mapping[str, float]) -> None:
    lowest, highest = bounds["lowest"], bounds["highest"]
    if isinstance(value, tuple):
        if not lowest <= value[0] <= value[1] <= highest:
            raise ConfigError(
                f"{name}: found {value}, expected (low, high) with {lowest:g} <= low <= high <= {highest:g}; "
                "correct the setting"
            )
    elif not lowest <= value <= highest:
        raise ConfigError(f"{name}: found {value:g}, expected {lowest:g} to {highest:g}; correct the setting")


@dataclass(frozen=True, kw_only=True)
class ParticleConfig(CheckedConfig):
    """Which particles are drawn and how large they look."""

    section = "particles"

    diameter_px: tuple[float, float] = setting(
        (14.0, 200.0), "particle diameter in a micrograph 1024 px wide, log-uniform", 1.0
    )
    pixel_size: tuple[float, float] = setting((1.5, 10.0), "pixel size of a micrograph 1024 px wide, Å", 0.05)
    usual_pixel_size: float = setting(4.0, "pixel size that structures are drawn towards, Å", 0.05)
    procedural_share: float = probability(0.5, "micrographs whose particles are procedural shapes")
    second_species_probability: float = probability(0.1, "micrographs with two kinds of particle")
    preferred_orientation_probability: float = probability(0.35, "micrographs with preferred orientation")
    broken_probability: float = probability(0.25, "micrographs with broken particles among the whole ones")
    micelle_probability: float = probability(0.8, "membrane proteins that keep their micelle or nanodisc")
    genome_probability: float = probability(0.5, "capsids filled with a disordered genome")
    flexible_probability: float = probability(0.2, "soluble particles that get a flexible, blurred part")
    phase_mrad: tuple[float, float] = setting(
        (2.2, 7.0), "phase per projected electron per Å² at 300 kV, mrad", 0.01
    )
    orientations: int = setting(60, "projections made of each species in a micrograph", 1)
    projected_points: int = setting(
        2_000_000, "points splatted for one species in a micrograph, at most", 1000
    )


@dataclass(frozen=True, kw_only=True)
class LayoutConfig(CheckedConfig):
    """Where particles lie."""

    section = "layout"

    empty_probability: float = probability(0.12, "micrographs without a particle")
    most_particles: int = setting(1200, "particles in a micrograph, at most", 1)
    coverage: tuple[float, float] = setting(
        (0.025, 0.75), "share of the area under particles, log-uniform", 1e-6, 1.0
    )
    spacing: tuple[float, float] = setting(
        (0.65, 1.4), "least distance of two centres, in particle diameters", 0.05
    )
    clustered_probability: float = probability(0.25, "micrographs whose particles gather in clusters")
    uneven_probability: float = probability(0.3, "micrographs with more particles on one side")


@dataclass(frozen=True, kw_only=True)
class OpticsConfig(CheckedConfig):
    """The microscope."""

    section = "optics"

    voltage_200_share: float = probability(0.25, "micrographs taken at 200 kV")
    voltage_120_share: float = probability(0.08, "micrographs taken at 120 kV")
    spherical_aberration: tuple[float, float] = setting((0.001, 2.7), "Cs, mm; the ends are drawn most often")
    defocus: tuple[float, float] = setting(
        (0.4, 3.5), "underfocus, µm; most lie in the upper middle of the range"
    )
    astigmatism: tuple[float, float] = setting((0.0, 0.08), "half difference of the two defoci, µm")
    amplitude_contrast: tuple[float, float] = setting((0.06, 0.12), "share of amplitude contrast", 0.0, 0.9)
    b_factor: tuple[float, float] = setting((30.0, 400.0), "envelope exp(-B k²/4), Å²", 1e-3)
    phase_plate_probability: float = probability(0.06, "micrographs taken with a phase plate")
    phase_plate_deg: tuple[float, float] = setting((30.0, 120.0), "phase shift of the phase plate, degrees")
    drift_probability: float = probability(0.15, "micrographs with visible drift")
    drift: tuple[float, float] = setting((5.0, 40.0), "length of the drift blur, Å")
    slab_probability: float = probability(0.15, "micrographs whose particles differ in height")
    ice_thickness: tuple[float, float] = setting((150.0, 1200.0), "ice thickness, Å")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.voltage_200_share + self.voltage_120_share > 1.0:
            raise ConfigError(
                f"optics.voltage_200_share and voltage_120_share: found {self.voltage_200_share:g} and "
                f"{self.voltage_120_share:g}, expected a sum of at most 1; lower one"
            )


@dataclass(frozen=True, kw_only=True)
class DetectorConfig(CheckedConfig):
    """Dose, camera and its defects."""

    section = "detector"

    dose: tuple[float, float] = setting((15.0, 60.0), "electrons per Å²", 0.01)
    quantum_efficiency: tuple[float, float] = setting(
        (0.15, 0.9), "share of the dose that carries signal, log-uniform", 1e-3, 1.0
    )
    least_detectability: tuple[float, float] = setting(
        (7.0, 16.0),
        "signal to noise of a particle under the best possible filter, at least (drawn log-uniform)",
        1e-3,
    )
    read_noise: tuple[float, float] = setting((0.0, 0.3), "read noise in units of the shot noise")
    modulation_at_nyquist: tuple[float, float] = setting(
        (0.2, 0.95), "modulation transfer at the highest frequency", 0.01, 1.0
    )
    hot_pixel_probability: float = probability(0.12, "micrographs with hot or dead pixels")
    dead_line_probability: float = probability(0.05, "micrographs with dead rows or columns")
    stripe_probability: float = probability(0.06, "micrographs with gain stripes")


@dataclass(frozen=True, kw_only=True)
class JunkConfig(CheckedConfig):
    """What ruins micrographs; each with its own probability."""

    section = "junk"

    strength: float = setting(1.0, "factor on all probabilities of this section")
    gradient_probability: float = probability(0.5, "ice thickness gradient or lens")
    ice_noise: tuple[float, float] = setting(
        (0.25, 1.4), "texture of ice against the calculated one, log-uniform", 1e-3
    )
    frost_probability: float = probability(0.4, "frost and ethane blobs")
    ice_ball_probability: float = probability(0.07, "one to three very large ice balls")
    crystalline_ice_probability: float = probability(0.08, "crystalline ice")
    aggregate_probability: float = probability(0.18, "dark aggregates")
    denatured_film_probability: float = probability(0.2, "denatured protein film")
    fragment_probability: float = probability(0.45, "small bits of protein")
    filament_probability: float = probability(0.15, "filaments and rods")
    carbon_probability: float = probability(0.14, "edge of the carbon film")
    gold_edge_probability: float = probability(0.04, "edge of a gold foil")
    gold_bead_probability: float = probability(0.05, "gold beads")
    beam_edge_probability: float = probability(0.02, "edge of the beam")
    crack_probability: float = probability(0.04, "cracks in the ice")
    hole_probability: float = probability(0.03, "regions without ice")
    charging_probability: float = probability(0.1, "uneven brightness from charging")


@dataclass(frozen=True, kw_only=True)
class AppearanceConfig(CheckedConfig):
    """What others did to the micrograph before it reached us."""

    section = "appearance"

    filtered_probability: float = probability(0.18, "low-pass or band-pass filtered")
    denoised_probability: float = probability(0.06, "denoised")
    eight_bit_probability: float = probability(0.2, "clipped and written with 256 grey levels")
    inverted_probability: float = probability(0.0, "contrast inverted")


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """Everything `simulate_micrograph` needs besides the seed and the structures.

    Raises
    ------
    ConfigError
        If a size, a range or a probability is out of bounds.
    """

    size_px: int = setting(1024, "edge of the square micrograph, px")
    particles: ParticleConfig = field(default_factory=ParticleConfig)
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    optics: OpticsConfig = field(default_factory=OpticsConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    junk: JunkConfig = field(default_factory=JunkConfig)
    appearance: AppearanceConfig = field(default_factory=AppearanceConfig)

    def __post_init__(self) -> None:
        if not 64 <= self.size_px <= 16384:
            raise ConfigError(
                f"size_px: found {self.size_px}, expected 64 to 16384 pixels; choose another micrograph size"
            )
