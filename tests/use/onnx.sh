#!/bin/sh
# onnx.sh TRIWAVE SOURCE_DIR READER ROWS: the graph that `triwave export --to onnx` writes has the form that it should have, and
# computes what `triwave eval` does, as READER (onnx.c) decodes and evaluates it.
set -eu
triwave=$1 source=$2 reader=$3 rows=$4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# check PROGRAM MODEL PRECISION BOUND COLUMNS
check() {
  awk -v n="$rows" -v c="$5" 'BEGIN {
    m = split(c, name, " ")
    for (k = 1; k <= m; k++) printf "%s%s", name[k], k < m ? "," : "\n"
    for (i = 0; i < n; i++) for (k = 1; k <= m; k++) printf "%.9g%s", (i * (7919 + 104 * k) % n) / n * 1.25 - 0.125, k < m ? "," : "\n" }' >"$dir/x.csv"
  "$triwave" export "$1" --model "$2" --precision "$3" --to onnx -o "$dir/net.onnx"
  "$triwave" eval "$1" --model "$2" --precision "$3" --data "$dir/x.csv" -o "$dir/want.csv"
  printf '%s %s %s: ' "$(basename "$1")" "$2" "$3"
  "$reader" "$dir/net.onnx" "$dir/x.csv" "$dir/want.csv" "$4"
}
for precision in f32 f64; do
  bound=1e-6; [ $precision = f32 ] || bound=1e-14
  check "$source/examples/cubic.tw" f $precision $bound x
  [ $precision = f32 ] || { check "$source/tests/use/onnx.tw" f f64 $bound "p[0] p[1] p[2]"; continue; }
  check "$source/examples/radial.tw" f $precision $bound "x y"
  check "$source/examples/softplus.tw" f $precision $bound x
  check "$source/tests/use/shapes.tw" f $precision $bound "p[0] p[1] p[2]"
  check "$source/tests/use/elementary.tw" f $precision $bound x
  for model in f g h; do check "$source/tests/use/onnx.tw" $model $precision $bound "p[0] p[1] p[2]"; done
  check "$source/tests/use/onnx.tw" k $precision $bound x
done
# Outputs that are the same for all rows, of which there are as many as of an input that is not empty.
cat >"$dir/same.tw" <<'TW'
param a : real = 0.5
model late(e: real[0], x: real) -> real[2] = [a, 2]
type Pair = { u: real, v: real }
model pair(x: real) -> Pair = { u = x, v = 2 }
loss = a ^ 2
stage all { train a; sgd(rate = 1e-2); epochs 3 }
TW
for model in late pair; do check "$dir/same.tw" $model f32 1e-6 x; done
# What ONNX has nothing for is refused with its place, and leaves no file.
cat >"$dir/no.tw" <<'TW'
data train = grid(x in [0, 1], 40) -> x ^ 2
param a : real[4] = 1
fn long(x: real) -> real {
  let s[0] = x, s[i + 1] = sin(s[i]) * a[0] for i in 0 .. 100000
  s[100000]
}
model loop(x: real) -> real = long(x)
model chosen(p: real[4]) -> real = p[min(max(int(4 * p[0]), 0), 3)] * a[1]
model nothing() -> real = 3 * a[3]
model fine(x: real) -> real = x * a[2]
loss = mse(fine, train)
stage all { train a; adam(rate = 1e-3); epochs 2 }
TW
refused() {
  code=0
  "$triwave" export "$dir/no.tw" --model "$1" --to onnx -o "$dir/no.onnx" >"$dir/out" 2>"$dir/err" || code=$?
  [ $code -eq 1 ] && grep -q "error.E0806.*'$1' cannot be exported to ONNX: .*$2" "$dir/err" && [ ! -e "$dir/no.onnx" ] || { echo "FAILED: $1: exit $code"; cat "$dir/err"; exit 1; }
}
refused loop "too large"
refused chosen "index that depends on the row"
refused nothing "it has no input"
grep -q '^.*no.tw:9:.*E0806' "$dir/err"
code=0
"$triwave" export "$source/examples/cubic.tw" --to onnx -o "$dir/net.c" 2>"$dir/err" || code=$?
[ $code -eq 2 ] && grep -q "ends in .onnx" "$dir/err"
