"""The files of a job that RELION's other jobs may take, under each version's names for their kinds.

A job tells them to RELION as output nodes. The kinds have numbers in 3.1, and labels in 4.0 and 5.0, which
differ (``src/pipeline_jobs.h``). Extraction in 4.0 and 5.0 takes the list ``autopick.star``
(``relion_preprocess --coord_list``), and still a ``coords_suffix_*.star`` (``--coord_dir``,
``--coord_suffix``), which is all that 3.1 takes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_PIPELINE = "default_pipeline.star"
_JOB_PIPELINE = "job_pipeline.star"
_VERSION_COMMENT = re.compile(r"^#\s*version\s+(\d+)", re.MULTILINE)
_FIRST_OF_5 = 50001


class RelionVersion(Enum):
    """Versions that name kinds of files in ways of their own."""

    V3 = "3.1"
    V4 = "4.0"
    V5 = "5.0"


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


_LIST, _SUFFIX = "autopick.star", "coords_suffix_autopick.star"
_LABEL_OF_4 = "MicrographsCoords.star.relion.autopick"
_LABEL_OF_5 = "MicrographCoordsGroup.star.relion.autopick"
_PICKING_LOG = OutputNode("logfile.pdf", "LogFile.pdf.relion.autopick", 13)
# Of an unknown version: each finds one that it can use, 3.1 and 4.0 the second, 5.0 the first. Of a known
# one: the node that its own picking jobs have, and no other, which could be chosen by mistake.
_PICKING_NODES: Mapping[RelionVersion | None, tuple[OutputNode, ...]] = {
    None: (OutputNode(_LIST, _LABEL_OF_5, 2), OutputNode(_SUFFIX, _LABEL_OF_4, 2), _PICKING_LOG),
    RelionVersion.V3: (OutputNode(_SUFFIX, _LABEL_OF_4, 2), _PICKING_LOG),
    RelionVersion.V4: (OutputNode(_LIST, _LABEL_OF_4, 2), _PICKING_LOG),
    RelionVersion.V5: (OutputNode(_LIST, _LABEL_OF_5, 2), _PICKING_LOG),
}
# Weights are no kind of file that RELION's other jobs take; the log is what its window shows. 4.0 warns of
# labels that it does not know, so this is the plain one.
TRAINING_NODES = (OutputNode("logfile.pdf", "LogFile.pdf.relion", 13),)


def picking_nodes(version: RelionVersion | None) -> tuple[OutputNode, ...]:
    """Give the files of a picking job that jobs of a version may take; None stands for an unknown one."""
    return _PICKING_NODES[version]


def project_version(job: Path) -> RelionVersion | None:
    """Tell which RELION runs a project, from what it last wrote there.

    RELION writes the whole ``default_pipeline.star`` anew when it starts a job, so that a project begun in
    an older version tells the present one. A pipeline may have another name; then the one in the job's
    folder tells.

    Parameters
    ----------
    job
        Folder of the job, such as ``External/job005``: the project's root is two folders above it, or one
        where a folder was named by hand. A project that it does not lie in, such as one in the working
        folder, says nothing.

    Returns
    -------
    RelionVersion or None
        None where neither pipeline tells it.
    """
    for pipeline in (*(folder / _PIPELINE for folder in _folders_above(job)), job / _JOB_PIPELINE):
        try:
            text = pipeline.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        version = _version_of(text)
        if version is not None:
            return version
    return None


def name_in_project(path: Path, job: Path) -> str:
    """Name a file as RELION does, from the root of the project in which a job lies.

    The root is the folder of the pipeline that :func:`project_version` asks first; where there is none, the
    working folder, as RELION starts its jobs there. What does not lie below it keeps its whole path.
    """
    absolute = _absolute(path)
    root = next((one for one in _folders_above(job) if (one / _PIPELINE).is_file()), Path.cwd())
    return (absolute.relative_to(root) if absolute.is_relative_to(root) else absolute).as_posix()


def _folders_above(job: Path) -> Sequence[Path]:
    """List the folders that may be the root of a job's project, the nearest first."""
    return _absolute(job).parents[:2]


def _absolute(path: Path) -> Path:
    """Give the path from the file system's root without ``..``; links are not followed."""
    return Path(os.path.normpath(path.absolute()))


def _version_of(pipeline: str) -> RelionVersion | None:
    """Tell the version by the text of a pipeline: 4.0 has 3.1's number, but labels; 5.0 adds their depth."""
    numbers = [int(number) for number in _VERSION_COMMENT.findall(pipeline)]
    if max(numbers, default=0) >= _FIRST_OF_5 or "_rlnPipeLineNodeTypeLabelDepth" in pipeline:
        return RelionVersion.V5
    if re.search(r"_rlnPipeLine(Node|Process)TypeLabel\b", pipeline):
        return RelionVersion.V4
    return RelionVersion.V3 if re.search(r"_rlnPipeLine(Node|Process)Type\b", pipeline) else None
