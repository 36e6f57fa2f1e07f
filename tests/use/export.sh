#!/bin/sh
# export.sh TRIWAVE SOURCE_DIR RUNTIME CC ROWS: the C99 file of a model computes what `triwave eval` does: to the byte
# where it is made of + - * / relu min max, at any level of optimization; within 2 ulp per elementary function otherwise.
set -eu
triwave=$1 source=$2 runtime=$3 cc=$4 rows=$5
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
points() { # columns
  awk -v n="$rows" -v c="$1" 'BEGIN {
    split(c, name, " "); m = length(name)
    for (k = 1; k <= m; k++) printf "%s%s", name[k], k < m ? "," : "\n"
    for (i = 0; i < n; i++) for (k = 1; k <= m; k++) printf "%.9g%s", (i * (7919 + 104 * k) % n) / n * 1.25 - 0.125, k < m ? "," : "\n" }'
}
# same PROGRAM PRECISION COLUMNS LEVEL…
compiled() {
  program=$1 precision=$2 columns=$3
  points "$columns" >"$dir/x.csv"
  "$triwave" export "$program" --precision "$precision" --model ${model:-f} --to c -o "$dir/net.c"
  "$triwave" eval "$program" --precision "$precision" --model ${model:-f} --derivative --data "$dir/x.csv" -o "$dir/eval.csv"
  tail -n +2 "$dir/eval.csv" >"$dir/want.csv"
  real=float; [ "$precision" = f32 ] || real=double
  "$cc" -std=c99 -pedantic -Wall -Wextra -Werror $4 -c "$dir/net.c" -o "$dir/net.o"
  "$cc" -std=gnu11 -DREAL=$real -I"$dir" -I"$source" ${SANITIZE:-} "$source/tests/use/export.c" "$dir/net.o" "$runtime" -lm -o "$dir/run"
  "$dir/run" "$dir/x.csv" "$dir/got.csv"
}
# Models that do not use all that a model may have: no warning of a compiler that warns of what is not used.
cat >"$dir/plain.tw" <<'TW'
param a : real = 0.5
model nothing() -> real = 3 * a
model constant(x: real) -> real = 3
model half(p: real[2], q: real) -> real[2] = [a, p[1]]
model linear(x: real) -> real = a * x
model line(x: real) -> real = a * x + 1
model empty(p: real[0], x: real) -> real = a * x
model none(p: real[0]) -> real = a
type Pair = { u: real, v: real }
model pair(x: real) -> Pair = { u = x, v = 2 }
model zero(x: real) -> real[0] = []
loss = a ^ 2
stage all { train a; sgd(rate = 1e-2); epochs 3 }
TW
for plain in nothing constant half linear line empty none pair zero; do
  "$triwave" export "$dir/plain.tw" --model $plain --to c -o "$dir/plain.c"
  for flags in "-std=c99 -O2" "-std=c11 -O0" "-std=gnu11 -O3"; do
    "$cc" $flags -pedantic -Wall -Wextra -Werror -c "$dir/plain.c" -o "$dir/plain.o"
  done
done
for precision in f32 f64; do
  for case in "cubic:x:-O0" "cubic:x:-O3 -march=native -std=gnu11" "dense:x:-O2" "radial:x y:-O2 -mfma" "tanh3:x:-O1" "sine:x:-O2"; do
    program=${case%%:*} rest=${case#*:}
    compiled "$source/examples/$program.tw" $precision "${rest%%:*}" "${rest#*:}"
    cmp "$dir/want.csv" "$dir/got.csv"
    echo "$program $precision ${rest#*:}: $rows values and slopes are the same bytes"
  done
  compiled "$source/tests/use/shapes.tw" $precision "p[0] p[1] p[2]" -O2
  cmp "$dir/want.csv" "$dir/got.csv"
  echo "shapes $precision: the same bytes"
  compiled "$source/tests/use/elementary.tw" $precision "x" -O2
  paste -d, "$dir/want.csv" "$dir/got.csv" | awk -F, -v bits=$([ $precision = f32 ] && echo 24 || echo 53) '
    { m = NF / 2
      for (k = 1; k <= m; k++) { d = $k - $(k + m); a = $k < 0 ? -$k : $k; d = d < 0 ? -d : d; part = k <= 11 ? 0 : 1
        n[part]++; differ[part] += d != 0; ulp = d ? d / (a * 2 ^ (1 - bits) + 1e-300) : 0; if (ulp > worst[part]) worst[part] = ulp
        if (!(ulp <= (k <= 11 ? 2 : 12))) { print "line " NR ", column " k ": " $k " and " $(k + m); exit 1 } } }
    END { printf "%d values, %d differ, by at most %.2f ulp; %d slopes, %d differ, by at most %.2f ulp\n", n[0], differ[0], worst[0], n[1], differ[1], worst[1] }'
  echo "elementary $precision: within 2 ulp"
done
# (Slopes of elementary functions are made of several of them, so they get 12 ulp.)
# What cannot be exported, or written, is said, and leaves nothing.
! "$triwave" export "$source/examples/cubic.tw" --model ${model:-f} --to c -o "$dir/none/net.c" 2>"$dir/err"
grep -q "cannot write" "$dir/err"
code=0
"$triwave" export "$source/examples/cubic.tw" --to fortran -o "$dir/x.f" 2>"$dir/err" || code=$?
[ $code -eq 2 ]
ls "$dir" | grep part && exit 1
exit 0
