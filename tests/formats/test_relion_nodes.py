"""The kinds of file that each version of RELION knows."""

from __future__ import annotations

import pytest

from cryopick_cli.formats.relion_nodes import picking_nodes
from cryopick_cli.formats.relion_project import RelionVersion


@pytest.mark.parametrize("version", [None, *RelionVersion])
def test_every_version_finds_coordinates_that_it_can_extract(version: RelionVersion | None) -> None:
    """3.1 takes the suffix file as kind 2; 4.0 and 5.0 take either file under their label."""
    nodes = [node for node in picking_nodes(version) if node.file != "logfile.pdf"]
    if version in (None, RelionVersion.V3):
        assert ("coords_suffix_autopick.star", 2) in [(node.file, node.kind) for node in nodes]
    if version in (None, RelionVersion.V4):
        assert any(node.label.startswith("MicrographsCoords.star.relion") for node in nodes)
    if version in (None, RelionVersion.V5):
        assert any(node.label.startswith("MicrographCoordsGroup.star.relion") for node in nodes)
    assert len(nodes) == (2 if version is None else 1)
