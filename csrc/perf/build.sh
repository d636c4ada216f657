#!/bin/sh
# Builds the core's driver from the tree in which this script lies, without torch: build.sh OUTPUT [more flags]
# The flags are setup.py's, so that what is counted is what is shipped; CXX is the compiler, MAX_JOBS how many at a time.
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
  # The core in reverse order: isa_portable.cpp takes 44 s and the others 20 s, so it must start first.
  sources="$(ls -r csrc/core/*.cpp) $(ls csrc/perf/*.cpp)"
  printf 'driver:'
  for source in $sources; do printf ' %s.o' "$(echo "$source" | tr '/.' '__')"; done
  # Bound at load (-z now): a symbol looked up at its first call would be counted in whatever case comes first.
  printf '\n\t%s $^ -Wl,-z,now -o $@\n' "$compile"
  for source in $sources; do
    printf '%s.o:\n\t%s -c %s -o $@\n' "$(echo "$source" | tr '/.' '__')" "$compile" "$PWD/$source"
  done
} >"$work/Makefile"
env -u MAKEFLAGS -u MAKELEVEL make -s -j "${MAX_JOBS:-2}" -C "$work" driver
mv "$work/driver" "$out"
