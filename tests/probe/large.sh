#!/bin/sh
# large.sh TRIWAVE: of a long program the wrong rule is found, too, with memory that grows as the program does: tables as
# long as the program for each of its instructions would take 900 MB here.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
{
  echo 'custom fn h(x: real) -> real = if x > 150 then x ^ 2 else x'
  echo '  derivative x = if x > 150 then 3 * x else 1'
  echo 'custom fn soft(x: real) -> real = max(x, 0) + log1p(exp(-abs(x)))'
  echo '  derivative x = logistic(x)'
  echo 'param a : real = 0.7'
  echo 'fn g(x: real) -> real {'
  echo '  let y0 = x'
  k=1
  while [ $k -le 2000 ]; do
    [ $((k % 2)) -eq 0 ] && echo "  let y$k = soft(y$((k - 1))) - 0.5" || echo "  let y$k = sin(y$((k - 1)) + $k.0) * 0.9"
    k=$((k + 1))
  done
  echo '  y2000'
  echo '}'
  echo 'loss = g(a) + h(200 + a)'
  echo 'stage s { train a; sgd(); epochs 1 }'
} >"$dir/large.tw"
ulimit -v 500000
"$1" gradcheck "$dir/large.tw" --quiet 2>"$dir/err"
code=$?
[ $code -eq 1 ] && grep -q "the derivative of 'h' by 'x' (x = 200.7" "$dir/err" && exit 0
echo "FAILED: exit $code"
cat "$dir/err"
exit 1
