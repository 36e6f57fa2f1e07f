#!/bin/sh
# runs.sh TRIWAVE FOLDER TEST_CACHE: a run that finds its code is the run that made it, in every number and every message;
# whatever may decide the code, decides the key; damage, rights and company do no harm.
set -eu
triwave=$1 folder=$2 test_cache=$3
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"
export XDG_CACHE_HOME="$folder/cache" HOME="$folder"
failed=0
say() { echo "$*" >&2; failed=1; }

cat >mod.tw <<'TW'
fn square(x: real) -> real = x ^ 2
TW
cat >p.tw <<'TW'
import mod

const n = 20

data train = csv("d.csv", x) -> y
data other = grid(x in [0, 1], n) -> mod.square(x)

param a : real in (0, 3) by clip(0.01) ~ uniform(0.2, 0.9)

model f(x: real) -> real = a * x
loss = mse(f, train) + mse(f, other)

stage fit { train a; adam(rate = 1e-2); epochs 50 }

variant slow { stage fit { train a; adam(rate = 1e-3); epochs 50 } }
variant long { stage fit { train a; adam(rate = 1e-2); epochs 70 } }
TW
printf 'x,y\n0,0\n0.5,1\n1,2\n' >d.csv

# run ARGS…: the JSON without its seconds; `hit` or `miss` in the file how
run() {
  status=0
  "$triwave" run p.tw --json --time "$@" >out 2>err || status=$?
  code=$(awk '$1 == "code" { print $2 }' err)
  if [ "$code" = 0.000 ]; then echo hit >how; else echo miss >how; fi
  sed 's/"\(seconds\|compile\|train\|total\)": *[0-9.e+-]*/"\1": 0/g' out
  [ "$status" -eq 0 ] || cat err >&2
}
expect() { [ "$(cat how)" = "$1" ] || say "$2: expected a $1"; }

first=$(run --seeds 3); expect miss "the first run"
again=$(run --seeds 3); expect hit "the second run"
[ "$first" = "$again" ] || say "the second run says something else"
[ -n "$first" ] || say "no output"
fresh=$(run --seeds 3 --no-cache); expect miss "--no-cache"
[ "$first" = "$fresh" ] || say "--no-cache says something else"
run --seeds 2 >/dev/null; expect hit "other seeds"
run --threads 1 >/dev/null; expect hit "one thread"
entries=$("$triwave" cache)
"$triwave" regions p.tw >/dev/null || say "regions"
[ "$("$triwave" cache)" = "$entries" ] || say "regions trains with other code than run"

run -D n=30 >/dev/null; expect miss "another constant"
run -D n=30 >/dev/null; expect hit "the same constant again"
run --precision f64 >/dev/null; expect miss "another precision"
run --vector-bits 256 >/dev/null; expect miss "another width"
run --variant slow >/dev/null; expect miss "another variant"
run --variant full,slow >/dev/null; expect hit "both variants, each kept"
printf 'x,y\n0,0\n0.5,1\n1,2.5\n' >d.csv
run >/dev/null; expect miss "other data"
sed -i 's/x ^ 2/x ^ 3/' mod.tw
run >/dev/null; expect miss "another module"
run >/dev/null; expect hit "the same module again"
sed -i 's/20/21/' p.tw
run >/dev/null; expect miss "another program"

# A NaN is told in the same words, though nothing was lowered.
cat >nan.tw <<'TW'
data train = grid(x in [0, 1], 8) -> x
param a : real = 1e-3
weights w = sqrt(a)
model f(x: real) -> real = w * x
loss = mse(f, train) + log(a)
stage fit { train a; sgd(rate = 10.0); epochs 50 }
TW
"$triwave" run nan.tw >/dev/null 2>nan1 && say "a NaN that is none"
"$triwave" run nan.tw >/dev/null 2>nan2 && say "a NaN that is none"
cmp nan1 nan2 || say "a kept program tells of its NaN in other words"
grep -q 'E0801' nan1 || say "no E0801"

