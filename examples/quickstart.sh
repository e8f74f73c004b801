#!/usr/bin/env bash
# Pick the example micrographs, as one would pick one's own, and list what was written.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-coords}

cryopick pick --in "$here/micrographs" --out "$out" --format star,box,cbox
find "$out" -type f -not -path '*/.cryopick/*' | sort
