#!/bin/sh
# eval.sh TRIWAVE SOURCE_DIR: predictions and slopes of a trained net at the rows of a CSV file.
set -u
triwave=$1
cd "$2" || exit 1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }
expect() {
  want=$1
  shift
  "$@" >"$dir/out" 2>"$dir/err"
  got=$?
  [ "$got" -eq "$want" ] || { fail "exit $got, not $want: $*"; sed 's/^/  /' "$dir/err"; }
}
says() { grep -q -e "$2" "$dir/$1" || { fail "no '$2' on std$1"; sed 's/^/  /' "$dir/$1"; }; }

# The loss is the mean square of what is predicted, so in f64 both ways of computing it agree.
awk 'BEGIN { print "x"; for (i = 0; i < 500; i++) printf "%.17g\n", i / 499 }' >"$dir/grid.csv"
expect 0 "$triwave" eval examples/cubic.tw --precision f64 --data "$dir/grid.csv" -o "$dir/f.csv"
loss=$("$triwave" run examples/cubic.tw --precision f64 --json | sed -n 's/.*"loss":[ \t]*\([-+0-9.e]*\).*/\1/p' | head -1)
paste -d, "$dir/grid.csv" "$dir/f.csv" | awk -F, -v loss="$loss" '
  NR > 1 { d = $2 - $1 ^ 3; sum += d * d; n++ }
  END { r = sum / n / loss; if (n != 500 || !(r > 1 - 1e-9 && r < 1 + 1e-9)) { print "mean square " sum / n ", loss " loss; exit 1 } }' ||
  fail "predictions do not give the loss"

# A row's result depends on that row alone: many blocks in another order, a pipe, one row at a time.
awk 'BEGIN { print "y,x"; for (i = 0; i < 60000; i++) printf "%d,%.9g\n", i, (i * 7919 % 60000) / 59999 }' >"$dir/many.csv"
awk 'BEGIN { print "x"; for (i = 0; i < 60000; i++) printf "%.9g\n", i / 59999 }' >"$dir/sorted.csv"
expect 0 "$triwave" eval examples/cubic.tw --data "$dir/many.csv" --derivative -o "$dir/a.csv"
expect 0 sh -c "'$triwave' eval examples/cubic.tw --data - --derivative <'$dir/sorted.csv' >'$dir/b.csv'"
[ "$(head -1 "$dir/a.csv")" = "f,df/dx" ] || fail "header: $(head -1 "$dir/a.csv")"
[ "$(wc -l <"$dir/a.csv")" -eq 60001 ] || fail "not every row has a line"
tail -n +2 "$dir/a.csv" | sort >"$dir/a.sorted"
tail -n +2 "$dir/b.csv" | sort >"$dir/b.sorted"
cmp -s "$dir/a.sorted" "$dir/b.sorted" || fail "the order of rows changes results"
sed -n 1p "$dir/many.csv" >"$dir/one.csv"
sed -n 40001p "$dir/many.csv" >>"$dir/one.csv"
expect 0 "$triwave" eval examples/cubic.tw --data "$dir/one.csv" --derivative
[ "$(sed -n 2p "$dir/out")" = "$(sed -n 40001p "$dir/a.csv")" ] || fail "a row alone is not the row among others"

# Slopes are those of the function: with f64 against differences.
printf 'x\n0.3\n0.30000001\n' >"$dir/two.csv"
expect 0 "$triwave" eval examples/cubic.tw --precision f64 --data "$dir/two.csv" --derivative
awk -F, 'NR == 2 { f = $1; s = $2 } NR == 3 { d = ($1 - f) / 1e-8 - s; exit !(d < 1e-5 && d > -1e-5) }' "$dir/out" || fail "slope"

# Several inputs, and a file with more columns than are asked for.
printf 'y,z,x\n0.5,a,0.25\n' >"$dir/plane.csv"
expect 0 "$triwave" eval examples/radial.tw --data "$dir/plane.csv" --derivative
says out "df/dx,df/dy"

