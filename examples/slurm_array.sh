#!/usr/bin/env bash
#SBATCH --job-name=cryopick
#SBATCH --array=0-3
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --gpus=1
#SBATCH --mem=16G
#SBATCH --time=04:00:00
#SBATCH --output=cryopick_%A_%a.log
#
# Pick a long list of micrographs on several nodes of a SLURM cluster. Each task of the array takes every
# fourth micrograph (every n-th of n tasks), into a folder of its own. First pick a few to learn diameter and
# threshold, and give both here: tasks that find them by themselves would find slightly different ones.
#
#   sbatch slurm_array.sh LIST OUT DIAMETER THRESHOLD
#   sbatch --array=0-7 slurm_array.sh micrographs.txt Picks 120A 0.35
#
# LIST has a micrograph a line, as seen from the folder where the job is submitted. Submit it again to go on with
# what was left undone. `cryopick convert --in OUT/part_*` takes the picks of all tasks together.
set -euo pipefail

list=${1:?a list of micrographs, one a line} out=${2:?a folder} diameter=${3:?such as 120A} threshold=${4:?such as 0.35}
task=${SLURM_ARRAY_TASK_ID:-0}
tasks=${SLURM_ARRAY_TASK_COUNT:-1}

part=$out/part_$task
mkdir -p "$part"
awk -v task="$task" -v tasks="$tasks" 'NF && (count++ % tasks) == task' "$list" >"$part/micrographs.txt"
[ -s "$part/micrographs.txt" ] || exit 0

export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
cryopick pick --in "@$part/micrographs.txt" --out "$part" --diameter "$diameter" --threshold "$threshold" --resume
