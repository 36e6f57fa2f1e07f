#!/bin/sh
# valgrind.sh BUILD_DIR [TESTS…]: the unit tests and some commands under valgrind; `./dev test-valgrind`
# calls it.
#
# Errors are reads of what was not written, accesses outside of blocks, and blocks that nobody can free any
# more. Code is generated for 256 bits, which valgrind understands. Tests that assert a time, only start
# other programs, or take too long under valgrind, are not in the list; the sanitizers
# (`./dev test-sanitize`) run those. With TESTS, only the ones whose names contain one of these words.
set -eu
build=$1
shift
source=$(cd "$(dirname "$0")/.." && pwd)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0 ran=0

wanted() {
  [ "$#" -gt 1 ] || return 0
  name=$1
  shift
  for word; do
    case $name in *"$word"*) return 0 ;; esac
  done
  return 1
}
filter=$*

# check NAME COMMAND…
check() {
  name=$1
  shift
  # shellcheck disable=SC2086
  wanted "$name" $filter || return 0
  if [ ! -x "$1" ]; then
    printf '%-28s not built\n' "$name"
    failed=$((failed + 1))
    return 0
  fi
  ran=$((ran + 1))
  start=$(date +%s) status=0
  timeout 900 valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --num-callers=20 "$@" \
    >"$log" 2>&1 || status=$?
  if [ "$status" -eq 0 ]; then
    printf '%-28s ok      %4d s\n' "$name" $(($(date +%s) - start))
  else
    printf '%-28s FAILED  %4d s, status %d\n' "$name" $(($(date +%s) - start)) "$status"
    tail -n 40 "$log"
    failed=$((failed + 1))
  fi
}

tests=$build/tests
for t in base errors parse; do check "parse.$t" "$tests/parse/test_parse_$t" "$source"; done
for t in fold ops order text verify; do check "ir.$t" "$tests/ir/test_ir_$t"; done
check grad.random "$tests/grad/test_grad_random" 12
check grad.values "$tests/grad/test_grad_values"
check grad.structure "$tests/grad/test_grad_structure"
check opt.passes "$tests/opt/test_opt_passes"
check probe.watch "$tests/probe/test_probe_watch"
check probe.hessian "$tests/probe/test_probe_hessian" "$source/examples/derivative.tw"

triwave=$build/triwave
check check.examples "$triwave" check "$source"/examples/*.tw
check fmt "$triwave" fmt "$source/examples/cubic.tw"
check emit "$triwave" emit "$source/examples/cubic.tw" --as opt
check jac "$triwave" jac "$source/examples/cubic.tw"
check run.lanes "$triwave" run "$source/bench/programs/flagship.tw" --vector-bits 256 -D epochs_each=20 --seeds 2 --threads 1 --quiet
check run.dense "$triwave" run "$source/bench/programs/dense.tw" --vector-bits 256 -D width=4 --threads 1 --quiet
check run.recurrent "$triwave" run "$source/tests/cost/recurrent.tw" --vector-bits 256 --threads 1 --quiet

echo "$ran run under valgrind, $failed failed"
[ "$failed" -eq 0 ] && [ "$ran" -gt 0 ]
