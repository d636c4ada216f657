#!/bin/sh
# Builds the driver of the core, without torch, from the tree that contains this script: build.sh OUTPUT [more flags]
# The flags are those of setup.py, so that the code under the counter is the shipped code. CXX is the compiler, MAX_JOBS the number of jobs.
set -eu
case $1 in /*) out=$1 ;; *) out=$PWD/$1 ;; esac
shift
cd "$(dirname "$0")/../.."
flags=$(sed -n 's/^CXX_FLAGS = \[\(.*\)\]$/\1/p' setup.py | tr -d '",')
[ -n "$flags" ] || { echo "build.sh: setup.py has no line CXX_FLAGS = [...]" >&2; exit 1; }
compile="${CXX:-c++} $flags $*"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{
  # The core in reverse order, so that isa_portable.cpp starts first: it takes 44 s, the others 20 s.
  sources="$(ls -r csrc/core/*.cpp) $(ls csrc/perf/*.cpp)"
  printf 'driver:'
  for source in $sources; do printf ' %s.o' "$(echo "$source" | tr '/.' '__')"; done
  # Symbols are bound at load (-z now): a lookup at the first call would be counted in the first case that makes it.
  printf '\n\t%s $^ -Wl,-z,now -o $@\n' "$compile"
  for source in $sources; do
    printf '%s.o:\n\t%s -c %s -o $@\n' "$(echo "$source" | tr '/.' '__')" "$compile" "$PWD/$source"
  done
} >"$work/Makefile"
env -u MAKEFLAGS -u MAKELEVEL make -s -j "${MAX_JOBS:-2}" -C "$work" driver
mv "$work/driver" "$out"
