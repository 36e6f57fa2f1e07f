# lib.sh: what the scripts of this folder begin with: a folder of their own, and ways to say what must be so. Sourced as
# `. "$(dirname "$0")/lib.sh"`; a script ends with `exit $failed`.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0
# expect CODE command…: the exit code; its streams go to out and err
expect() {
  want=$1
  shift
  "$@" >out 2>err
  got=$?
  [ "$got" -eq "$want" ] || { echo "FAILED: exit $got, not $want: $*"; head -c 2000 out err; failed=1; }
}
# says FILE PATTERN
says() { grep -q -e "$2" "$1" || { echo "FAILED: no '$2' in $1"; head -c 2000 "$1"; failed=1; }; }
# same FILE FILE WHAT
same() { cmp -s "$1" "$2" || { echo "FAILED: $3"; diff "$1" "$2" | head; failed=1; }; }
