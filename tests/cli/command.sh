#!/bin/sh
# command.sh TRIWAVE SOURCE_DIR: exit codes, streams, and what the verbs promise.
set -u
triwave=$1
cd "$2" || exit 1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

# expect CODE command…: the exit code; stdout goes to $dir/out, stderr to $dir/err
expect() {
  want=$1
  shift
  "$@" >"$dir/out" 2>"$dir/err"
  got=$?
  [ "$got" -eq "$want" ] && return
  echo "FAILED: exit $got, not $want: $*"
  sed 's/^/  /' "$dir/err"
  failed=1
}
# says FILE PATTERN: the last command's stream has a line like this
says() {
  grep -q -e "$2" "$dir/$1" || { echo "FAILED: no '$2' on std$1"; sed 's/^/  /' "$dir/$1"; failed=1; }
}
silent() {
  [ -s "$dir/$1" ] && { echo "FAILED: std$1 is not empty"; sed 's/^/  /' "$dir/$1"; failed=1; }
}

expect 2 "$triwave"
expect 2 "$triwave" trian examples/cubic.tw
says err "unknown verb 'trian'"
expect 2 "$triwave" run
expect 2 "$triwave" run examples/cubic.tw --sedes 3
expect 2 "$triwave" run examples/cubic.tw --seed 1 --seeds 2
expect 2 "$triwave" run examples/cubic.tw --seed 1 --seed 2
says err "^triwave: --seed is given twice"
expect 2 "$triwave" emit examples/cubic.tw --as tokens --as=ast
says err "^triwave: --as is given twice"
expect 2 "$triwave" regions examples/cubic.tw --format csv --json
says err "^triwave: --json and --format csv exclude each other"
expect 2 "$triwave" run examples/cubic.tw --seeds 0
expect 2 "$triwave" run examples/cubic.tw --threads x
expect 2 "$triwave" run examples/cubic.tw --variant ""
expect 2 "$triwave" run examples/cubic.tw -D depth
expect 2 "$triwave" emit examples/cubic.tw --as assembly
expect 2 "$triwave" fmt --json examples/cubic.tw
expect 0 "$triwave" --help
expect 0 "$triwave" run --help
says out "^  --sweep name=a,b,…           each of these values"
says out "^  --variant a,b                these variants"
expect 0 "$triwave" --version

