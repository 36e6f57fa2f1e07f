#!/bin/sh
# stored.sh TRIWAVE SOURCE_DIR: params and weights go to safetensors and come back: the same file, the same predictions;
# a file that has changed is read again, whatever code was kept; an independent reader finds names and shapes.
set -eu
triwave=$1 source=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
printf 'x\n0\n0.25\n0.5\n0.9\n' >"$dir/x.csv"
cat >"$dir/again.tw" <<'END'
import triwave
import nn
data train = grid(x in [0, 1], 500) -> x ^ 3
param peak  : real[6] in (0, 1) by clip(0.02) = load("w.safetensors")
param scale : real in (0, inf) by clip(1e-6) = load("w.safetensors")
weights net : nn.Mlp[1, 4, 5, 1] = load("w.safetensors")
model f(x: real) -> real = triwave.forward(net, x) + 0 * (sum(peak) + scale)
loss = mse(f, train)
stage rest { train net; adam(rate = 1e-3); epochs 0 }
variant drawn { weights net ~ nn_like }
variant other { weights net ~ load("w.safetensors", "net") }
fn nn_like() -> real = uniform(-1, 1)
END
for precision in f32 f64; do
  for seed in $([ $precision = f32 ] && echo 0 || echo 1); do
    "$triwave" export "$source/examples/cubic.tw" --precision $precision --seed $seed --to safetensors -o "$dir/w.safetensors"
    "$triwave" eval "$source/examples/cubic.tw" --precision $precision --seed $seed --data "$dir/x.csv" -o "$dir/want.csv"
    for variant in full other; do
      "$triwave" eval "$dir/again.tw" --precision $precision --variant $variant --data "$dir/x.csv" -o "$dir/got.csv" 2>/dev/null
      cmp "$dir/want.csv" "$dir/got.csv"
    done
    "$triwave" eval "$dir/again.tw" --precision $precision --variant drawn --data "$dir/x.csv" -o "$dir/got.csv" 2>/dev/null
    ! cmp -s "$dir/want.csv" "$dir/got.csv"
    "$triwave" export "$dir/again.tw" --precision $precision --to safetensors -o "$dir/back.safetensors" 2>/dev/null
    size=$(wc -c <"$dir/w.safetensors")
    reals=$([ $precision = f32 ] && echo 400 || echo 800)
    tail -c $reals "$dir/w.safetensors" >"$dir/want.bin"
    tail -c $reals "$dir/back.safetensors" >"$dir/got.bin"
    cmp "$dir/want.bin" "$dir/got.bin"
    [ "$size" -gt "$reals" ]
  done
  echo "$precision: what was stored came back, 100 reals to the bit"
done
header() { head -c 3000 "$1" | tr -d '\000-\037' | grep -a -o "\"$2\":{\"dtype\":\"[A-Z0-9]*\",\"shape\":\[[0-9,]*\]"; }
[ "$(header "$dir/w.safetensors" net.hidden.3.weight)" = '"net.hidden.3.weight":{"dtype":"F64","shape":[4,4]' ]
[ "$(header "$dir/w.safetensors" net.first.weight)" = '"net.first.weight":{"dtype":"F64","shape":[4,1]' ]
[ "$(header "$dir/w.safetensors" net.out.bias)" = '"net.out.bias":{"dtype":"F64","shape":[1]' ]
[ "$(header "$dir/w.safetensors" scale)" = '"scale":{"dtype":"F64","shape":[]' ]
# An optimizer goes on from what was loaded: the loss of epoch 0 is the one that training ended with, and falls.
sed 's/epochs 0/epochs 50/' "$dir/again.tw" >"$dir/on.tw"
"$triwave" run "$dir/on.tw" --json 2>/dev/null | grep -q '"status": "ok"'
# A program without a model, and a run of it, have params as well.
cat >"$dir/bare.tw" <<'END'
param a : real = 1
loss = (a - 3) ^ 2
stage s { train a; sgd(rate = 0.5); epochs 3 }
END
"$triwave" export "$dir/bare.tw" --to safetensors -o "$dir/bare.safetensors"
[ "$(header "$dir/bare.safetensors" a)" = '"a":{"dtype":"F32","shape":[]' ]
tail -c 4 "$dir/bare.safetensors" | od -An -tx1 | grep -q '00 00 40 40' # 3
"$triwave" run "$dir/bare.tw" --out "$dir/bare" --quiet
"$triwave" export "$dir/bare" --to safetensors -o "$dir/kept.safetensors"
tail -c 4 "$dir/kept.safetensors" | od -An -tx1 | grep -q '00 00 40 40'
for form in "safetensors --model f" c onnx; do
  code=0
  "$triwave" export "$dir/bare.tw" --to $form -o "$dir/no.${form%% *}" 2>"$dir/err" || code=$?
  [ $code -eq 1 ] && grep -q "the program has no model" "$dir/err"
done
# What cannot be written is said, and leaves nothing.
! "$triwave" export "$source/examples/cubic.tw" --to safetensors -o "$dir/none/w.safetensors" 2>"$dir/err"
grep -q "cannot write" "$dir/err"
code=0
"$triwave" export "$source/examples/cubic.tw" --to safetensors -o "$dir/w.c" 2>"$dir/err" || code=$?
[ $code -eq 2 ]
ls "$dir" | grep part && exit 1
exit 0
