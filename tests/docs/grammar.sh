#!/bin/sh
# grammar.sh: the grammar that lang/REFERENCE.md prints is the one that lang/grammar.y accepts.
#
#   grammar.sh LEMON ROOT            compares; exits 1 with the difference
#   grammar.sh LEMON ROOT --update   puts the present grammar into the page
set -eu
lemon=$1 root=$2 update=${3:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$lemon" -g "$root/lang/grammar.y" >"$work/rules"
awk -f "$root/tests/docs/grammar.awk" "$root/lang/tokens.def" "$work/rules" >"$work/now"
page=$root/lang/REFERENCE.md
awk '/^```ebnf$/ { on = 1; next } /^```$/ { on = 0 } on' "$page" >"$work/told"
if cmp -s "$work/now" "$work/told"; then exit 0; fi
if [ "$update" = --update ]; then
  awk -v now="$work/now" '
    /^```ebnf$/ { print; while ((getline line < now) > 0) print line; on = 1; next }
    /^```$/ { on = 0 }
    !on' "$page" >"$work/page"
  cp "$work/page" "$page"
  exit 0
fi
diff "$work/told" "$work/now" || true
echo "lang/REFERENCE.md: the grammar is not that of lang/grammar.y; run tests/docs/grammar.sh lemon . --update" >&2
exit 1
