"""Worker processes: they do not outlive the process that started them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

STARTS_A_WORKER = """
import os, time
from cryopick_cli.simulation.workers import start_workers

if __name__ == "__main__":
    executor = start_workers(None, 1)
    executor.submit(os.getpid).result()
    executor.submit(time.sleep, 300)
    print("working", flush=True)
    time.sleep(300)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="ends processes by signals")
@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_a_worker_ends_with_its_parent(tmp_path: Path, how: str) -> None:
    script = tmp_path / "parent.py"
    script.write_text(STARTS_A_WORKER)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "working\n"
        parent.send_signal(signal.Signals[how])
        # The worker shares the pipe, which is at its end only when both are gone.
        parent.communicate(timeout=60)