expect 0 "$triwave" explain
says out "^E0203  unknown module"
expect 0 "$triwave" explain e0203 W0001
says out "^error.E0203.: unknown module"
says out "^    import trwave"
says out "^warning.W0001"
expect 0 "$triwave" doc
says out "^triwave  *Triangle-wave networks"
expect 0 "$triwave" doc nn examples/cubic.tw
silent err
says out "^custom fn softplus(x: real) -> real$"
says out "^    An affine map from m inputs to n outputs.$"
says out "^stage standard { train net"
expect 0 "$triwave" doc optim --json
says out '"kind":"optimizer","name":"adamw","signature":"optimizer adamw(rate: schedule = 1e-3, beta1'
expect 0 "$triwave" doc init --markdown
says out "^fn raai.m, n.() -> nn.Dense.m, n.$"
expect 0 "$triwave" doc domain
says out "^domain ordered.n.(lo: real = -inf, hi: real = inf)$"
says out "^domain simplex.n.$"
printf 'data  d = csv("a//b  c.csv", "x",  "y") // rows\nvariant one { }\n' >"$dir/text.tw"
expect 0 "$triwave" doc "$dir/text.tw"
says out '^data d = csv("a//b  c.csv", "x", "y")$'
says out '^variant one$'
expect 1 "$triwave" doc inti
says err "did you mean 'init'"
expect 0 "$triwave" check --info json examples/*.tw
silent err
[ "$(wc -l <"$dir/out")" -eq "$(ls examples/*.tw | wc -l)" ] || { echo "FAILED: an object a file"; failed=1; }
says out '"name":"peak","type":"real.6.","shape":.6.,"reals":6,"domain":{"low":0,"high":1,"low_open":true'
expect 0 "$triwave" check --info json examples/mixture.tw
says out '"domain":{[^}]*"name":"simplex"},"transform":"forward"'
printf 'const a = b\n' >"$dir/wrong.tw"
expect 1 "$triwave" check --info json "$dir/wrong.tw"
says out '"variants":..,"ok":false'
says err "E0201"
expect 2 "$triwave" check --info xml examples/cubic.tw
expect 2 "$triwave" explain E0299
says err "did you mean E02"

expect 1 "$triwave" run "$dir/none.tw"
says err "No such file"
expect 1 "$triwave" run examples
expect 1 "$triwave" run examples/cubic.tw --variant nope
says err "E0212"
expect 1 "$triwave" run examples/cubic.tw -D dept=4
says err "E0211"
says err "did you mean 'depth'"
expect 1 "$triwave" check "$dir/none.tw"

expect 0 "$triwave" check examples/*.tw stdlib/*.tw
silent out
silent err
expect 0 "$triwave" run examples/cubic.tw -D depth=3 --json
silent err
says out '"variants"'
expect 0 "$triwave" run examples/cubic.tw -D depth=3 --quiet
silent out
silent err
expect 0 "$triwave" run examples/cubic.tw -D depth=3
says out "^pretrain  *1000"
for form in tokens ast typed ir grad opt plan llvm asm; do
  expect 0 "$triwave" emit examples/cubic.tw -D depth=3 --as $form
  [ -s "$dir/out" ] || { echo "FAILED: emit --as $form is empty"; failed=1; }
done
# The plan's cycles of a step grow with the samples, but for what is once a call.
cycles() { # SAMPLES: of the step `standard`
  "$triwave" emit bench/programs/flagship.tw -D samples="$1" --as plan | sed -n 's/^standard.step: .* about \([0-9]*\) cycles a call$/\1/p'
}
few=$(cycles 5120) many=$(cycles 51200)
if ! [ "$((many * 10))" -gt "$((few * 95))" ] || ! [ "$many" -le "$((few * 10))" ]; then
  echo "FAILED: the plan says $few cycles for 5,120 samples and $many for 51,200"
  failed=1
fi
expect 0 "$triwave" emit examples/cubic.tw --as obj -o "$dir/cubic.o"
expect 2 "$triwave" emit examples/cubic.tw --as asm --cpu pentium
expect 2 "$triwave" emit examples/cubic.tw --as asm --vector-bits 512 --cpu x86-64-v3
says err "^triwave: --cpu x86-64-v3 has vectors of 256 bits at most"
expect 2 "$triwave" build examples/cubic.tw -o "$dir/net.o" --cpu x86-64-v3 --vector-bits 512
if [ "$(uname -m)" = x86_64 ]; then # code for other processors than this one
  expect 0 "$triwave" emit examples/cubic.tw -D depth=3 --as asm --cpu x86-64-v4
  says out "zmm31"
  expect 0 "$triwave" emit examples/cubic.tw -D depth=3 --as asm --cpu x86-64-v3
  says out "ymm15"
  grep -q zmm "$dir/out" && { echo "FAILED: code for x86-64-v3 has AVX-512"; failed=1; }
fi
[ -s "$dir/cubic.o" ] || { echo "FAILED: no object file"; failed=1; }
expect 0 "$triwave" regions examples/cubic.tw --stage pretrain
says out "^f: 3[23] regions"
says out "largest error against 'train': 0[.]0[0-9]* at"
expect 0 "$triwave" regions examples/cubic.tw --stage pretrain --format csv
says out "^model,lo,hi,slope,intercept,sliver,error,error_at"
says out "^f,0,[-0-9.e]*,[-0-9.e]*,[-0-9.e]*,[01],[-0-9.e]*,[-0-9.e]*$"
expect 0 "$triwave" regions examples/cubic.tw
says out "best fit of 32 pieces: 8.96e-09; error / best fit: [0-9.]*$"
expect 0 "$triwave" regions examples/cubic.tw --json --pieces 1
says out '"loss":	0.01285'
expect 0 "$triwave" run examples/cubic.tw --seeds 2 --json
says out '"over_best_fit": {"pieces": 32, "loss": 8.96'
says out '"retries": 0'
expect 0 "$triwave" run examples/cubic.tw --seeds 2
says out "best fit of 32 pieces: 8.96[0-9]e-09; best loss / best fit: min [0-9.]*, mean [0-9.]*$"
expect 0 "$triwave" run examples/cubic.tw --pieces 8
says out "best fit of 8 pieces: 2.3[67][0-9]e-06; best loss / best fit: [0-9.]*$"
expect 2 "$triwave" run examples/cubic.tw --pieces 0
# Of fewer than four rows a piece nothing is said; of two models the one that the loss is about is compared.
cat >"$dir/two.tw" <<'TW'
data d = grid(x in [0, 1], 9) -> x ^ 3
param a : real = 0.5
model other(x: real) -> real = max(a, x)
model f(x: real) -> real = a * max(x, 0.5)
loss = mse(f, d)
stage s { train a; lm; epochs 3 }
TW
expect 0 "$triwave" run "$dir/two.tw" --pieces 3
grep -q "best fit" "$dir/out" && { echo "FAILED: three pieces beside nine rows"; failed=1; }
expect 0 "$triwave" run "$dir/two.tw" --pieces 2
says out "best fit of 2 pieces"
expect 0 "$triwave" regions "$dir/two.tw" --pieces 2
says out "^other: 2 regions"
[ "$(grep -c "best fit" "$dir/out")" = 1 ] || { echo "FAILED: not one model is compared"; failed=1; }
expect 0 "$triwave" regions examples/cubic.tw --stage pretrain --format npy -o "$dir/pieces.npy"
expect 2 "$triwave" regions examples/cubic.tw --format xml
expect 1 "$triwave" regions examples/cubic.tw -o /nowhere/at/all
# chords of x^2, eight of them: each is off by (1/8)^2 / 4 in its middle
expect 0 "$triwave" regions examples/depth.tw --variant classic -D depth=3 --format csv
[ "$(grep -c ',0,0.00390625,' "$dir/out")" -eq 8 ] || { echo "FAILED: chords of x^2"; cat "$dir/out"; failed=1; }

cat >"$dir/deep.tw" <<'TW'
import nn
data d = grid(x in [0, 1], 5) -> x
weights net : nn.Mlp[1, 4, 1000, 1] ~ uniform(-0.5, 0.5)
model f(x: real) -> real = nn.forward(net, [x])[0]
loss = mse(f, d)
stage s { train net; sgd(); epochs 0 }
TW
expect 1 "$triwave" regions "$dir/deep.tw"
says err "the pieces of 'f' cannot be followed: it is too large for that"
# what a message quotes may be long; what is shown of it is not
{ printf 'data d = csv("'; head -c 200000 /dev/zero | tr '\0' x; printf '", t) -> h\n'; } >"$dir/long.tw"
expect 1 "$triwave" check "$dir/long.tw"
[ "$(wc -c <"$dir/err")" -lt 20000 ] || { echo "FAILED: a message of $(wc -c <"$dir/err") bytes"; failed=1; }

# pictures: in the terminal always; in files if gnuplot is there, and never half
expect 0 "$triwave" plot examples/cubic.tw --figure fit,loss,regions --seeds 3
says out "target and model"
says out "1e-0[678]"
expect 2 "$triwave" plot examples/cubic.tw --figure fits
says err "fit, layers, loss or regions"
expect 2 "$triwave" plot examples/cubic.tw -o picture.jpg
expect 1 "$triwave" plot examples/radial.tw --figure fit
says err "no picture 'fit'"
mkdir "$dir/run"
cat >"$dir/run/metrics.csv" <<'CSV'
variant,stage,epoch,seed,loss,regions,rate
full,pretrain,0,0,1,4,0
full,pretrain,10,0,0.1,4,0
full,standard,0,0,0.1,,0
full,standard,30,0,0.001,,0
skip,standard,0,0,1,4,0
CSV
expect 0 "$triwave" plot "$dir/run"
says out "40  epoch"
says out "0.001"
expect 0 "$triwave" plot "$dir/run/metrics.csv" --figure loss --variant full
printf 'epoch,loss\n0,nan\n1,nan\n' >"$dir/nan.csv"
expect 1 "$triwave" plot "$dir/nan.csv" --figure loss
says err "no picture 'loss': no epoch has a loss that is a number"
expect 1 "$triwave" plot "$dir/run" --variant other
says err "no line of this variant"
expect 1 "$triwave" plot "$dir/run" --figure fit
printf 'epoch,loss\n0,1\n1,low\n' >"$dir/bad.csv"
expect 1 "$triwave" plot "$dir/bad.csv"
says err "bad.csv:3: the loss is not a number"
printf 'epoch,cost\n0,1\n' >"$dir/bad.csv"
expect 1 "$triwave" plot "$dir/bad.csv"
says err "bad.csv:1: the first line must name"
expect 1 env PATH=/nowhere "$triwave" plot examples/cubic.tw -D depth=3 --figure loss -o "$dir/loss.svg"
says err "gnuplot is not installed"
[ ! -e "$dir/loss.svg" ] || { echo "FAILED: a picture without gnuplot"; failed=1; }
if command -v gnuplot >/dev/null; then
  expect 0 "$triwave" plot examples/cubic.tw -D depth=3 --seeds 2 -o "$dir/c.svg"
  for figure in fit layers loss regions; do
    grep -q "</svg>" "$dir/c-$figure.svg" || { echo "FAILED: c-$figure.svg is no picture"; failed=1; }
  done
  expect 0 "$triwave" plot examples/cubic.tw -D depth=3 --figure loss -o "$dir/loss.png"
  expect 1 "$triwave" plot examples/cubic.tw -D depth=3 --figure loss -o /nowhere/at/all.svg
else
  echo "gnuplot is not here: pictures in files are not tested"
fi

# what only a run can find
cat >"$dir/start.tw" <<'TW'
param b : real ~ uniform(1, 2)
param a : real in (0, 1) by clip(0.1) = b
loss = a ^ 2 + b ^ 2
stage s { train a, b; sgd(); epochs 1 }
TW
expect 1 "$triwave" run "$dir/start.tw"
says err "start.tw:2:41: error.E0802.: 'a' starts at 1"
cat >"$dir/nan.tw" <<'TW'
param a : real = 0.5
loss = log(a - 1)
stage s { train a; sgd(); epochs 1 }
TW
expect 1 "$triwave" run "$dir/nan.tw"
says err "nan.tw:2:8: error.E0801.: the loss is nan at epoch 0"
cat >"$dir/again.tw" <<'TW'
data d = grid(x in [0, 1], 10) -> x
param a : real in (0, 1) ~ uniform(0.1, 0.8)
param b : real in (0, 1) = 1.4 * a
model f(x: real) -> real = a * b * x
loss = mse(f, d)
stage s { train a, b; lm; epochs 3; retry 40 if loss > 1 }
TW
expect 1 "$triwave" run "$dir/again.tw" --seed 0
says err "'b' starts at 1.04.*, outside its domain (0, 1) (seed 0, retry [0-9]*)"
cat >"$dir/bounds.tw" <<'TW'
param a : real = 0.5
loss = a ^ 2
measure none = log(a - 3)
stage s { train a; sgd(); epochs 1 }
ensure a > 1 during s
expect loss < 0
TW
expect 1 "$triwave" run "$dir/bounds.tw"
says err "bounds.tw:5:1: error.E0712.: 'ensure a > 1 during s' fails at epoch 0"
says err "bounds.tw:6:1: error.E0713.: 'expect loss < 0' is not met"
says out "^measure none: nan$"

cat >"$dir/shape.tw" <<'TW'
data d = grid(x in [0, 1], 9) -> x
param a : real = 2
model f(x: real) -> real = a * x - 3 * relu(x - 0.5)
loss = mse(f, d)
stage s { train a; sgd(rate = 1e-3); epochs 0 }
ensure concave(f, [0, 1]) during s
ensure convex(f, [0, 1]) during s
ensure increasing(f, [0, 1])
ensure max(f, [0, 1]) < 0.75
expect min(f, [0, 1]) > 0.25
expect convex(f, [0, 1])
expect regions(f, [0, 1]) > 2
TW
expect 1 "$triwave" run "$dir/shape.tw"
says err "shape.tw:7:1: error.E0712.: .*fails at epoch 0 of stage 's': the slope goes from 2 to -1 at x = 0.5"
says err "shape.tw:8:1: error.E0712.: .*: the slope is -1 from x = 0.5 on"
says err "shape.tw:9:1: error.E0712.: .*: it is 1 at x = 0.5"
says err "shape.tw:10:1: error.E0713.: .*: it is 0 at x = 0"
says err "shape.tw:11:1: error.E0713.: .*: the slope goes from 2 to -1 at x = 0.5"
says err "shape.tw:12:1: error.E0713.: .*: there are 2"

# A start that is not finite, or at an open end, in f32; in f64 it is inside.
cat >"$dir/start.tw" <<'TW'
param a : real in (0, 1) = 0.99999999999
param b : real[2] = [1, 1e300]
param c : real = load("big.safetensors", "w")
weights w : real = load("big.safetensors")
loss = a ^ 2 + sum(b) + c + w
stage s { train a; sgd(rate = 1e-3); epochs 0 }
TW
{
  printf '\065\0\0\0\0\0\0\0{"w":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}'
  printf '\234\165\000\210\074\344\067\176' # 1e300
} >"$dir/big.safetensors"
expect 1 "$triwave" check "$dir/start.tw"
says err "start.tw:1:28: error.E0501.: 'a' starts at 0.99999999999, which is 1 in f32, an open bound of (0, 1)"
says err "start.tw:2:21: error.E0501.: 'b.1.' starts at 1e+300, which is too large for f32"
says err "start.tw:3:23: error.E0609.: element 0 of 'w' in big.safetensors is 1e+300, which is too large for f32"
says err "start.tw:4:25: error.E0609.: element 0 of 'w' in big.safetensors is 1e+300, which is too large for f32"
expect 0 "$triwave" check "$dir/start.tw" --precision f64

# A value reaches the end of its domain by rounding, as the reference says.
cat >"$dir/end.tw" <<'TW'
param low : real in (0, 1) = 0.5
param high : real in (0, 1) = 0.5
loss = low - high
stage s { train low, high; sgd(rate = 1000); epochs 1 }
measure least = low
measure most = high
expect least == 0
expect most == 1
TW
expect 0 "$triwave" run "$dir/end.tw"

# A count that is refused says why.
cat >"$dir/refused.tw" <<'TW'
param a : real = 1
model f(x: real) -> real = a * x / 0
loss = a ^ 2
stage s { train a; sgd(rate = 1e-3); epochs 1 }
ensure regions(f, [0, 1]) == 1 during s
ensure increasing(f, [0, 1])
expect regions(f, [0, 1]) == 1
expect convex(f, [0, 1])
TW
expect 1 "$triwave" run "$dir/refused.tw"
says err "refused.tw:5:1: error.E0712.: .*: the regions cannot be counted: a coefficient is not finite"
says err "refused.tw:6:1: error.E0712.: .*: the pieces cannot be found: a coefficient is not finite"
says err "refused.tw:7:1: error.E0713.: .*: the regions cannot be counted: a coefficient is not finite"
says err "refused.tw:8:1: error.E0713.: .*: the pieces cannot be found: a coefficient is not finite"

if [ -c /dev/full ]; then
  for c in "run examples/cubic.tw -D depth=2 --json" "emit examples/cubic.tw --as ir" "fmt examples/cubic.tw"; do
    # shellcheck disable=SC2086
    "$triwave" $c >/dev/full 2>"$dir/err"
    [ $? -eq 1 ] || { echo "FAILED: '$c' does not notice a full disk"; failed=1; }
    says err "cannot write"
  done
  expect 1 "$triwave" emit examples/cubic.tw --as ir -o /dev/full
fi

# fmt is idempotent and does not change the program
for f in examples/*.tw stdlib/*.tw; do
  expect 0 "$triwave" fmt "$f"
  cp "$dir/out" "$dir/once.tw"
  expect 0 "$triwave" fmt "$dir/once.tw"
  cmp -s "$dir/out" "$dir/once.tw" || { echo "FAILED: fmt is not idempotent on $f"; failed=1; }
done
cp examples/cubic.tw "$dir/w.tw"
expect 0 "$triwave" fmt -w "$dir/w.tw"
expect 0 "$triwave" check "$dir/w.tw"
mkdir "$dir/linked"
printf 'param   a:real=1\nloss=a^2\nstage s { train a; sgd(rate=0.1); epochs 1 }\n' >"$dir/linked/target.tw"
ln -s linked/target.tw "$dir/link.tw"
expect 0 "$triwave" fmt -w "$dir/link.tw"
[ -L "$dir/link.tw" ] && grep -q '^loss = a' "$dir/linked/target.tw" && [ "$(ls "$dir/linked")" = target.tw ] ||
  { echo "FAILED: fmt -w of a symbolic link"; failed=1; }
# A file that may not be written stays, whoever asks (root may write everything), and nothing is left beside it.
mkdir "$dir/only"
printf 'param   a:real=1\n' >"$dir/only/a.tw" && cp "$dir/only/a.tw" "$dir/only/b-fit.svg" && cp "$dir/only/a.tw" "$dir/before"
chmod a-w "$dir/only"/*
expect 1 "$triwave" fmt -w "$dir/only/a.tw"
says err "^triwave: cannot write '.*/only/a.tw': Permission denied$"
expect 1 "$triwave" emit examples/cubic.tw --as ast -o "$dir/only/a.tw"
command -v gnuplot >/dev/null && expect 1 "$triwave" plot examples/cubic.tw -o "$dir/only/b.svg"
cmp -s "$dir/only/a.tw" "$dir/before" && cmp -s "$dir/only/b-fit.svg" "$dir/before" && [ "$(ls "$dir/only" | wc -l)" -eq 2 ] ||
  { echo "FAILED: a file that may not be written was"; ls -l "$dir/only"; failed=1; }

# Diagnostics as JSON: an object a line, with the place and what would mend it.
printf 'const width = 3\nparam p : real = widht\n' >"$dir/json.tw"
expect 1 "$triwave" check --diagnostics json "$dir/json.tw"
"$triwave" check --diagnostics json "$dir/json.tw" 2>"$dir/json.txt"
for part in '^{"id":"E0201","severity":"error"' '"start":{"byte":33,"line":2,"column":18}' '"end":{"byte":38,"line":2,"column":23}' \
  '"replacement":{"text":"width",'; do
  grep -q "$part" "$dir/json.txt" || { echo "--diagnostics json: no $part in" >&2; cat "$dir/json.txt" >&2; failed=1; }
done
expect 2 "$triwave" check --diagnostics xml "$dir/json.tw"

[ $failed -eq 0 ] && echo "ok"
exit $failed
