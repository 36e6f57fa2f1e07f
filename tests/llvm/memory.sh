#!/bin/sh
# memory.sh TRIWAVE SOURCE_DIR: with so little memory that LLVM gets none, too: an end with a message and exit code 1, and
# no file.
set -u
triwave=$1 program=$2/examples/cubic.tw
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0 unloaded=0 short=0 done=0 kib=36000
while [ $done -lt 8 ] && [ $kib -lt 400000 ]; do
  mkdir out
  case $((kib / 2000 % 3)) in # 2000 is the step
    0) set -- run "$program" --no-cache --quiet ;;
    1) set -- build "$program" -o out/net.so ;;
    2) set -- emit "$program" --as asm -o out/net.s ;;
  esac
  (ulimit -v $kib && exec "$triwave" "$@" 2>err)
  code=$?
  grep -q '^triwave: out of memory' err && short=$((short + 1))
  grep -q '^error.E0803.: code generation failed' err && unloaded=1 # error[E0803]: it has no room for itself
  if [ $code -eq 0 ]; then done=$((done + 1)); fi
  # Where a thread's first use of thread-local data finds no memory, the C library itself ends the process.
  [ $code -eq 127 ] && grep -q '^cannot allocate memory for thread-local data' err && code=1
  if [ $code -gt 1 ] || { [ $code -eq 1 ] && [ ! -s err ]; } || { [ $code -eq 1 ] && [ "$(ls out)" ]; }; then
    echo "FAILED: exit $code with $kib KiB: $*"
    cat err
    ls -l out
    failed=1
  fi
  rm -rf out
  kib=$((kib + 2000))
done
cat >rows.tw <<'TW'
data d = grid(x in [0, 1], 268435456) -> x
param a : real = 1
loss = mse(fn(x) = a * x, d)
stage s { train a; sgd(); epochs 1 }
TW
(ulimit -v 2000000 && exec "$triwave" run rows.tw --quiet 2>err) && { echo "FAILED: so many rows have no room"; failed=1; }
grep -q "^error.E0805.: there is no memory for the 268435456 rows of data 'd'$" err || { cat err; failed=1; }
echo "$short without memory in the midst, $done done"
[ $unloaded -eq 1 ] && [ $short -gt 1 ] && [ $done -gt 1 ] && [ $failed -eq 0 ]