# What is warned of before lowering is told each time, and the code is kept.
sed 's/^param a/param idle : real = 1\nparam a/; s/train a;/train a, idle;/' p.tw >idle.tw
for how in 1 2; do "$triwave" run idle.tw --time >idle.out 2>idle.$how || say "idle.tw fails"; done
for how in 1 2; do grep -q 'W0003' idle.$how || say "no W0003 in run $how"; done
[ "$(awk '$1 == "code" { print $2 }' idle.2)" = 0.000 ] || say "a program with a warning is not kept"

# Damage: each entry is cut; results stay.
want=$(run)
for f in cache/triwave/*; do head -c 300 "$f" >cut && cat cut >"$f"; done
got=$(run); expect miss "after damage"
[ "$want" = "$got" ] || say "damage shows"
run >/dev/null; expect hit "after repair"

# Functions are kept by themselves: a program of the same functions finds them, and so does a variant those that it
# shares. What is made of them is what is made without.
functions() { ls cache/triwave | grep -c 'fn1$'; }
"$triwave" cache clear >cleared
one=$(run --seeds 9); expect miss "no function is kept"
kept=$(functions)
[ "$kept" -gt 0 ] || say "no function was kept"
rm cache/triwave/*.tw1
two=$(run --seeds 9); expect miss "functions, but no program"
[ "$one" = "$two" ] || say "made of kept functions: something else"
[ "$(functions)" -eq "$kept" ] || say "functions were there and not found: $kept, now $(functions)"
other=$(run --seeds 9 --variant long); expect miss "a variant that shares functions"
[ "$(functions)" -eq "$kept" ] || say "a variant of the same functions: $kept, now $(functions)"
[ "$other" = "$(run --seeds 9 --variant long --no-cache)" ] || say "a variant of shared functions: something else"
other=$(run --seeds 9 --variant slow); expect miss "a variant with another step"
[ "$(functions)" -gt "$kept" ] || say "a variant with another step has made no function"
[ "$other" = "$(run --seeds 9 --variant slow --no-cache)" ] || say "a variant with another step: something else"

# What is whole and cannot be linked, as what another generator has left: it is made again, and replaced.
for kind in fn1 tw1; do
  "$triwave" cache clear >cleared
  one=$(run --seeds 9)
  "$test_cache" spoil "$XDG_CACHE_HOME" $kind || say "no entry of $kind is spoilt"
  [ "$kind" = tw1 ] || rm cache/triwave/*.tw1
  two=$(run --seeds 9); expect miss "spoilt entries: $kind"
  [ "$one" = "$two" ] || say "spoilt entries of $kind: something else"
  run --seeds 9 >/dev/null; expect hit "after spoilt entries: $kind"
  rm cache/triwave/*.tw1
  two=$(run --seeds 9)
  [ "$one" = "$two" ] || say "spoilt entries of $kind stay"
  if strings -n 9 cache/triwave/* | grep -q 'spoilt entry'; then say "spoilt entries of $kind are not replaced"; fi
done

# Many at once, on an empty cache.
"$triwave" cache clear >cleared
grep -q 'removed' cleared || say "cache clear says nothing"
pids=
for k in 1 2 3 4 5 6; do "$triwave" run p.tw --json >many.$k 2>&1 & pids="$pids $!"; done
for p in $pids; do wait "$p" || say "one of many failed"; done
for k in 2 3 4 5 6; do
  [ "$(sed 's/"seconds".*//; s/"[a-z]*": *[0-9.]*e-[0-9]*}//' many.1 | head -c 200)" = "$(sed 's/"seconds".*//; s/"[a-z]*": *[0-9.]*e-[0-9]*}//' many.$k | head -c 200)" ] || say "one of many differs"
done
"$triwave" cache | grep -q '1 program,' || say "expected one program: $("$triwave" cache)"
ls cache/triwave | grep -q tmp- && say "a temporary file is left"

# No place, no rights, no harm.
got=$(HOME=/nonexistent XDG_CACHE_HOME= run)
[ "$want" = "$got" ] || say "without a home: something else"
chmod 777 cache/triwave
got=$(run); expect miss "a folder that anybody may write"
[ "$want" = "$got" ] || say "a folder that anybody may write: something else"
exit "$failed"
