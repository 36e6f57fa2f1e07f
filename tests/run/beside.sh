#!/bin/sh
# beside.sh TRIWAVE: code of later variants is made while earlier ones train: nothing that a user sees depends on it.
set -eu
triwave=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
XDG_CACHE_HOME=$dir/cache
export XDG_CACHE_HOME
failed=0
say() { echo "beside.sh: $*"; failed=1; }
cat >p.tw <<'TW'
const n = 2000
data train = grid(x in [0, 1], 500) -> x ^ 2
param a : real in (0, 3) by clip(0.01) ~ uniform(0.2, 0.9)
param b : real = 0.1
model f(x: real) -> real = a * relu(x - b)
loss = mse(f, train)
stage fit { train a, b; adam(rate = 1e-3); epochs n }
ensure regions(f, [0, 1]) >= 1
variant second { param b : real = 0.2 }
variant third { loss = mse(f, train) + a ^ 2 }
variant fourth { param b : real = 0.05 }
TW
bare() { sed 's/"\(seconds\|compile\|train\|total\)": *[0-9.e+-]*/"\1": 0/g' "$1"; }

# All at once, one after the other (one thread compiles before it trains), and from the cache.
for seeds in 1 3; do
  "$triwave" run p.tw --all-variants --seeds $seeds --threads 1 --no-cache --json >one
  "$triwave" run p.tw --all-variants --seeds $seeds --threads 3 --no-cache --json --time >cold 2>time
  "$triwave" run p.tw --all-variants --seeds $seeds --threads 3 --json >miss
  "$triwave" run p.tw --all-variants --seeds $seeds --threads 3 --json >hit
  bare one >want
  for how in cold miss hit; do
    bare $how >got
    cmp want got || say "$seeds seeds, $how: other results"
  done
  # What variants share is made once; each is what it is alone.
  losses() { sed -n 's/.*"seed": \([0-9]*\).*"best_loss": \([^,]*\),.*measures.*/\1 \2/p' "$1"; }
  for v in full second third fourth; do "$triwave" run p.tw --variant $v --seeds $seeds --no-cache --json; done >alone
  losses alone >want
  losses cold >got
  [ "$(wc -l <want)" -eq $((4 * seeds)) ] && cmp want got || say "$seeds seeds: not what each variant is alone"
  # Nothing is timed twice: what passes between the first and the last moment is compiling or training.
  awk -F'[:,}]' '{ for (k = 1; k < NF; k++) { gsub(/[" {]/, "", $k); v[$k] = $(k + 1) } }
    END { exit !(v["compile"] > 0 && v["train"] > 0 && v["compile"] + v["train"] <= v["total"]) }' cold ||
    say "compile and train are more than the total: $(tail -c 100 cold)"
done
[ "$(awk '{ print $1 }' time | tr '\n' ' ' | sed 's/both //')" = "parse sema cache lower opt code train " ] || say "--time: $(cat time)"

# A variant that lowering refuses: said once, nothing is reported of those that trained, whatever the threads.
sed 's/^variant second.*/variant second { model f(x: real) -> real = a * sin(x - b) }/' p.tw >bad.tw
for threads in 1 2; do
  "$triwave" run bad.tw --all-variants --threads $threads --no-cache -D n=100000000 >out 2>err.$threads && say "bad.tw runs"
  [ ! -s out ] || say "bad.tw, $threads threads: a report"
  [ "$(grep -c E0715 err.$threads)" -eq 1 ] || say "bad.tw, $threads threads: $(cat err.$threads)"
done
cmp err.1 err.2 || say "other words with other threads"

# A signal: those that were begun are reported, as stopped, and the run ends.
"$triwave" run p.tw --all-variants --threads 2 --no-cache -D n=1000000000 --json >out 2>err &
pid=$!
sleep 1
kill -INT $pid
code=0
wait $pid || code=$?
[ $code -eq 1 ] || say "a stopped run ends with $code"
grep -q 'stopped by a signal' err || say "a stopped run says: $(cat err)"
[ "$(grep -c '"status": "stopped"' out)" -ge 1 ] || say "no seed is told as stopped: $(cat out)"
exit $failed
