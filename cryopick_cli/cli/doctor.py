"""The command `cryopick doctor`: what is installed, which device is used and why, and whether picking works.

Loads torch and the network only step by step, so that a broken installation is described and not a traceback.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

import cryopick_cli
from cryopick_cli.cli import options
from cryopick_cli.cli.console import Console, format_seconds
from cryopick_cli.cli.record import LIBRARIES, library_version
from cryopick_cli.errors import CryopickError
from cryopick_cli.evaluation import EvaluationConfig, evaluate_picks
from cryopick_cli.formats import micrograph as micrograph_files
from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.formats.registry import FORMATS
from cryopick_cli.simulation.config import JunkConfig, LayoutConfig, ParticleConfig, SimulationConfig
from cryopick_cli.simulation.simulate import simulate_micrograph

if TYPE_CHECKING:  # torch may be what is broken
    from cryopick_cli.model.device import DeviceChoice
    from cryopick_cli.model.weights import Model

# What each optional package is for, and the extra of cryopick that installs it.
OPTIONAL_PACKAGES = {
    "cryosparc": ("cryosparc", "reads cryoSPARC's compact datasets"),
    "gemmi": ("structures", "reads mmCIF and PDB files for simulation"),
}
PROGRAMS = {"relion_preprocess": "RELION"}
# The self-test asks whether the network sees particles at all, not how well it does on hard micrographs.
LOWEST_F1 = 0.5
SELF_TEST = SimulationConfig(
    size_px=640,
    particles=ParticleConfig(
        diameter_px=(50.0, 60.0), procedural_share=1.0, phase_mrad=(6.0, 7.0), second_species_probability=0.0
    ),
    layout=LayoutConfig(
        empty_probability=0.0,
        coverage=(0.2, 0.3),
        spacing=(1.1, 1.3),
        clustered_probability=0.0,
        uneven_probability=0.0,
    ),
    junk=JunkConfig(strength=0.0),
)


@dataclass(frozen=True)
class Finding:
    """One line of the report; a problem is something that keeps cryopick from picking."""

    topic: str
    text: str
    problem: bool = False


@click.command(cls=options.SectionCommand)
@options.weights
@options.device
@options.console
def doctor(*, weights: str | None, device: str, console: Console) -> None:
    """Tell what works on this machine, and why not where something does not.

    Shows versions, the device and why it was chosen, weights and their checksums, optional programs and
    packages, the formats, and picks a simulated micrograph. The exit status is 1 where picking does not
    work. Put the output into every report of a fault.
    """
    findings = [*_installation(), *_optional(), *_formats()]
    try:
        for finding in _picking(weights, device):
            findings.append(finding)  # one by one: what was found before an error is told as well
    except (CryopickError, ImportError, OSError) as error:
        findings.append(Finding("picking", f"does not work: {error}", problem=True))
    console.print_facts([(finding.topic, finding.text) for finding in findings])
    problems = [finding for finding in findings if finding.problem]
    for finding in problems:
        console.fail(f"{finding.topic}: {finding.text}")
    if problems:
        click.get_current_context().exit(1)


def _installation() -> Iterator[Finding]:
    yield Finding("cryopick", f"{cryopick_cli.__version__}, {Path(cryopick_cli.__file__).parent}")
    yield Finding("python", f"{platform.python_version()}, {sys.executable}")
    yield Finding("system", f"{platform.platform()}, {os.cpu_count()} processors")
    yield Finding("libraries", ", ".join(f"{name} {library_version(name)}" for name in LIBRARIES))


def _optional() -> Iterator[Finding]:
    for package, (extra, purpose) in OPTIONAL_PACKAGES.items():
        there = importlib.util.find_spec(package) is not None
        how = "installed" if there else f'not installed; pip install "cryopick[{extra}]"'
        yield Finding(package, f"{how} ({purpose})")
    for program, name in PROGRAMS.items():
        yield Finding(name, shutil.which(program) or "not found in PATH (cryopick works without it)")


def _formats() -> Iterator[Finding]:
    yield Finding("micrographs", " ".join(micrograph_files.SUFFIXES))
    yield Finding("coordinates", " ".join(FORMATS))


def _picking(weights: str | None, device: str) -> Iterator[Finding]:
    from cryopick_cli.model.device import choose_device
    from cryopick_cli.model.weights import DEFAULT_WEIGHTS, list_weights, load_model

    chosen = choose_device(device)
    yield from _device(chosen)
    name = weights or DEFAULT_WEIGHTS
    used = load_model(name, chosen)
    yield Finding("weights", f"{_describe(used, name)}, in use")
    for other in sorted(set(list_weights()) - {name}):
        yield Finding("weights", _describe(load_model(other, chosen), other))
    yield _self_test(used)


def _describe(model: Model, name: str) -> str:
    from cryopick_cli.model.weights import find_weights

    return f"{name}: checksum right ({model.card.sha256[:12]}), {find_weights(name)}"


def _device(chosen: DeviceChoice) -> Iterator[Finding]:
    import torch

    yield Finding("device", f"{chosen.device} ({chosen.reason})")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        yield Finding(f"cuda:{index}", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB")


def _self_test(model: Model) -> Finding:
    from cryopick_cli.picking.calibrate import calibrate
    from cryopick_cli.picking.config import PickConfig
    from cryopick_cli.picking.pick import pick_micrograph

    simulated = simulate_micrograph(SELF_TEST, seed=1)
    micrograph = Micrograph(simulated.array, simulated.pixel_size, Path("self-test"))
    started = time.perf_counter()
    config = PickConfig()
    picks = pick_micrograph(model, micrograph, calibrate(model, [micrograph], ["self-test"], config), config)
    seconds = time.perf_counter() - started
    counts = evaluate_picks({"": picks}, {"": simulated.reference}, EvaluationConfig()).pooled.counts
    text = (
        f"found {counts.matched} of {counts.reference} simulated particles with {counts.false_picks} "
        f"false picks in {format_seconds(seconds)}"
    )
    return Finding("self-test", text, problem=not counts.f1 >= LOWEST_F1)
