"""The RELION project in which a job lies: where its root is, which version runs it, how it names files.

RELION names every file from the project's root, where it starts its jobs. What a job offers there is in
:mod:`cryopick_cli.formats.relion_nodes`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path

from cryopick_cli.formats.inputs import MicrographSource

_PIPELINE = "default_pipeline.star"
_JOB_PIPELINE = "job_pipeline.star"
_VERSION_COMMENT = re.compile(r"^#\s*version\s+(\d+)", re.MULTILINE)
_FIRST_OF_5 = 50001


class RelionVersion(Enum):
    """Versions that name kinds of files in ways of their own."""

    V3 = "3.1"
    V4 = "4.0"
    V5 = "5.0"


class Project:
    """The project of a job, or of any other folder of results.

    Its root is the nearest folder with RELION's ``default_pipeline.star``, from the job's own folder up.
    Where there is none, files are named from the working folder, as RELION starts its jobs there.

    Parameters
    ----------
    job
        Folder of the job, such as ``External/job005``. A project that it does not lie in, such as one in the
        working folder, says nothing.
    """

    def __init__(self, job: Path) -> None:
        self._job = job
        above = [one for path in _ways_to(job) for one in (path, *path.parents)]
        self._root = next(filter(_is_root, above), None)
        self._real_root = (self._root or Path.cwd()).resolve()
        self._folders: dict[Path, Path] = {}

    @property
    def version(self) -> RelionVersion | None:
        """Which RELION runs the project, by what it last wrote there; None where nothing tells it.

        RELION writes the whole ``default_pipeline.star`` anew when it starts a job, so that a project begun
        in an older version tells the present one. A pipeline may have another name; then the one in the job's
        folder tells.
        """
        roots = [] if self._root is None else [self._root / _PIPELINE]
        for pipeline in (*roots, self._job / _JOB_PIPELINE):
            try:
                text = pipeline.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            version = _version_of(text)
            if version is not None:
                return version
        return None

    def name(self, path: Path) -> str:
        """Name a file as RELION does, from the root; what does not lie below it keeps its whole path.

        Whether it does is asked of the folders as they are, by whatever links they were given; links below
        the root stay in the name.
        """
        absolute = _absolute(path)
        folder = absolute.parent
        if folder not in self._folders:
            self._folders[folder] = self._name_folder(folder)
        return (self._folders[folder] / absolute.name).as_posix()

    def name_micrographs(self, sources: Sequence[MicrographSource]) -> list[MicrographSource]:
        """Name micrographs from the root, too, where there is a pipeline that tells it.

        Names that a list or a table gave stay as they stand there.
        """
        return [
            one if one.listed or self._root is None else replace(one, name=self.name(one.path))
            for one in sources
        ]

    def _name_folder(self, folder: Path) -> Path:
        for path in _ways_to(folder):
            for parent in (path, *path.parents):
                if parent.resolve() == self._real_root:
                    return path.relative_to(parent)
        return folder


def _is_root(folder: Path) -> bool:
    """Tell whether a folder holds a project's pipeline, not the copy that RELION leaves in every job's."""
    return (folder / _PIPELINE).is_file() and not (folder / _JOB_PIPELINE).exists()


def _ways_to(path: Path) -> tuple[Path, Path]:
    """Give the path from the file system's root by its links, and without them."""
    return _absolute(path), path.resolve()


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
