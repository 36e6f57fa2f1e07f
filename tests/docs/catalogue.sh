#!/bin/sh
# catalogue.sh: the table of diagnostics in lang/REFERENCE.md is that of lang/diagnostics.def, and every
# diagnostic of it has a test.
#
#   catalogue.sh ROOT            compares; exits 1 with the difference, or the ids without a test
#   catalogue.sh ROOT --update   puts the present table into the page
set -eu
root=$1 update=${2:-}
page=$root/lang/REFERENCE.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A test names an id as a diagnostic is printed, error[E0203], or after a place, 1:12 E0101; or it is a snippet
# of a page, `tw … error E0203`, which tests/docs runs.
{
  grep -rhoE --exclude=catalogue.sh '((error|warning)[^A-Za-z0-9]|says err "|[0-9]+:[0-9]+ )[EW][0-9]{4}' "$root/tests"
  grep -hE '^```tw .*error E' "$root/README.md" "$root"/lang/*.md "$root"/docs/*.md
} | grep -oE '[EW][0-9]{4}' | sort -u >"$work/tested"
sed -n 's/^TW_DIAG(\([EW][0-9]*\),.*/\1/p' "$root/lang/diagnostics.def" | sort >"$work/ids"
untested=$(comm -23 "$work/ids" "$work/tested")
if [ -n "$untested" ]; then
  # shellcheck disable=SC2086
  echo "no test expects:" $untested >&2
  exit 1
fi

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
