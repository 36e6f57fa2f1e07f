#!/bin/sh
# snippets.sh: every snippet of a Markdown page does what the page says.
#
#   snippets.sh TRIWAVE ROOT PAGE            checks; exits 1 at a snippet that does not
#   snippets.sh TRIWAVE ROOT PAGE --update   writes what the commands print into the page
#
# The word after the three backquotes says what is done, in one scratch folder a page, where `triwave`
# and ./dev are commands and examples/ is a copy:
#
#   tw                a whole program: runs, and says nothing with --quiet
#   tw file NAME      the same, kept as NAME for what comes later
#   tw check          is checked only
#   tw fragment       declarations: put into prelude.tw as a variant, and run
#   tw values         lines `expression // value` and declarations: each expression has that value
#   tw … error ID…    (after tw, tw check or tw fragment) has exactly these errors
#   file NAME         any text, kept as NAME
#   sh                commands, run; `sh exit N` if they end with N
#   output            what the snippet before printed. Blanks count as one, seconds are left out; a last
#                     line `…` stands for the rest.
#
# Other fences are not looked at.
set -u
triwave=$1 root=$(cd "$2" && pwd) page=$3 update=${4:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0 count=0 line_no=0 opened=0

mkdir "$work/bin" "$work/box"
ln -s "$(cd "$(dirname "$triwave")" && pwd)/$(basename "$triwave")" "$work/bin/triwave"
cp -r "$root/examples" "$work/box/examples"
cat >"$work/box/dev" <<'DEV'
#!/bin/sh
case $1 in
  run) shift; exec triwave run "$@" ;;
  triwave) shift; exec triwave "$@" ;;
  *) exit 0 ;;
esac
DEV
chmod +x "$work/box/dev"
PATH=$work/bin:$PATH
cd "$work/box" || exit 1

fail() {
  bad=$((bad + 1))
  echo "$page:$opened: $1" >&2
  [ -z "${2:-}" ] || sed 's/^/    /' "$2" >&2
}

ids_in() { sed -n 's/.*error\[\(E[0-9]*\)\].*/\1/p' "$1" | sort | tr '\n' ' '; }
sorted() { echo "$1" | tr ' ' '\n' | sed '/^$/d' | sort | tr '\n' ' '; }

# run_tw FILE IDS [options]: runs it; with IDS, it must fail with those.
run_tw() {
  file=$1 ids=$2
  shift 2
  triwave run --quiet "$file" "$@" >"$work/actual" 2>&1
  rc=$?
  if [ -z "$ids" ]; then
    [ $rc -eq 0 ] || fail "the program fails" "$work/actual"
    [ $rc -ne 0 ] || [ "$file" = fragment.tw ] || [ ! -s "$work/actual" ] || fail "the program says something" "$work/actual"
  else
    [ $rc -eq 1 ] || fail "the program ends with $rc, not 1" "$work/actual"
    [ "$(ids_in "$work/actual")" = "$(sorted "$ids")" ] || fail "the errors are not '$ids'" "$work/actual"
  fi
}

# What a line `expression // value` becomes; other lines stay.
values_of() {
  awk '
    / \/\/ / && !/^ *(const|fn|type|param|data|model|weights|import|let|for) / && !/^ / {
      at = match($0, / +\/\/ /)
      print "measure value" ++n " = " substr($0, 1, at - 1)
      print substr($0, at + RLENGTH) > wanted
      next
    }
    { print }' wanted="$2" "$1"
}

run_values() {
  {
    values_of "$work/body" "$work/wanted"
    cat <<'TW'
param only_for_values : real = 1
loss = only_for_values ^ 2
stage values { train only_for_values; sgd(rate = 0); epochs 1 }
TW
  } >values.tw
  if ! triwave run values.tw >"$work/actual" 2>&1; then
    fail "the values cannot be computed" "$work/actual"
    return
  fi
  sed -n 's/^measure value[0-9]*: //p' "$work/actual" >"$work/got"
  diff "$work/wanted" "$work/got" >"$work/difference" || fail "the values differ (page, then program)" "$work/difference"
}

