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

# Prints `N passed, N failed[, N skipped]` for a JUnit report of ctest, one for
# each entry. A program that could not be started is skipped in the report, so
# a run that ended with `status` other than 0 has one failure at least.
count_tests() {
  local report=$1 status=$2
  awk -F'"' -v status="$status" '/<testcase/ { exit }
    /tests=/ { all = $2 } /failures=/ { failed = $2 }
    /(disabled|skipped)=/ { skipped += $2 }
    END {
      if (status && !failed) { failed = 1; skipped -= 1 }
      printf "%d passed, %d failed", all - failed - skipped, failed
      if (skipped > 0) printf ", %d skipped", skipped
      print ""
    }' "$report"
}
