"""`losses.csv`: a run that goes on takes up where its checkpoint left it, whatever the end before was."""

from __future__ import annotations

from pathlib import Path

from cryopick_cli.training.loss_log import add_loss, keep_losses_before, read_losses


def test_steps_after_the_checkpoint_are_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "weights" / "losses.csv"
    assert read_losses(path) == []
    keep_losses_before(path, 1)
    for step in range(1, 6):
        add_loss(path, step, 1.0 / step)
    keep_losses_before(path, 4)  # of five steps the checkpoint has three
    add_loss(path, 4, 9.0)
    assert read_losses(path) == [(1, 1.0), (2, 0.5), (3, 0.333333), (4, 9.0)]


def test_a_row_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "losses.csv"
    path.write_text("step,loss\n1,0.75\n2,0.")
    assert read_losses(path) == [(1, 0.75)]
    keep_losses_before(path, 3)
    assert path.read_text() == "step,loss\n1,0.75\n"
