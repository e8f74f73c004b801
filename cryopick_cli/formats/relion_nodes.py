"""The files of a job that RELION's other jobs may take, under each version's names for their kinds.

A job tells them to RELION as output nodes. The kinds have numbers in 3.1, and labels in 4.0 and 5.0, which
differ (``src/pipeline_jobs.h``). Extraction in 4.0 and 5.0 takes the list ``autopick.star``
(``relion_preprocess --coord_list``), and still a ``coords_suffix_*.star`` (``--coord_dir``,
``--coord_suffix``), which is all that 3.1 takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryopick_cli.formats.relion_project import RelionVersion
from cryopick_cli.formats.star import LIST_FILE, SUFFIX_FILE


@dataclass(frozen=True)
class OutputNode:
    """A file that later jobs may take as input.

    Attributes
    ----------
    file : str
        Below the job's folder.
    label : str
        Its kind for RELION 4 and 5.
    kind : int
        Its kind for RELION 3.1.
    """

    file: str
    label: str
    kind: int


_LABEL_OF_4 = "MicrographsCoords.star.relion.autopick"
_LABEL_OF_5 = "MicrographCoordsGroup.star.relion.autopick"
_PICKING_LOG = OutputNode("logfile.pdf", "LogFile.pdf.relion.autopick", 13)
# Of an unknown version: each finds one that it can use, 3.1 and 4.0 the second, 5.0 the first. Of a known
# one: the node that its own picking jobs have, and no other, which could be chosen by mistake.
_PICKING_NODES: Mapping[RelionVersion | None, tuple[OutputNode, ...]] = {
    None: (OutputNode(LIST_FILE, _LABEL_OF_5, 2), OutputNode(SUFFIX_FILE, _LABEL_OF_4, 2), _PICKING_LOG),
    RelionVersion.V3: (OutputNode(SUFFIX_FILE, _LABEL_OF_4, 2), _PICKING_LOG),
    RelionVersion.V4: (OutputNode(LIST_FILE, _LABEL_OF_4, 2), _PICKING_LOG),
    RelionVersion.V5: (OutputNode(LIST_FILE, _LABEL_OF_5, 2), _PICKING_LOG),
}
# Weights are no kind of file that RELION's other jobs take; the log is what its window shows. 4.0 warns of
# labels that it does not know, so this is the plain one.
TRAINING_NODES = (OutputNode("logfile.pdf", "LogFile.pdf.relion", 13),)


def picking_nodes(version: RelionVersion | None) -> tuple[OutputNode, ...]:
    """Give the files of a picking job that jobs of a version may take; None stands for an unknown one."""
    return _PICKING_NODES[version]
