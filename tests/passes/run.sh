#!/bin/sh
# run.sh TOOL FILECHECK FILE: every line `# RUN: PASSES [PREFIX]` of FILE applies the passes to FILE and has
# FileCheck compare what comes out with the lines `# CHECK: …` (`# PREFIX: …`). A file without such a line
# fails.
set -eu
tool=$1 filecheck=$2 file=$3
out=$(mktemp)
trap 'rm -f "$out"' EXIT
runs=$(sed -n 's/^# RUN: //p' "$file")
[ -n "$runs" ] || { echo "$file: no '# RUN:' line" >&2; exit 1; }
echo "$runs" | while read -r passes prefix; do
  "$tool" "$passes" "$file" >"$out" 2>&1 || { cat "$out" >&2; exit 1; }
  "$filecheck" "$file" --check-prefix="${prefix:-CHECK}" --input-file="$out" --dump-input=fail || exit 1
done
