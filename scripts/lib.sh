# shellcheck shell=bash
# Shared by the scripts beside it: sourced, never run. Moves to the checkout's
# root, so that every path below is relative to it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
export ROOT
# Two checkouts of the same sources share ccache's entries.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$ROOT} CCACHE_NOHASHDIR=1

say() { printf '== %s\n' "$*"; }
warn() { printf '== warning: %s\n' "$*" >&2; }
die() {
  printf '== error: %s\n' "$*" >&2
  exit 1
}

# Compile jobs: one a core, but no more than memory allows (a libtorch source
# takes about 1.5 GB).
jobs() {
  local cores memory_kib by_memory
  cores=$(nproc)
  memory_kib=$(awk '/^MemTotal/ {print $2}' /proc/meminfo)
  by_memory=$((memory_kib / 1572864))
  ((by_memory >= 1)) || by_memory=1
  echo "${COOPER_JOBS:-$((cores < by_memory ? cores : by_memory))}"
}

# Lines of a list file without comments.
list() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$@"; }
