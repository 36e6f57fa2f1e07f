#!/bin/sh
# keys.sh TRIWAVE ROOT: every key of run.json, of the object of `run --json` and of a line of `--log jsonl` stands in docs/runs.md,
# and what that page lists for `run --json` is printed by one of these runs.
set -u
triwave=$1 page=$2/docs/runs.md
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0

cat >p.tw <<'TW'
import triwave
const rate = 1e-3
data train = grid(x in [0, 1], 64) -> x ^ 3
data rows = csv("d.csv", x) -> y
param peak  : real[3] in (0, 1) by clip(0.02) ~ uniform(0.3, 0.7)
param scale : real in (0, inf) by clip(1e-6) = (1 - peak[0]) * peak[1]
weights net = triwave.set_weights(peak, triwave.smooth_ratios(peak, scale), mix = -1)
model f(x: real) -> real = triwave.forward(net, x)
loss = mse(f, train)
measure test = mse(f, rows)
stage fit { train peak, scale; adam(rate = rate); epochs 5 }
ensure regions(f, [0, 1]) >= 100
expect best_loss < 0
TW
cat >nan.tw <<'TW'
data train = grid(x in [0, 1], 8) -> x
param a : real = 1
model f(x: real) -> real = a * log(x - 2)
loss = mse(f, train)
stage fit { train a; sgd(rate = 0.1); epochs 3 }
TW
printf 'x,y\n0,0\n1,1\n' >d.csv
"$triwave" run p.tw --sweep rate=1e-3,1e-2 --seeds 2 --json --pieces 4 --out run --log log.jsonl >a.json 2>a.err
"$triwave" run nan.tw --json >b.json 2>b.err
[ -s a.json ] && [ -s b.json ] || { cat a.err b.err; exit 1; }

# The names of measures, settings and constants are the program's, and arguments may hold anything.
keys() { grep -o '"[A-Za-z_0-9]*":' "$@" | sed 's/.*"\(.*\)":/\1/' | grep -v -x -e test -e rate | sort -u; }
for key in $(keys -h run/run.json a.json b.json log.jsonl); do
  grep -q "[\`\"]$key[\`\"]" "$page" || { echo "FAILED: '$key' does not stand in $page"; failed=1; }
done
keys -h a.json b.json >printed
sed -n '/^## summary.json/,/^## run.json/p' "$page" | sed -n 's/^|[^|]*|\(.*\)$/\1/p' >table
cut -d'|' -f1 table | grep -o '`[a-z_]*`' | tr -d '`' | sort -u >listed
[ "$(wc -l <listed)" -ge 30 ] || { echo "FAILED: only $(wc -l <listed) keys are listed"; failed=1; }
for key in $(cat listed); do
  [ "$key" = error ] || grep -q -x "$key" printed || { echo "FAILED: '$key' is listed and was not printed"; failed=1; }
done
for key in $(cat printed); do
  sed -n '/^## summary.json/,/^## run.json/p' "$page" | grep -q "\`$key\`" || { echo "FAILED: '$key' is printed and not listed"; failed=1; }
done
exit $failed
