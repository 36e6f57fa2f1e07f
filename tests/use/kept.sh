#!/bin/sh
# kept.sh TRIWAVE SOURCE_DIR: what a run has kept is used without training again: values, slopes, regions, pictures and
# exports of RUN are the bytes of those that come from training the same program.
set -eu
triwave=$1 source=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cubic=$source/examples/cubic.tw
few="-D depth=4"
sed 's/epochs 1000/epochs 60/' "$cubic" >"$dir/cubic.tw"
awk 'BEGIN { print "x"; for (i = 0; i <= 2000; i++) printf "%.9g\n", i / 2000 }' >"$dir/x.csv"
cp "$dir/cubic.tw" "$dir/p.tw"
"$triwave" run "$dir/p.tw" $few --seed 3 --out "$dir/one" --quiet
"$triwave" run "$dir/p.tw" $few --seeds 4 --out "$dir/four" --quiet
"$triwave" run "$dir/p.tw" --sweep depth=3,4 --variant full,skip --out "$dir/swept" --quiet
echo "this is no program any more" >"$dir/p.tw" # the run has its own copy

same() { cmp "$1" "$2" || { echo "FAILED: $3"; exit 1; }; echo "$3: the same bytes"; }
# both NAME RUN "OPTIONS OF FILE" VERB OPTIONS…: RUN and the program that was run, trained here.
both() {
  name=$1 run=$2 options=$3
  shift 3
  verb=$1
  shift
  "$triwave" "$verb" "$run" "$@" >"$dir/got" 2>/dev/null
  "$triwave" "$verb" "$dir/cubic.tw" $options "$@" >"$dir/want" 2>/dev/null
  [ -s "$dir/got" ]
  same "$dir/want" "$dir/got" "$name"
}
both "eval" "$dir/one" "$few --seed 3" eval --data "$dir/x.csv" --derivative
both "eval --stage pretrain" "$dir/one" "$few --seed 3" eval --data "$dir/x.csv" --stage pretrain
both "eval --seed 2" "$dir/four" "$few" eval --data "$dir/x.csv" --seed 2
both "eval of a job" "$dir/swept/003-skip,depth=4" "-D depth=4 --variant skip" eval --data "$dir/x.csv"
both "regions" "$dir/one" "$few --seed 3" regions
both "regions --stage pretrain" "$dir/four" "$few" regions --stage pretrain --seed 1 --format csv
both "regions --stage standard" "$dir/four" "$few" regions --stage standard --seed 2
both "plot" "$dir/one" "$few --seed 3" plot --figure fit,layers
for form in c safetensors; do
  "$triwave" export "$dir/one" --to $form -o "$dir/net.$form"
  mv "$dir/net.$form" "$dir/got"
  "$triwave" export "$dir/cubic.tw" $few --seed 3 --to $form -o "$dir/net.$form"
  tail -c 300 "$dir/got" >"$dir/got.end" # reals, behind texts of which one is the path
  tail -c 300 "$dir/net.$form" >"$dir/want.end"
  same "$dir/want.end" "$dir/got.end" "export --to $form"
done
"$triwave" plot "$dir/four" >"$dir/out"
grep -q "target and model" "$dir/out"
grep -q "epoch" "$dir/out"

# Params by way of a coordinate: what is kept is the coordinate too, so that pieces are the same to the last byte.
cat >"$dir/bounded.tw" <<'TW'
data train = grid(x in [0, 1], 50) -> x ^ 2
param q : real in (0, 3) = 0.31
param e : real in (0, inf) = 0.7
param s : real[3] in simplex = [0.2, 0.5, 0.3]
param o : real[2] in ordered(0, 1) = [0.3, 0.6]
model f(x: real) -> real = q * x + s[0] * relu(x - o[0]) + e * s[1] * relu(x - o[1])
loss = mse(f, train)
stage first { train q, e, s, o; adam(rate = 1e-2); epochs 37 }
stage second { train q, s; adam(rate = 1e-2); epochs 23; keep best }
TW
for precision in f32 f64; do
  "$triwave" run "$dir/bounded.tw" --precision $precision --out "$dir/bounded-$precision" --quiet
  for stage in first second; do
    "$triwave" regions "$dir/bounded-$precision" --stage $stage >"$dir/got"
    "$triwave" regions "$dir/bounded.tw" --precision $precision --stage $stage >"$dir/want"
    same "$dir/want" "$dir/got" "regions of bounded params in $precision after $stage"
  done
  "$triwave" plot "$dir/bounded-$precision" --figure layers >"$dir/got"
  "$triwave" plot "$dir/bounded.tw" --precision $precision --figure layers >"$dir/want"
  same "$dir/want" "$dir/got" "plot of bounded params in $precision"
  "$triwave" regions "$dir/bounded-$precision" --stage second.best >"$dir/got" # which is what `keep best` hands on
  "$triwave" regions "$dir/bounded-$precision" >"$dir/want"
  same "$dir/want" "$dir/got" "regions of the best epoch in $precision"
