#!/usr/bin/env python3
"""Pick a cryoSPARC job's exposures with cryopick, as an External job; the picks become its output.

It was not run against a live cryoSPARC: the calls follow cryosparc-tools 5, and everything but the server was
tested. Run it where the project's folder can be reached, with ``cryopick[cryosparc]`` installed::

    python -m cryosparc.tools login --url http://cryosparc.example.org:39000
    python cryosparc_external_job.py http://cryosparc.example.org:39000 P3 W1 J12 exposures_accepted

What follows on the command line is handed to ``cryopick pick``, such as ``--diameter 120A``. The output
``picks`` has ``location`` and ``pick_stats`` for *Inspect Picks* and *Extract From Micrographs*; look at one
micrograph there first, and repeat with ``--cs-flip-y`` if its picks are upside down (see the how-to).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryosparc.dataset import Dataset
from cryosparc.tools import CryoSPARC

INPUT, OUTPUT = "exposures", "picks"


def main() -> None:
    """Make the job, connect the exposures, pick, and save the picks."""
    arguments, to_cryopick = parse_arguments()
    project = CryoSPARC(arguments.url).find_project(arguments.project)
    job = project.create_external_job(arguments.workspace, title="cryopick")
    job.connect(INPUT, arguments.job, arguments.output, slots=["micrograph_blob"])
    job.add_output("particle", OUTPUT, slots=["location", "pick_stats"], title="Picks")
    with job.run():
        pick(job, to_cryopick, flip_y=arguments.cs_flip_y)


def parse_arguments() -> tuple[argparse.Namespace, list[str]]:
    """Read the command line; what is unknown here is for cryopick."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="address of cryoSPARC, with its port")
    parser.add_argument("project", help="project, such as P3")
    parser.add_argument("workspace", help="workspace for the new job, such as W1")
    parser.add_argument("job", help="job that has the exposures, such as J12")
    parser.add_argument("output", help="name of that output, such as exposures_accepted")
    parser.add_argument("--cs-flip-y", action="store_true", help="count y from the last row")
    return parser.parse_known_args()


def pick(job: Any, to_cryopick: Sequence[str], *, flip_y: bool = False) -> None:
    """Pick the job's exposures in its folder and save the output.

    The exposures are written into the job's folder, which lies in the project's: there cryopick finds the
    micrographs by the paths in the table, and each exposure's own number.
    """
    folder = Path(str(job.dir))
    exposures, results, picked = folder / "exposures.cs", folder / "cryopick", folder / "cryopick.cs"
    job.load_input(INPUT).save(exposures)
    run(job, ["pick", "--in", exposures, "--out", results, "--resume", *to_cryopick])
    to_cs = ["--to", "cs", "--micrographs", exposures, "--out", picked, "--overwrite"]
    run(job, ["convert", "--in", results, *to_cs, *(["--cs-flip-y"] if flip_y else [])])
    picks = Dataset.load(picked)
    output = job.alloc_output(OUTPUT, picks["uid"])
    for field in set(output.fields()) & set(picks.fields()):
        output[field] = picks[field]
    job.save_output(OUTPUT, output)
    job.log(f"{len(picks)} picks")


def run(job: Any, command: Sequence[str | Path]) -> None:
    """Run cryopick and put its words into the job's log; failed micrographs do not end the job."""
    program = Path(sys.executable).with_name("cryopick")  # that of this environment
    line = list(map(str, [program, *command]))
    done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    job.log(done.stdout)
    if done.returncode > 1:
        raise RuntimeError(f"cryopick {command[0]} ended with status {done.returncode}")


if __name__ == "__main__":
    main()
