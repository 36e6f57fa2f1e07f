#!/bin/sh
# tape.sh PLAY GROUPS: what ./dev test-avx512 relies on, with code for AVX2: calls that were written to a tape can be
# played; played with a wrong bit each is found wrong; and a tape that is cut off, or none, is said to be one.
set -eu
grep -q -w avx2 /proc/cpuinfo && grep -q -w fma /proc/cpuinfo || exit 77
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAILED: $*"; cat "$dir/said"; exit 1; }
TW_TAPE=$dir/tape TW_TAPE_LEVEL=3 "$2" 1 >"$dir/said" 2>&1 || fail "no tape is written"
"$1" "$dir/tape" >"$dir/said" 2>&1 || fail "calls differ"
calls=$(sed -n 's/^PASS tape: \([0-9]*\) calls, [0-9]* numbers, 0 calls differ$/\1/p' "$dir/said")
[ "${calls:-0}" -ge 10 ] || fail "few calls"
"$1" --flip "$dir/tape" >"$dir/said" 2>&1 || fail "a wrong bit is not found"
grep -q "^PASS tape: $calls calls, .* $calls calls differ, as they must$" "$dir/said" || fail "not in every call"

# The end of the last entry, of its head, and of the code that comes first.
bytes=$(wc -c <"$dir/tape")
for n in $((bytes - 1)) 1000 100 4; do
  head -c "$n" "$dir/tape" >"$dir/cut"
  if "$1" "$dir/cut" >"$dir/said" 2>&1; then fail "a tape of $n bytes of $bytes passes"; fi
  grep -q "not the whole of one" "$dir/said" || fail "no words for a tape of $n bytes"
done
