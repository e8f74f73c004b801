"""Particles from files: one contrast scale, assemblies built, damage told."""

from __future__ import annotations

from pathlib import Path

import gemmi
import mrcfile
import numpy as np
import pytest

from cryopick_cli.errors import InputError
from cryopick_cli.simulation.structure import PROTEIN_ELECTRONS
from cryopick_cli.simulation.structure_files import is_structure_name, read_structure

PDB = """\
REMARK 350 BIOMOLECULE: 1
REMARK 350 AUTHOR DETERMINED BIOLOGICAL UNIT: DIMERIC
REMARK 350 APPLY THE FOLLOWING TO CHAINS: A
REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000
REMARK 350   BIOMT1   2  1.000000  0.000000  0.000000       40.00000
REMARK 350   BIOMT2   2  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   2  0.000000  0.000000  1.000000        0.00000
ATOM      1  N   GLY A   1       0.000   0.000   0.000  1.00 10.00           N
ATOM      2  CA  GLY A   1       1.500   0.000   0.000  1.00 10.00           C
ATOM      3  H   GLY A   1       2.500   0.000   0.000  1.00 10.00           H
ATOM      4  C   GLY A   1       0.000   1.500   0.000  1.00 10.00           C
HETATM    5  O   HOH A   2      90.000   0.000   0.000  1.00 10.00           O
END
"""


@pytest.fixture
def pdb(tmp_path: Path) -> Path:
    path = tmp_path / "dimer.pdb"
    path.write_text(PDB)
    return path


def test_pdb_gives_its_assembly_without_water_and_hydrogen(pdb: Path) -> None:
    structure = read_structure(pdb)
    assert structure.name == "dimer"
    assert structure.xyz.shape == (6, 3)
    assert np.ptp(structure.xyz[:, 0]) == pytest.approx(41.5)
    # Nitrogen and two carbons, twice, and the hydrogens' 13 %.
    assert structure.electrons.sum() == pytest.approx(2 * 19 / 0.87, rel=1e-5)
    np.testing.assert_allclose(np.average(structure.xyz, axis=0, weights=structure.electrons), 0, atol=1e-4)


def test_mmcif_and_gzip_give_the_same(pdb: Path, tmp_path: Path) -> None:
    deposited = gemmi.read_structure(str(pdb))
    deposited.setup_entities()
    cif = tmp_path / "dimer.cif"
    deposited.make_mmcif_document().write_file(str(cif))
    from_cif, from_pdb = read_structure(cif), read_structure(pdb)
    np.testing.assert_allclose(np.sort(from_cif.xyz, axis=0), np.sort(from_pdb.xyz, axis=0), atol=1e-3)
    assert from_cif.electrons.sum() == pytest.approx(from_pdb.electrons.sum())


def test_point_clouds_share_one_scale(tmp_path: Path, rng: np.random.Generator) -> None:
    common = {"xyz": rng.normal(0, 20, (50, 3)), "mw_kda": 187.0, "id": "X", "cls": "enzyme"}
    np.savez(tmp_path / "atoms.npz", element=np.full(50, 6, np.uint8), blur=0.0, **common)
    np.savez(tmp_path / "residues.npz", weight=rng.uniform(40, 80, 50), blur=2.5, **common)
    for name, blur in (("atoms", 1.0), ("residues", 2.5)):
        structure = read_structure(tmp_path / f"{name}.npz")
        assert structure.electrons.sum() == pytest.approx(100_000.0, rel=1e-4)
        assert structure.blur == blur
        assert structure.category == "enzyme"


def test_map_gives_protein_density_where_it_is_high(tmp_path: Path, rng: np.random.Generator) -> None:
    density = rng.normal(0, 0.01, (24, 32, 40)).astype(np.float32)
    density[8:14, 10:20, 12:32] = 1.0
    path = tmp_path / "box.mrc"
    with mrcfile.new(path) as handle:
        handle.set_data(density)
        handle.set_volume()
        handle.voxel_size = 4.0
    structure = read_structure(path)
    assert len(structure.xyz) == 6 * 10 * 20
    np.testing.assert_allclose(np.ptp(structure.xyz, axis=0), [76.0, 36.0, 20.0])
    assert structure.electrons.sum() == pytest.approx(6 * 10 * 20 * 64.0 * PROTEIN_ELECTRONS, rel=1e-4)


def test_flat_or_empty_maps_are_refused(tmp_path: Path) -> None:
    for name, density, words in (
        ("flat", np.zeros((8, 8), np.float32), "three dimensions"),
        ("empty", np.zeros((8, 8, 8), np.float32), "no voxel above"),
    ):
        with mrcfile.new(tmp_path / f"{name}.mrc") as handle:
            handle.set_data(density)
            handle.voxel_size = 4.0
        with pytest.raises(InputError, match=words):
            read_structure(tmp_path / f"{name}.mrc")


@pytest.mark.parametrize("name", ["broken.npz", "broken.cif", "broken.mrc", "atoms.txt"])
def test_damaged_files_are_told_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"this is no structure")
    with pytest.raises(InputError, match=name):
        read_structure(tmp_path / name)


def test_model_without_atoms_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.pdb").write_text("HEADER    NOTHING\nEND\n")
    with pytest.raises(InputError, match=r"none\.pdb"):
        read_structure(tmp_path / "none.pdb")


def test_missing_file_and_lacking_field_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        read_structure(tmp_path / "away.pdb")
    np.savez(tmp_path / "bare.npz", xyz=np.zeros((3, 3)))
    with pytest.raises(InputError, match=r"bare\.npz: cannot be read as a point cloud"):
        read_structure(tmp_path / "bare.npz")


def test_suffixes_are_known_whatever_their_case() -> None:
    assert is_structure_name("1ABC.CIF.gz")
    assert is_structure_name("emd_1.map")
    assert not is_structure_name("index.csv")
