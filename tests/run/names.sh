#!/bin/sh
# names.sh TRIWAVE: files whose names are no UTF-8: what is written is UTF-8 all the same, and a run that is kept finds
# its files again.
triwave=$1
. "$(dirname "$0")/lib.sh"
utf8() { iconv -f UTF-8 -t UTF-8 "$1" >valid 2>/dev/null || { echo "FAILED: $1 is not UTF-8"; failed=1; }; }
odd=$(printf 'd\377\302')
mkdir "$odd" elsewhere
cat >"$odd/p.tw" <<'TW2'
data train = csv("d.csv", x) -> y
param a : real = 0.5
model f(x: real) -> real = a * x
loss = mse(f, train)
stage fit { train a; sgd(rate = 0.1); epochs 20 }
TW2
printf 'x,y\n0,0\n1,2\n' >"$odd/d.csv"

expect 0 "$triwave" run "$odd/p.tw" --out "$odd/run" --quiet
utf8 "$odd/run/run.json"
says "$odd/run/run.json" '"program_bytes":.*"64ffc22f702e7477"'
utf8 "$odd/run/summary.json"
for verb in "show $odd/run --json" "list . --json" "compare $odd/run $odd/run --json" "check --info json $odd/p.tw" \
  "doc --json $odd/p.tw"; do
  expect 0 "$triwave" $verb
  utf8 out
done

# Its results are made once more, from elsewhere: by the same names.
cp "$odd/run/summary.json" before
rm "$odd/run/summary.json"
cd elsewhere
expect 0 "$triwave" run --resume "../$odd/run" --quiet
bare() { sed 's/"\(seconds\|compile\|train\|total\)": *[0-9.e+-]*/"\1": 0/g; s/^{"program": "[^"]*"//' "$1"; }
bare ../before >../one
bare "../$odd/run/summary.json" >../two
same ../one ../two "a run that was resumed has another summary"
printf '%s\n' "x,y" 0,0 1,3 >"../$odd/d.csv"
rm "../$odd/run/summary.json"
expect 1 "$triwave" run --resume "../$odd/run" --quiet
says err 'has been changed'
cd ..

# What is no such name is refused.
for bytes in 6 6x 00 FF; do
  sed "s/64ffc22f702e7477/$bytes/" "$odd/run/run.json" >damaged
  mkdir -p "d$bytes" && cp damaged "d$bytes/run.json"
  expect 1 "$triwave" run --resume "d$bytes" --quiet
  says err 'is damaged'
done
exit $failed
