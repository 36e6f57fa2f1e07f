#!/bin/sh
# format.sh SOURCE_DIR [-i]: every C file is laid out as .clang-format says, in 120 columns; -i: lays them out so.
# Of version 14 alone, since versions differ in what the same settings mean.
set -eu
cd "$1"
tool=clang-format-14
files=$(find api bench cli compiler examples include paper plot runtime tests -name '*.[ch]' | sort)
if [ "${2:-}" = -i ]; then exec $tool -i $files; fi
$tool --dry-run -Werror $files || { echo "FAILED: ./dev format lays them out"; exit 1; }
# Comments are left as they are, however long.
awk -v utf8='[\200-\277]' '{ line = $0; gsub(utf8, "", line); if (length(line) > 120) { print FILENAME ":" FNR ": over 120 columns"; bad = 1 } }
  END { exit bad }' $files
