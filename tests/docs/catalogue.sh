#!/bin/sh
# catalogue.sh: the table of diagnostics in lang/REFERENCE.md is that of lang/diagnostics.def.
#
#   catalogue.sh ROOT            compares; exits 1 with the difference
#   catalogue.sh ROOT --update   puts the present table into the page
set -eu
root=$1 update=${2:-}
page=$root/lang/REFERENCE.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed -n 's/^TW_DIAG(\([EW][0-9]*\), [a-z]*, "\(.*\)")$/| \1 | \2 |/p' "$root/lang/diagnostics.def" >"$work/now"
grep '^| [EW][0-9][0-9]* | ' "$page" >"$work/told" || true
if cmp -s "$work/now" "$work/told"; then exit 0; fi
if [ "$update" = --update ]; then
  awk -v now="$work/now" '
    /^\| [EW][0-9]+ \| / { if (!done) while ((getline line < now) > 0) print line; done = 1; next }
    { print }' "$page" >"$work/page"
  cp "$work/page" "$page"
  exit 0
fi
diff "$work/told" "$work/now" || true
echo "lang/REFERENCE.md: the table of diagnostics is not that of lang/diagnostics.def;" \
     "run tests/docs/catalogue.sh . --update" >&2
exit 1
