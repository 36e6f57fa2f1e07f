#!/bin/sh
# build.sh TRIWAVE SOURCE_DIR RUNTIME CC ROWS: programs compiled ahead of time, as object, archive and shared object,
# predict what `triwave eval` predicts, to the last byte.
set -eu
triwave=$1 source=$2 runtime=$3 cc=$4 rows=$5
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/include" && cp "$source/include/triwave.h" "$dir/include"
awk -v n="$rows" 'BEGIN { print "x"; for (i = 0; i < n; i++) printf "%.9g\n", (i * 7919 % n) / n * 1.25 - 0.125 }' >"$dir/x.csv"
libs="-lsleef -lcjson -lgmp -lmd -lm -lpthread"
forms="libnet.so libnet.a net.o"
[ -z "${SANITIZE:-}" ] || forms="libnet.a net.o" # a sanitized runtime is no part of a shared object
# Second order in rounds, the last of which ends before its epochs do; no weights that follow from params.
cat >"$dir/rounds.tw" <<'TW'
import nn
import init
data train = grid(x in [0, 1], 40) -> x ^ 3
weights net : nn.Mlp[1, 3, 2, 1] ~ init.kaiming
model f(x: real) -> real = nn.forward(net, [x])[0]
loss = mse(f, train)
stage first { train net; adam(rate = 1e-2); epochs 60; keep best }
stage second { train net; lm(); epochs 500; rounds 3; kick 0.01 }
TW
cp "$source/examples/cubic.tw" "$source/examples/sine.tw" "$dir"
for program in cubic sine rounds; do
  for precision in f32 f64; do
    "$triwave" eval "$dir/$program.tw" --precision $precision --data "$dir/x.csv" -o "$dir/eval.csv"
    for form in $forms; do
      "$triwave" build "$dir/$program.tw" --precision $precision -o "$dir/$form"
      "$cc" -I"$dir/include" -I"$source" -std=gnu11 -Wall -Wextra -Werror ${SANITIZE:-} -include "$dir/net.h" "$source/tests/use/agree.c" \
        "$dir/$form" "$runtime" $libs -Wl,-rpath,"$dir" -o "$dir/agree"
      files=$([ $form != libnet.a ] || echo files)
      "$dir/agree" "$dir/x.csv" "$dir/out.csv" $files
      cmp "$dir/eval.csv" "$dir/out.csv"
      echo "$program $precision $form: $rows predictions are the same bytes"
    done
  done
done
# Only what triwave.h declares can be seen of a shared object; nothing is left beside it.
seen=' (net_program|tw_net_[a-z0-9_]+|tw_program_[a-z0-9_]+|tw_text_free|tw_version)(@|$)'
if [ -e "$dir/libnet.so" ] && nm -D --defined-only "$dir/libnet.so" | grep -v -E "$seen"; then exit 1; fi
ls "$dir" | grep part && exit 1
# What cannot be is said.
! CC=/nonexistent/cc "$triwave" build "$source/examples/cubic.tw" -o "$dir/bad.so" 2>"$dir/err"
grep -q "a C compiler is needed" "$dir/err"
! "$triwave" build "$source/examples/cubic.tw" -o "$dir/none/net.o" 2>"$dir/err"
[ ! -e "$dir/bad.so" ]
