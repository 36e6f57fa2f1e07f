#!/bin/sh
# small.sh PAPER TRIWAVE SOURCE_DIR [all]: the page of ./dev paper is made from few epochs of two seeds: whole and with pictures,
# or a few of its parts, which is an eighth of the work.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
all=${4:-}
pictures=--no-pictures
[ -n "$all" ] && command -v gnuplot >/dev/null && pictures=
[ -n "$all" ] || pictures="$pictures --only sparse,precision,"
"$1" "$2" "$3" "$dir/a" --seeds 2 --epochs 10 $pictures 2>"$dir/log" || { cat "$dir/log"; exit 1; }
page=$dir/a/paper.md
failed=0
check() {
  eval "$2" || { echo "FAILED: $1"; failed=1; }
}
check "every part is computed" "! grep -q '^@' $page"
check "no figure is missing or not a number" "! grep -qiE 'nan|inf\b' $page"
if [ -z "$all" ]; then
  check "five ways, four functions, a grid and a detailed table" "[ \$(grep -c '| full |' $page) -eq 5 ]"
  exit $failed
fi
check "five ways, four functions, twice two grids and two detailed tables" "[ \$(grep -c '| full |' $page) -eq 13 ]"
check "depths 2 to 12" "grep -q '^| 12 |.*| 4096 |\$' $page"
check "2^5 regions at the start" "grep -q '^| sin x | full |.*| 32 | 32 |' $page"
check "classic at depth 2 has the error of theory" "grep -q '^| 2 |.*| 1.3e-04 | 1.3e-04 | 4 |\$' $page"
if [ -z "$pictures" ]; then
  for f in $(sed -n 's/^!\[.*](\(.*\))$/\1/p' "$page"); do
    check "picture $f" "grep -q '</svg>' $dir/a/$f"
  done
else
  echo "gnuplot is not here: pictures are not tested"
fi
exit $failed
