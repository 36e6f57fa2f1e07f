#!/bin/sh
# sweep.sh TRIWAVE: each cell of a sweep gives the bits of the run alone, whatever its company and the threads.
set -eu
triwave=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/p.tw" <<'TW'
const n = 40
const rate = 1e-3
data train = grid(x in [0, 1], n) -> x ^ 2
param a : real in (0, 3) by clip(0.01) ~ uniform(0.2, 0.9)
param b : real = 0.1
model f(x: real) -> real = a * relu(x - b)
loss = mse(f, train)
stage fit { train a, b; adam(rate = rate); epochs 60 }
TW
losses() { sed -n 's/.*"seed": \([0-9]*\).*"best_loss": \([^,]*\),.*measures.*/\1 \2/p' "$1"; }
failed=0
for seeds in 1 3; do
  : >"$dir/alone"
  for n in 40 41; do
    for rate in 1e-3 1e-2 "(1 + 1) * 1e-2"; do
      "$triwave" run "$dir/p.tw" -D n=$n -D "rate=$rate" --seeds $seeds --json >"$dir/one"
      losses "$dir/one" >>"$dir/alone"
    done
  done
  for threads in 1 2 5; do
    "$triwave" run "$dir/p.tw" --sweep n=40,41 --sweep "rate=1e-3,1e-2,(1 + 1) * 1e-2" --seeds $seeds --threads $threads --json >"$dir/all"
    losses "$dir/all" >"$dir/together"
    [ "$(wc -l <"$dir/together")" -eq $((6 * seeds)) ] || { echo "$threads threads: $(wc -l <"$dir/together") seeds"; failed=1; }
    cmp "$dir/alone" "$dir/together" || failed=1
  done
done
grep -c '"settings": {"n": "4[01]", "rate": "' "$dir/all" | grep -qx 6 || { echo "settings are missing"; failed=1; }
"$triwave" run "$dir/p.tw" --sweep n=40,41 -D n=3 2>"$dir/err" && failed=1
grep -q "'n' is given twice" "$dir/err" || { cat "$dir/err"; failed=1; }
"$triwave" run "$dir/p.tw" --sweep n=40,banana 2>"$dir/err" >"$dir/out" && failed=1
grep -q "E0201" "$dir/err" || { cat "$dir/err"; failed=1; }
[ ! -s "$dir/out" ] || { echo "a report of a sweep that does not compile"; failed=1; }
exit $failed