done

# Without --seed: the one with the lowest loss, and which one that is.
best=$(grep -o '{"seed": [0-9]*, "status": "ok", "loss": [-+0-9.e]*' "$dir/four/summary.json" | sed 's/[^0-9]*\([0-9]*\).*: /\1 /' | sort -g -k2 | head -1)
best=${best%% *}
"$triwave" eval "$dir/four" --data "$dir/x.csv" >"$dir/got" 2>"$dir/err"
grep -q "seed $best, the best of 4" "$dir/err"
"$triwave" eval "$dir/four" --seed "$best" --data "$dir/x.csv" >"$dir/want" 2>"$dir/err"
[ ! -s "$dir/err" ]
same "$dir/want" "$dir/got" "the best seed ($best)"
"$triwave" eval "$dir/four" --seed 1 --stage standard.best --data "$dir/x.csv" >"$dir/got"
[ "$(wc -l <"$dir/got")" -eq 2002 ]

# A folder that was moved and sent is as good.
mv "$dir/one" "$dir/moved"
"$triwave" eval "$dir/moved/" --data "$dir/x.csv" >"$dir/got"
"$triwave" eval "$dir/cubic.tw" $few --seed 3 --data "$dir/x.csv" >"$dir/want"
same "$dir/want" "$dir/got" "a run that was moved"

# What cannot be is said.
refused() {
  want=$1
  shift
  code=0
  "$@" >"$dir/out" 2>"$dir/err" || code=$?
  [ $code -eq 1 ] && grep -q "$want" "$dir/err" || { echo "FAILED: exit $code, and not '$want': $*"; cat "$dir/err"; exit 1; }
}
refused "has no seed 4" "$triwave" eval "$dir/four" --seed 4 --data "$dir/x.csv"
refused "no stage 'later'" "$triwave" eval "$dir/four" --seed 0 --stage later --data "$dir/x.csv"
refused "best epoch of its last stage" "$triwave" eval "$dir/four" --seed 0 --stage pretrain.best --data "$dir/x.csv"
refused "several nets" "$triwave" eval "$dir/swept" --data "$dir/x.csv"
refused "several nets" "$triwave" eval "$dir/swept" --variant skip --data "$dir/x.csv"
refused "no variant 'free'" "$triwave" eval "$dir/four" --variant free --data "$dir/x.csv"
refused "is of variant 'full', not 'skip'" "$triwave" eval "$dir/swept/000-full,depth=3" --variant skip --data "$dir/x.csv"
refused "several nets: name a folder" "$triwave" plot "$dir/swept" --figure loss
refused "is in f64" "$triwave" regions "$dir/bounded-f64" --precision f32
"$triwave" plot "$dir/moved/metrics.csv" >"$dir/out"
grep -q "epoch" "$dir/out"
"$triwave" plot "$dir/swept/003-skip,depth=4" --figure loss >"$dir/out"
grep -q "epoch" "$dir/out"
refused "cannot be given anew" "$triwave" regions "$dir/four" -D depth=3
refused "is in f32" "$triwave" regions "$dir/four" --precision f64
rm "$dir/four/summary.json"
refused "its best seed is not known" "$triwave" eval "$dir/four" --data "$dir/x.csv"
rm "$dir/four/weights/standard.seed2.safetensors"
refused "seed 2 has not ended stage 'standard'" "$triwave" eval "$dir/four" --seed 2 --data "$dir/x.csv"
printf 'x' | dd of="$dir/four/weights/standard.seed1.safetensors" bs=1 seek=12 conv=notrunc 2>/dev/null
refused "standard.seed1.safetensors" "$triwave" eval "$dir/four" --seed 1 --data "$dir/x.csv"
echo 1 >>"$dir/moved/program/p.tw"
refused "has been changed" "$triwave" eval "$dir/moved" --data "$dir/x.csv"
echo "{}" >"$dir/moved/run.json"
refused "is damaged" "$triwave" eval "$dir/moved" --data "$dir/x.csv"