# A column for each element of an array, with or without a blank behind the comma.
cat >"$dir/array.tw" <<'TW'
param a : real = 1
model f(z: real[2, 2]) -> real[2] = a * z[0] + 10 * z[1]
loss = (a - 1) ^ 2
stage s { train a; sgd(rate = 0.1); epochs 1 }
TW
printf '"z[1,1]","z[0, 0]","z[0,1]","z[1,0]",other\n4,1,2,3,9\n' >"$dir/z.csv"
expect 0 "$triwave" eval "$dir/array.tw" --data "$dir/z.csv" --derivative
[ "$(cat "$dir/out")" = 'f[0],f[1],"df[0]/dz[0, 0]","df[0]/dz[0, 1]","df[0]/dz[1, 0]","df[0]/dz[1, 1]","df[1]/dz[0, 0]","df[1]/dz[0, 1]","df[1]/dz[1, 0]","df[1]/dz[1, 1]"
31,42,1,0,10,0,0,1,0,10' ] || { fail "an array"; cat "$dir/out"; }
printf '"z[0,0]","z[0, 0]"\n1,1\n' >"$dir/twice.csv"
expect 1 "$triwave" eval "$dir/array.tw" --data "$dir/twice.csv"
says err "a second column is named 'z\[0, 0\]'"
printf '"z[0,0]","z[0,1]","z[1,0]","z[1 ,1]"\n1,1,1,1\n' >"$dir/apart.csv"
expect 1 "$triwave" eval "$dir/array.tw" --data "$dir/apart.csv"
says err "there is no column 'z\[1, 1\]'"

# What is wrong is told, and leaves no file.
printf 'x\n0.5\n1e39\n' >"$dir/large.csv"
expect 1 "$triwave" eval examples/cubic.tw --data "$dir/large.csv"
says err "large.csv:3:1: '1e39' in column 'x' is too large for f32"
expect 0 "$triwave" eval examples/cubic.tw --precision f64 --data "$dir/large.csv"
printf 'x\n1\000\n' >"$dir/zero.csv"
expect 1 "$triwave" eval examples/cubic.tw --data "$dir/zero.csv"
says err "zero.csv:2:1: '1?' in column 'x' is not a number"
printf 'x\n0.5\n\n0.25\n' >"$dir/gap.csv"
printf 'x,y\n0.5,1\n,1\n' >"$dir/missing.csv"
printf 't\n0.5\n' >"$dir/other.csv"
expect 2 "$triwave" eval examples/cubic.tw
expect 1 "$triwave" eval examples/cubic.tw --data "$dir/none.csv"
expect 1 "$triwave" eval examples/cubic.tw --data "$dir/other.csv"
says err "there is no column 'x'"
expect 1 "$triwave" eval examples/cubic.tw --data "$dir/gap.csv"
says err "gap.csv:3:1: this line is empty"
expect 1 "$triwave" eval examples/cubic.tw --data "$dir/missing.csv" -o "$dir/out.csv"
says err "missing.csv:3:1: there is no value for column 'x'"
[ -e "$dir/out.csv" ] || [ -e "$dir/out.csv.part" ] && fail "a file was left behind"
expect 1 "$triwave" eval examples/cubic.tw --data "$dir/grid.csv" --model g
says err "no model 'g'"
expect 1 "$triwave" eval examples/cubic.tw --data - <&-
says err "stdin: cannot be read: Bad file descriptor"
expect 1 "$triwave" eval examples/cubic.tw --data - <"$dir"
says err "stdin: is a directory"
if [ -w /dev/full ]; then
  expect 1 "$triwave" eval examples/cubic.tw --data "$dir/grid.csv" -o /dev/full
  says err "No space left"
  expect 1 sh -c "'$triwave' eval examples/cubic.tw --data '$dir/many.csv' >/dev/full"
fi
exit $failed
