#!/bin/sh
# large.sh TRIWAVE: much straight-line code is compiled in seconds. ctest stops it after a minute.
set -u
triwave=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
XDG_CACHE_HOME=$dir
export XDG_CACHE_HOME
failed=0
say() { echo "FAILED: $*"; failed=1; }

# powers N: a ^ a ^ … of N powers
powers() {
  awk -v n="$1" 'BEGIN {
    printf "param a : real = 0.5\nloss = a"
    for (k = 0; k < n; k++) printf " ^ a"
    print "\nstage s { train a; sgd(); epochs 1 }"
  }'
}

# A derivative of a power asks whether it is 0 times something; none of that is a branch.
if [ "$(uname -m)" = x86_64 ]; then
  powers 20 >"$dir/few.tw"
  "$triwave" emit "$dir/few.tw" --as asm >"$dir/few.s" || say "emit --as asm fails"
  sed -n '/^s.step:/,/retq/p' "$dir/few.s" >"$dir/step.s"
  [ -s "$dir/step.s" ] || say "no code of s.step"
  grep -Eq '^[[:space:]]j[a-z]+[[:space:]]' "$dir/step.s" && say "a choice of a number is a branch"
fi

powers 900 >"$dir/many.tw"
"$triwave" run "$dir/many.tw" --json >"$dir/many.json" || say "900 powers fail"
grep -q '"status": "ok"' "$dir/many.json" || say "900 powers: $(head -c 200 "$dir/many.json")"
exit "$failed"
