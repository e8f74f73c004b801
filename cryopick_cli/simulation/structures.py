"""The structure library: a folder of particles, sampled by class and size.

Reads which particles there are and draws among them; a particle's file is read by `structure_files` when
it is first needed.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from cryopick_cli.errors import InputError
from cryopick_cli.simulation.config import Range
from cryopick_cli.simulation.reference import reference_diameter
from cryopick_cli.simulation.structure import Structure
from cryopick_cli.simulation.structure_files import is_structure_name, read_structure

HOLLOW_CLASSES = (
    "ferritin / cage",
    "proteasome / protease complex",
    "chaperonin / AAA+",
    "oxygen carrier",
    "virus capsid",
)
"""Drawn more often: rings and shells are what pickers trained on compact particles get wrong."""

HOLLOW_FACTOR = 1.6
KEPT_IN_MEMORY = 64
PIXEL_SIZE_SPREAD = 0.55
"""Structures are drawn towards the usual pixel size with this spread of its logarithm."""

COLUMNS = ("path", "category", "diameter_A")


@dataclass
class StructureLibrary:
    """Particles to draw from.

    Parameters
    ----------
    table
        One row a particle: ``path``, ``category``, ``diameter_A`` (about; Å).
    """

    table: pd.DataFrame
    _loaded: OrderedDict[str, Structure] = field(default_factory=OrderedDict, repr=False)

    @classmethod
    def open(cls, folder: str | Path | None) -> StructureLibrary:
        """Open a folder: by its ``index.csv`` (columns file, class, max_dim_A), or by the structures in it.

        ``None`` gives an empty library: procedural shapes only.

        Raises
        ------
        InputError
            If the folder holds no structures, its index lacks a column, or a structure cannot be read.
        """
        if folder is None:
            return cls(pd.DataFrame({name: [] for name in COLUMNS}))
        folder = Path(folder)
        index = folder / "index.csv"
        return cls(_read_index(index)) if index.is_file() else cls(_list_structures(folder))

    def __len__(self) -> int:
        """Give the number of particles."""
        return len(self.table)

    def read(self, path: str) -> Structure:
        """Read a particle, from memory where it was read lately."""
        if path in self._loaded:
            self._loaded.move_to_end(path)
        else:
            self._loaded[path] = read_structure(path)
            if len(self._loaded) > KEPT_IN_MEMORY:
                self._loaded.popitem(last=False)
        return self._loaded[path]

    def draw(
        self, rng: np.random.Generator, diameter_px: float, pixel_size: Range, usual_pixel_size: float
    ) -> Structure | None:
        """Draw a particle that is ``diameter_px`` wide at an allowed pixel size, evenly over class and size.

        Returns ``None`` where no particle of the library fits.
        """
        if len(self) == 0:
            return None
        diameter = self.table["diameter_A"].to_numpy(np.float64)
        pixel = diameter / diameter_px
        weight = self._balance() * np.exp(-0.5 * (np.log(pixel / usual_pixel_size) / PIXEL_SIZE_SPREAD) ** 2)
        weight[(pixel < pixel_size[0]) | (pixel > pixel_size[1])] = 0.0
        if not weight.any():
            return None
        chosen = rng.choice(len(weight), p=weight / weight.sum())
        return self.read(str(self.table["path"].iloc[chosen]))

    def _balance(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Weigh particles down where their class or size is common; the powers leave common ones ahead."""
        category = self.table["category"].to_numpy(str)
        _, code = np.unique(category, return_inverse=True)
        third_of_octave = np.floor(np.log2(self.table["diameter_A"].to_numpy(np.float64)) * 3.0).astype(int)
        in_class = np.bincount(code)[code].astype(np.float64)
        in_size = np.bincount(third_of_octave)[third_of_octave].astype(np.float64)
        hollow = np.where(np.isin(category, HOLLOW_CLASSES), HOLLOW_FACTOR, 1.0)
        return np.asarray(in_class**-0.6 * in_size**-0.5 * hollow)


def _read_index(index: Path) -> pd.DataFrame:
    rows = pd.read_csv(index)
    missing = sorted({"file", "class", "max_dim_A"} - set(rows.columns))
    if missing:
        raise InputError(f"{index}: found no column {missing[0]}, expected file, class and max_dim_A; add it")
    paths = [str(index.parent / name) for name in rows["file"]]
    return pd.DataFrame(
        {
            "path": paths,
            "category": rows["class"].astype(str),
            "diameter_A": rows["max_dim_A"].astype(np.float64),
        }
    )


def _list_structures(folder: Path) -> pd.DataFrame:
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder, expected one with structures; check the path")
    paths = sorted(path for path in folder.iterdir() if is_structure_name(path.name))
    if not paths:
        raise InputError(
            f"{folder}: found no structures, expected index.csv or files such as .pdb, .cif, .mrc or .npz; "
            "name the folder that has them"
        )
    structures = [read_structure(path) for path in paths]
    return pd.DataFrame(
        {
            "path": [str(path) for path in paths],
            "category": [structure.category for structure in structures],
            "diameter_A": [reference_diameter(structure) for structure in structures],
        }
    )
