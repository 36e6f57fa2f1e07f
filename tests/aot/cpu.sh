#!/bin/sh
# cpu.sh TRIWAVE SOURCE_DIR RUNTIME CC: code for x86-64-v4 trains to the same bits as that for v3 where the CPU has
# AVX-512, and ends with the reason where it has not; and so what `build` makes for this very CPU, elsewhere.
set -eu
triwave=$1 source=$2 runtime=$3 cc=$4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAILED: $*"; exit 1; }
link() { # OUT SOURCE OBJECT
  "$cc" -std=gnu11 -Wall -Wextra -Werror -I"$source" ${SANITIZE:-} -o "$dir/$1" "$source/tests/aot/$2" "$dir/$3" "$runtime" -lsleef \
    -lcjson -lgmp -lmd -lm -lpthread
}

"$triwave" build "$source/examples/cubic.tw" -D depth=2 -o "$dir/net.o"
link elsewhere elsewhere.c net.o
"$dir/elsewhere" || fail "what build makes"
[ "$(uname -m)" = x86_64 ] || exit 0
for level in v3 v4; do
  "$triwave" emit "$source/examples/cubic.tw" -D depth=2 --as obj --cpu x86-64-$level -o "$dir/$level.o"
  link $level main.c $level.o
done
missing=
for f in avx512f avx512bw avx512cd avx512dq avx512vl; do
  grep -q -w $f /proc/cpuinfo || missing="$missing $f"
done
code=0
"$dir/v4" >"$dir/v4.json" 2>"$dir/err" || code=$?
if [ -z "$missing" ]; then
  [ $code = 0 ] || fail "code for x86-64-v4 exits with $code: $(cat "$dir/err")"
  "$dir/v3" >"$dir/v3.json"
  for level in v3 v4; do sed 's/"seconds": *[-+.0-9e]*//g' "$dir/$level.json" | tr -d '{}' >"$dir/$level"; done
  cmp "$dir/v3" "$dir/v4" || fail "other bits"
else
  [ $code = 1 ] || fail "code for x86-64-v4 exits with $code where$missing are not"
  grep -q "compiled for any CPU of x86-64-v4, and this CPU lacks .*${missing##* }" "$dir/err" || fail "it says: $(cat "$dir/err")"
fi
