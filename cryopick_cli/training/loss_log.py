"""`losses.csv` of a training run: the loss of every step, through every time that the run went on.

Rows are added one by one, so that an end of any kind leaves them. `history.json` has the parts of the loss
and the validations, at checkpoints only.
"""

from __future__ import annotations

from pathlib import Path

from cryopick_cli.formats.atomic import write_text

LOSSES_FILE = "losses.csv"
_HEADER = "step,loss\n"


def read_losses(path: Path) -> list[tuple[int, float]]:
    """Give steps in order with their loss; a row that an end cut short is left out."""
    if not path.exists():
        return []
    rows = [row for row in path.read_text(encoding="utf-8").splitlines(keepends=True) if row.endswith("\n")]
    return [(int(step), float(loss)) for step, loss in (row.split(",") for row in rows[1:])]


def keep_losses_before(path: Path, step: int) -> None:
    """Drop this step and later ones: a run that goes on from a checkpoint takes them again.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    rows = "".join(f"{one},{loss:.6g}\n" for one, loss in read_losses(path) if one < step)
    write_text(path, _HEADER + rows, overwrite=True)


def add_loss(path: Path, step: int, loss: float) -> None:
    """Add one step's loss; the file is there already."""
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(f"{step},{loss:.6g}\n")
