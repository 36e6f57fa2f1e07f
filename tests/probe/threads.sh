#!/bin/sh
# threads.sh TRIWAVE PROGRAM…: what gradcheck says, and how it ends, does not depend on the number of threads.
set -u
triwave=$1
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0
for p in "$@"; do
  for n in 1 2 3 5; do
    "$triwave" gradcheck "$p" --threads $n >"$dir/$n" 2>&1
    echo "exit $?" >>"$dir/$n"
    cmp "$dir/1" "$dir/$n" || { echo "FAILED: $p on $n threads"; failed=1; }
  done
  [ "$(wc -l <"$dir/1")" -gt 3 ] || { echo "FAILED: $p says nothing"; cat "$dir/1"; failed=1; }
done
exit $failed
