#!/usr/bin/env bash
# Add and run cryopick as an External job of a RELION project from the command line, as the window would.
# RELION 4 and 5 name a job's type relion.external, 3.1 External.
# Needs relion_pipeliner and cryopick in PATH. Run it in the project's root:
#
#   relion_external.sh CtfFind/job003/micrographs_ctf.star [LABEL VALUE]...
#   relion_external.sh CtfFind/job003/micrographs_ctf.star diameter 120A threshold 0.3
#
# JOB=External/job005/ goes on with a job that is there, with its own settings, and picks what is new.
# Training on particles that 2D classification kept is such a job too:
#
#   EXECUTABLE='cryopick train --relion' INPUT=in_part \
#       relion_external.sh Select/job020/particles.star diameter 120A
set -euo pipefail

pipeline=default_pipeline.star
[ -f "$pipeline" ] || { echo "no $pipeline here; run this in the root of a RELION project" >&2; exit 2; }

if [ -z "${JOB:-}" ]; then
    input=${1:?give a STAR file of micrographs, or of particles for training}
    shift
    type=relion.external
    grep -q _rlnPipeLineNodeTypeLabel "$pipeline" || type=External
    options="fn_exe == ${EXECUTABLE:-cryopick relion};${INPUT:-in_mic} == $input"
    options+=";nr_threads == ${THREADS:-4};do_queue == No"
    for ((number = 1; $# >= 2; number++)); do
        options+=";param${number}_label == $1;param${number}_value == $2"
        shift 2
    done
    JOB=External/$(printf 'job%03d' "$(awk '/_rlnPipeLineJobCounter/ {print $2}' "$pipeline")")/
    relion_pipeliner --addJob "$type" --addJobOptions "$options"
fi
relion_pipeliner --RunJobs "$JOB" --schedule cryopick
echo "$JOB"
