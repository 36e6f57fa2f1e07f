#!/bin/sh
# cost.sh COUNT SOURCE_DIR: the gradient step costs at most four times the loss alone, in instructions, at
# 256 bits.
#
# COUNT is the executable of count.c. The step is everything that an update does: Set_Weights, loss,
# gradient, optimizer, projection. Counted by callgrind, so the figures do not depend on the machine's load;
# without callgrind the test is skipped.
set -eu
count=$1 source=$2 bound=4
command -v callgrind_annotate >/dev/null && command -v valgrind >/dev/null || {
  echo "skipped: valgrind is not installed (apt-get install valgrind)"
  exit 77
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

# measure NAME FILE [DEFINES…]
measure() {
  name=$1
  shift
  rm -f "$dir"/out*
  status=0
  "$count" make "$dir/code" "$@"
  valgrind -q --tool=callgrind --instr-atstart=no --callgrind-out-file="$dir/out" "$count" call "$dir/code" "$@" >"$dir/names" 2>"$dir/errors" || status=$?
  if [ "$status" -ne 0 ]; then
    cat "$dir/errors" >&2
    exit "$status"
  fi
  # One line a dump: STAGE WHAT INSTRUCTIONS.
  n=0
  while read -r stage what; do
    n=$((n + 1))
    echo "$stage $what $(sed -n 's/^totals: *//p; s/^summary: *//p' "$dir/out.$n" | head -n 1)"
  done <"$dir/names" >"$dir/counts"
  awk -v name="$name" -v bound="$bound" '
    { count[$1, $2] = $3; if (!($1 in seen)) { seen[$1] = 1; stages[++n] = $1 } }
    END {
      for (k = 1; k <= n; k++) {
        s = stages[k]; step = count[s, "step"]; loss = count[s, "loss"]; eval = count[s, "eval"]
        if (!(step > 0 && loss > 0 && eval > 0)) { print name, s ": nothing was counted"; bad = 1; continue }
        least = loss < eval ? loss : eval
        ratio = step / least
        printf "%-16s %-9s step %9d, loss %9d, eval %9d instructions: %.2f times the loss%s\n", name, s, step, loss, eval, ratio,
               ratio <= bound ? "" : ", more than " bound
        if (ratio > bound) bad = 1
      }
      if (!n) { print name ": no stage"; bad = 1 }
      exit bad
    }' "$dir/counts" || failed=1
}

measure flagship "$source/bench/programs/flagship.tw"
measure "dense 16" "$source/bench/programs/dense.tw" width=16
measure "dense 64" "$source/bench/programs/dense.tw"
measure recurrent "$source/tests/cost/recurrent.tw"
exit "$failed"
