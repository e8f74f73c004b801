"""Files that hold one particle: point clouds (``.npz``), PDB and mmCIF with assembly, density maps (MRC).

Each reader gives a `Structure` on one contrast scale (electrons, hydrogens counted). Coordinates are in Å and
centred. Folders of such files are the business of `structures`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
from numpy.typing import NDArray

from cryopick_cli.errors import InputError
from cryopick_cli.simulation.structure import PROTEIN_ELECTRONS, Structure

DALTON_PER_ELECTRON = 1.87
"""Mass of protein per electron, hydrogens counted: puts all levels of detail on one contrast scale."""

HEAVY_ATOM_SHARE = 0.87
"""Share of a protein's electrons that are not those of hydrogen."""

POINT_CLOUD_SUFFIXES = (".npz",)
MODEL_SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif", ".pdb.gz", ".ent.gz", ".cif.gz", ".mmcif.gz")
MAP_SUFFIXES = (".mrc", ".map", ".mrc.gz", ".map.gz")
SUFFIXES = (*POINT_CLOUD_SUFFIXES, *MODEL_SUFFIXES, *MAP_SUFFIXES)

MAP_SIGMA = 3.0
"""Voxels this many standard deviations above the map's mean belong to the particle."""


def is_structure_name(name: str) -> bool:
    """Tell whether a file's name ends in a suffix that can be read as a structure."""
    return name.lower().endswith(SUFFIXES)


def read_structure(path: str | Path) -> Structure:
    """Read one particle.

    Raises
    ------
    InputError
        If the file is missing, damaged or of an unknown kind, or gemmi is needed and not installed.
    """
    path = Path(path)
    name = path.name.lower()
    if not path.is_file():
        raise InputError(f"{path}: is missing, expected a structure; check the path")
    if name.endswith(POINT_CLOUD_SUFFIXES):
        return read_point_cloud(path)
    if name.endswith(MODEL_SUFFIXES):
        return read_model(path)
    if name.endswith(MAP_SUFFIXES):
        return read_map(path)
    raise InputError(
        f"{path}: found an unknown suffix, expected one of {', '.join(SUFFIXES)}; convert the file"
    )


def read_point_cloud(path: Path) -> Structure:
    """Read an ``.npz`` with ``xyz`` (Å), ``weight`` or ``element``, ``mw_kda``, ``blur``, ``id``, ``cls``.

    Raises
    ------
    InputError
        If the file cannot be read or lacks a field.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            xyz = stored["xyz"].astype(np.float32)
            weight = (stored["weight"] if "weight" in stored else stored["element"]).astype(np.float32)
            mass, blur = float(stored["mw_kda"]), float(stored["blur"])
            name, category = str(stored["id"]), str(stored["cls"])
    except (OSError, KeyError, ValueError, EOFError) as error:
        raise InputError(
            f"{path}: cannot be read as a point cloud (found {error}, expected xyz, weight or element, "
            "mw_kda, blur, id and cls); write it anew or take it away"
        ) from error
    electrons = weight * np.float32(mass * 1000.0 / DALTON_PER_ELECTRON / float(weight.sum()))
    # Atoms without a blur of their own still have a size.
    return Structure.centred(name=name, category=category, xyz=xyz, electrons=electrons, blur=max(blur, 1.0))


def read_model(path: Path) -> Structure:
    """Read a PDB or mmCIF file: its first biological assembly, or the model as deposited where it names none.

    Waters and hydrogens are left out; the electrons of hydrogens are added evenly.

    Raises
    ------
    InputError
        If gemmi is not installed, or the file cannot be read or holds no atoms.
    """
    gemmi = _import_gemmi(path)
    try:
        deposited = gemmi.read_structure(str(path))
        deposited.setup_entities()
        model = deposited[0]
        if len(deposited.assemblies):
            model = gemmi.make_assembly(deposited.assemblies[0], model, gemmi.HowToNameCopiedChain.Dup)
    except (RuntimeError, ValueError, OSError, IndexError) as error:
        raise InputError(
            f"{path}: cannot be read as PDB or mmCIF ({error}); check that the file is whole"
        ) from error
    # Waters go now and not before: an assembly names the chains that they are in.
    atoms = [
        (found.atom.pos.tolist(), found.atom.element.atomic_number * found.atom.occ)
        for found in model.all()
        if not (found.residue.is_water() or found.atom.is_hydrogen())
    ]
    if len(atoms) < 2:
        raise InputError(f"{path}: found {len(atoms)} atoms, expected a particle; give another structure")
    xyz = np.array([position for position, _ in atoms], np.float32)
    electrons = np.array([number for _, number in atoms], np.float32) / np.float32(HEAVY_ATOM_SHARE)
    return Structure.centred(name=_stem(path), category=_stem(path), xyz=xyz, electrons=electrons, blur=1.0)


def _import_gemmi(path: Path) -> Any:
    try:
        import gemmi
    except ImportError as error:
        raise InputError(
            f"{path}: reading PDB and mmCIF needs gemmi, which is missing; pip install 'cryopick[structures]'"
        ) from error
    return gemmi


def read_map(path: Path) -> Structure:
    """Read a density map (MRC): voxels well above its mean, at the density of protein.

    Raises
    ------
    InputError
        If the file is no MRC volume, has no voxel size, or holds nothing above its noise.
    """
    density, voxel = _read_volume(path)
    threshold = float(density.mean()) + MAP_SIGMA * float(density.std())
    index = np.argwhere(density > threshold)
    if len(index) < 2:
        raise InputError(
            f"{path}: found no voxel above mean + {MAP_SIGMA:g} standard deviations, expected a particle; "
            "give a sharpened or masked map"
        )
    height = density[density > threshold] - np.float32(density.mean())
    electrons = height * np.float32(len(index) * voxel**3 * PROTEIN_ELECTRONS / float(height.sum()))
    # Stored z, y, x; a map's hand does not matter here.
    xyz = index[:, ::-1].astype(np.float32) * np.float32(voxel)
    return Structure.centred(
        name=_stem(path), category=_stem(path), xyz=xyz, electrons=electrons, blur=max(0.5 * voxel, 1.0)
    )


def _read_volume(path: Path) -> tuple[NDArray[np.float32], float]:
    try:
        with mrcfile.open(path, mode="r") as handle:
            density = np.array(handle.data, dtype=np.float32)
            voxel = float(handle.voxel_size.x)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as an MRC map ({error}); check that the file is whole"
        ) from error
    if density.ndim != 3 or not voxel > 0:
        raise InputError(
            f"{path}: found shape {density.shape} and voxel size {voxel:g} Å, expected three dimensions and "
            "a positive voxel size; give a density map with its voxel size in the header"
        )
    return density, voxel


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return name.rsplit(".", 1)[0]
