"""What RELION's pipeline and an External job tell each other by files in the job's folder.

The job says how it ended and what it made; RELION asks it to stop. From RELION's manual ("Using RELION",
External job types) and the pipeliners of 3.1, 4 and 5. What kinds of file a job makes for which version is in
:mod:`cryopick_cli.formats.relion_nodes`; coordinates are written in :mod:`cryopick_cli.formats.star`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from cryopick_cli.errors import OutputError
from cryopick_cli.formats.atomic import write_text
from cryopick_cli.formats.relion_nodes import OutputNode
from cryopick_cli.formats.relion_project import Project
from cryopick_cli.formats.star_blocks import quoted, star_table

ABORT_REQUEST = "RELION_JOB_ABORT_NOW"
NODES_FILE = "RELION_OUTPUT_NODES.star"


class Outcome(Enum):
    """How a job ended, by the name of the empty file that tells RELION."""

    SUCCESS = "RELION_JOB_EXIT_SUCCESS"
    FAILURE = "RELION_JOB_EXIT_FAILURE"
    ABORTED = "RELION_JOB_EXIT_ABORTED"


class RelionJob:
    """The folder of an External job.

    Attributes
    ----------
    folder : Path
        As RELION gives it with ``--o``.
    outcome : Outcome
        What :meth:`running` will tell RELION: failure, unless the work sets another as its last step.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outcome = Outcome.FAILURE

    @contextmanager
    def running(self) -> Iterator[None]:
        """Take the marks of an earlier run away, and leave that of `outcome` however the block ends.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        self._remove([outcome.value for outcome in Outcome])
        try:
            yield
        except KeyboardInterrupt:
            self.outcome = Outcome.ABORTED
            raise
        finally:
            # A request that came too late must not stop the next run.
            self._remove([ABORT_REQUEST])
            write_text(self.folder / self.outcome.value, "", overwrite=True)

    @property
    def abort_requested(self) -> bool:
        """Whether RELION asks the job to stop."""
        return (self.folder / ABORT_REQUEST).exists()

    def write_nodes(self, nodes: Sequence[OutputNode]) -> None:
        """Tell RELION which files the job made, in the columns of 3.1 and in those of 4 and 5.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        project = Project(self.folder)
        names = [project.name(self.folder / node.file) for node in nodes]
        rows = [(quoted(name), node.label, str(node.kind)) for name, node in zip(names, nodes, strict=True)]
        columns = ["rlnPipeLineNodeName", "rlnPipeLineNodeTypeLabel", "rlnPipeLineNodeType"]
        write_text(self.folder / NODES_FILE, star_table("output_nodes", columns, rows), overwrite=True)

    def _remove(self, names: Sequence[str]) -> None:
        try:
            for name in names:
                (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{self.folder}: cannot be written ({error.strerror}); check the folder's rights"
            ) from error
