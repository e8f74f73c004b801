"""One simulated micrograph, from the draw of its particles to the counts of its camera.

Read `simulate_micrograph` from top to bottom: that is the order in which a micrograph comes about.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import fft

from cryopick_cli.simulation import contamination, crystals, detector, ice, support
from cryopick_cli.simulation.appearance import change_appearance
from cryopick_cli.simulation.config import SimulationConfig
from cryopick_cli.simulation.exposure import NearSlab, NoiseLevel, detectability, draw_optics, expose
from cryopick_cli.simulation.optics import Optics, absorption, interaction_constant
from cryopick_cli.simulation.population import Population, draw_kinds, populate
from cryopick_cli.simulation.species import Species
from cryopick_cli.simulation.specimen import Specimen, smooth_field
from cryopick_cli.simulation.structure import FloatArray
from cryopick_cli.simulation.structures import StructureLibrary


@dataclass(frozen=True, kw_only=True)
class SimulatedMicrograph:
    """A micrograph with all that is known about it.

    Parameters
    ----------
    array
        float32 (h, w), counts (grey levels where its look was changed); protein is dark.
    pixel_size
        Å/px.
    reference
        Columns ``x, y, diameter_px`` (px, centres, first pixel (0, 0)), ``visible`` (0 to 1), ``ignore``.
    optics
        The microscope.
    description
        Seed, species, dose, detectability and the names of the effects in it.
    """

    array: FloatArray
    pixel_size: float
    reference: pd.DataFrame
    optics: Optics
    description: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """How well particles show: phase (rad) per projected electron per Å², dose, share of it that counts."""

    phase_per_electron: float
    dose: float
    efficiency: float
    ice_sigma: float
    detectability: float


_JUNK = (
    ("frost", contamination.add_frost),
    ("ice_ball", contamination.add_ice_balls),
    ("crystalline_ice", crystals.add_crystalline_ice),
    ("denatured_film", contamination.add_denatured_film),
    ("filament", contamination.add_filaments),
    ("carbon", support.add_carbon_edge),
    ("gold_edge", support.add_gold_edge),
    ("gold_bead", contamination.add_gold_beads),
    ("crack", support.add_cracks),
    ("hole", support.add_empty_hole),
    ("beam_edge", support.add_beam_edge),
)


def simulate_micrograph(
    config: SimulationConfig, seed: int, library: StructureLibrary | None = None
) -> SimulatedMicrograph:
    """Simulate one micrograph; the same config, seed and library give the same micrograph.

    Parameters
    ----------
    config
        What to draw from.
    seed
        Any whole number from 0.
    library
        Structures; without it all particles are procedural shapes.

    Returns
    -------
    SimulatedMicrograph
    """
    rng = np.random.default_rng(seed)
    library = library if library is not None else StructureLibrary.open(None)
    optics = draw_optics(rng, config.optics)
    kinds, pixel_size = draw_kinds(rng, config, library)
    specimen = _empty_specimen(config, optics, pixel_size)
    particle_px = kinds[0].diameter / pixel_size
    effects = _add_junk(rng, config, specimen, particle_px)
    population = populate(rng, config, specimen, kinds)
    effects += ["aggregate"] if population.aggregated else []
    ice_sigma = ice.add_ice(rng, specimen, rng.uniform(*config.optics.ice_thickness), config.junk)
    exposure = _draw_exposure(rng, config, optics, population, specimen, ice_sigma)
    intensity = _expose_particles(rng, config, specimen, optics, population, exposure)
    counts, defects = _record(rng, config, intensity, exposure.dose * exposure.efficiency * pixel_size**2)
    array, looks = change_appearance(rng, counts, config.appearance, particle_px)
    return SimulatedMicrograph(
        array=array,
        pixel_size=pixel_size,
        reference=population.reference,
        optics=optics,
        description={"seed": seed, **_describe(kinds, exposure), "effects": effects + defects + looks},
    )


def _describe(kinds: list[Species], exposure: Exposure) -> dict[str, object]:
    return {
        "species": [kind.structure.name for kind in kinds],
        "diameter_A": [kind.diameter for kind in kinds],
        "dose": exposure.dose,
        "detectability": exposure.detectability,
    }


def _empty_specimen(config: SimulationConfig, optics: Optics, pixel_size: float) -> Specimen:
    # The margin takes what the lens spreads over the canvas edge; a fast length for the transform.
    edge = fft.next_fast_len(config.size_px + 2 * max(24, config.size_px * 3 // 64))
    edge += (edge - config.size_px) % 2
    margin = (edge - config.size_px) // 2
    constant = interaction_constant(optics.voltage_kv)
    return Specimen(edge=edge, margin=margin, pixel_size=pixel_size, phase_per_volt=constant)


def _add_junk(
    rng: np.random.Generator, config: SimulationConfig, specimen: Specimen, particle_px: float
) -> list[str]:
    """Add what is no particle; gives the names of the effects."""
    settings = config.junk
    added = []
    if rng.random() < settings.strength * settings.gradient_probability:
        ice.draw_thickness(rng, specimen)
        added.append("gradient")
    for name, add in _JUNK:
        if rng.random() < settings.strength * getattr(settings, f"{name}_probability"):
            add(rng, specimen)
            added.append(name)
    if rng.random() < settings.strength * settings.fragment_probability:
        contamination.add_fragments(rng, specimen, particle_px)
        added.append("fragment")
    return added


def _draw_exposure(
    rng: np.random.Generator,
    config: SimulationConfig,
    optics: Optics,
    population: Population,
    specimen: Specimen,
    ice_sigma: float,
) -> Exposure:
    """Draw contrast and dose, raised within their ranges where particles would be too faint to learn from."""
    per_voltage = 1e-3 * interaction_constant(optics.voltage_kv) / interaction_constant(300.0)
    strength = rng.uniform(*config.particles.phase_mrad)
    dose = rng.uniform(*config.detector.dose)
    efficiency = float(np.exp(rng.uniform(*np.log(config.detector.quantum_efficiency))))
    least = float(np.exp(rng.uniform(*np.log(config.detector.least_detectability))))
    noise = NoiseLevel(
        electrons=dose * efficiency * specimen.pixel_size**2,
        ice_sigma=ice_sigma,
        longest_period=2.0 * population.diameter,
    )
    phase = population.electrons * np.float32(strength * per_voltage)
    found = detectability(phase, len(population.particles), optics, specimen.pixel_size, noise)
    if 0.0 < found < least:
        stronger = min(least / found, config.particles.phase_mrad[1] / strength)
        strength *= stronger
        more = min((least / (found * stronger)) ** 2, config.detector.quantum_efficiency[1] / efficiency)
        efficiency *= more
        found *= stronger * float(np.sqrt(more))
    return Exposure(
        phase_per_electron=strength * per_voltage,
        dose=dose,
        efficiency=efficiency,
        ice_sigma=ice_sigma,
        detectability=found,
    )


def _expose_particles(
    rng: np.random.Generator,
    config: SimulationConfig,
    specimen: Specimen,
    optics: Optics,
    population: Population,
    exposure: Exposure,
) -> FloatArray:
    """Put the particles into the specimen, at one height or at two, and expose it."""
    absorbed = absorption(optics)
    per_electron = np.float32(exposure.phase_per_electron)
    phase = population.electrons * per_electron
    if rng.random() >= config.optics.slab_probability:
        specimen.add_weak(phase, absorbed)
        return expose(specimen, optics)
    # Particles gather at the two surfaces of the ice (Noble et al. 2018, eLife 7:e34257), neighbours at one.
    region = smooth_field(rng, specimen.edge, 24, 0.3) > 0
    near = population.electrons_within(region, specimen.pixel_size) * per_electron
    specimen.add_weak(phase - near, absorbed)
    distance = rng.uniform(0.5, 1.0) * specimen.mean_thickness
    return expose(specimen, optics, NearSlab(phase=near, absorption=absorbed, distance=distance))


def _record(
    rng: np.random.Generator, config: SimulationConfig, intensity: FloatArray, electrons: float
) -> tuple[FloatArray, list[str]]:
    """Turn intensity into counts, ``electrons`` a pixel where it is 1; gives them and the defects' names."""
    settings = config.detector
    counts = detector.count_electrons(rng, intensity * np.float32(electrons))
    noise = rng.uniform(*settings.read_noise) * float(np.sqrt(max(float(counts.mean()), 0.0)))
    counts = detector.apply_modulation(counts, rng.uniform(*settings.modulation_at_nyquist))
    counts += np.float32(noise) * rng.standard_normal(counts.shape, dtype=np.float32)
    names = []
    if rng.random() < config.junk.strength * config.junk.charging_probability:
        counts *= np.exp(np.float32(rng.uniform(0.02, 0.12)) * smooth_field(rng, counts.shape[0], 2))
        names.append("charging")
    return counts, names + detector.add_defects(rng, counts, settings)