# A fragment is not whole: a warning about the rest is no mistake.
run_fragment() {
  {
    cat "$root/tests/docs/prelude.tw"
    echo "variant fragment {"
    cat "$work/body"
    echo "}"
  } >fragment.tw
  run_tw fragment.tw "$1" --variant fragment
}

tw_snippet() {
  kind=$1
  shift
  ids="" name="snippet.tw"
  case $kind in file) name=$1; shift ;; esac
  case ${1:-} in error) shift; ids=$* ;; esac
  count=$((count + 1))
  case $kind in
    values) run_values ;;
    fragment) run_fragment "$ids" ;;
    check)
      cp "$work/body" "$name"
      triwave check "$name" >"$work/actual" 2>&1
      [ $? -eq 0 ] || [ -n "$ids" ] || fail "the check fails" "$work/actual"
      [ "$(ids_in "$work/actual")" = "$(sorted "$ids")" ] || fail "the errors are not '$ids'" "$work/actual"
      ;;
    whole | file)
      cp "$work/body" "$name"
      run_tw "$name" "$ids"
      ;;
  esac
}

sh_snippet() {
  count=$((count + 1))
  sh -e "$work/body" >"$work/actual" 2>&1 </dev/null
  rc=$?
  [ "$rc" = "$1" ] || fail "the commands end with $rc" "$work/actual"
}

close_fence() {
  set -- $info
  case ${1:-} in
    tw)
      shift
      case ${1:-} in
        values | fragment | check | file) tw_snippet "$@" ;;
        error) shift; tw_snippet whole error "$@" ;;
        "") tw_snippet whole ;;
        *) fail "there is no snippet 'tw $1'" ;;
      esac
      ;;
    sh) sh_snippet "${3:-0}" ;;
    file) cp "$work/body" "$2" ;;
  esac
}

# ---- outputs
plain() {
  # Seconds, the last column of a table whose head says so, are another each time.
  sed -e 's/[ \t][ \t]*/ /g' -e 's/ $//' "$1" |
    awk '/ seconds$/ { table = 1 } !/ seconds$/ && table && / [0-9.]+$/ { sub(/ [0-9.]+$/, " S") } /^$/ { table = 0; next } { print }'
}

compare_output() {
  cp "$work/actual" "$work/now"
  if [ "$(tail -n 1 "$work/body")" = "…" ]; then
    n=$(($(wc -l <"$work/body") - 1))
    { head -n "$n" "$work/actual"; echo "…"; } >"$work/now"
  fi
  plain "$work/body" >"$work/told"
  plain "$work/now" >"$work/seen"
  if [ "$update" = --update ]; then
    if cmp -s "$work/told" "$work/seen"; then cat "$work/body"; else sed 's/[ \t]*$//' "$work/now"; fi >>"$work/page"
    return
  fi
  diff "$work/told" "$work/seen" >"$work/difference" || fail "the output differs (page, then command)" "$work/difference"
}

# ---- the page
case $page in /*) ;; *) page=$root/$page ;; esac
inside=0
: >"$work/page"
while IFS= read -r line || [ -n "$line" ]; do
  line_no=$((line_no + 1))
  case $line in
    '```'*)
      if [ $inside -eq 0 ]; then
        inside=1 opened=$line_no info=${line#'```'}
        : >"$work/body"
        printf '%s\n' "$line" >>"$work/page"
      else
        inside=0
        case $info in output) compare_output ;; *) close_fence ;; esac
        printf '%s\n' "$line" >>"$work/page"
      fi
      continue
      ;;
  esac
  if [ $inside -eq 1 ]; then
    printf '%s\n' "$line" >>"$work/body"
    [ "$info" = output ] || printf '%s\n' "$line" >>"$work/page"
  else
    printf '%s\n' "$line" >>"$work/page"
  fi
done <"$page"

[ "$update" != --update ] || cmp -s "$work/page" "$page" || cp "$work/page" "$page"
echo "$page: $count snippets, $bad wrong"
[ $bad -eq 0 ]
