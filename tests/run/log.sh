#!/bin/sh
# log.sh TRIWAVE: readings as JSON lines agree with metrics.csv, the rate among them; streams that are full are errors; what
# goes wrong around the folder of a run is told in words.
triwave=$1
. "$(dirname "$0")/lib.sh"

cat >p.tw <<'TW'
const epochs = 20
data train = csv("d.csv", x) -> y
param a : real in (0, 3) by clip(0.01) ~ uniform(0.2, 0.9)
param b : real = 0.1
model f(x: real) -> real = a * relu(x - b)
loss = mse(f, train)
measure other = 2 * a
fn ramp(lo: real, hi: real) -> fn = fn(epoch, epochs) = lo + (hi - lo) * epoch / epochs
stage first { train a; adam(rate = 0.25); epochs epochs }
stage second { train a, b; sgd(rate = ramp(0.5, 0.25)); epochs epochs; batch 8 of train }
stage third { train a, b; lbfgs(); epochs 3 }
TW
awk 'BEGIN { print "x,y"; for (i = 0; i < 32; i++) printf "%g,%g\n", i / 32, i * i / 1024 }' >d.csv

# ---- the same readings in both
expect 0 "$triwave" run p.tw --precision f64 --log log.jsonl --log-every 1 --out run
says run/metrics.csv '^variant,stage,epoch,seed,loss,other,regions,rate,gradient_norm,seconds$'
sed 1d run/metrics.csv | sed 's/,[^,]*$//' >a
sed 's/null//; s/^{"variant":"\([^"]*\)","seed":\([^,]*\),"stage":"\([^"]*\)","epoch":\([^,]*\),"loss":\([^,]*\),"measures":{"other":\([^}]*\)},"regions":\([^,]*\),"rate":\(.*\),"gradient_norm":\(.*\),"seconds".*/\1,\3,\4,\2,\5,\6,\7,\8,\9/; s/null//g' log.jsonl >b
[ "$(wc -l <a)" -ge 43 ] || { echo "FAILED: $(wc -l <a) readings"; failed=1; }
same a b "the log and metrics.csv differ"
says a '^main,first,0,0,.*,0.25,[0-9.e-]*$'
says a '^main,second,10,0,.*,0.375,$'
says a '^main,third,1,0,[^,]*,[^,]*,[^,]*,,'

# ---- to stdout, and nothing else there; for several seeds and a sweep
expect 0 "$triwave" run p.tw --sweep epochs=2,3 --seeds 2 --log-every 1 --log jsonl
grep -v '^{"variant":"main","settings":{"epochs":"[23]"},"seed":[01],.*}$' out && { echo "FAILED: something else on stdout"; failed=1; }
[ ! -s err ] || { echo "FAILED: a pipe is told of the progress"; cat err; failed=1; }
cp log.jsonl was
expect 1 "$triwave" run p.tw --log log.jsonl --out run
same log.jsonl was "a run that is refused emptied the log of an earlier one"
expect 0 "$triwave" run p.tw --precision f64 --log log.jsonl --log-every 1
[ "$(wc -l <log.jsonl)" -eq "$(wc -l <was)" ] || { echo "FAILED: a log is not begun anew"; failed=1; }
expect 2 "$triwave" run p.tw --log jsonl --json
expect 2 "$triwave" run p.tw --log log.txt
expect 1 "$triwave" run p.tw --log none/log.jsonl
says err "cannot write 'none/log.jsonl': No such file"
expect 1 "$triwave" run p.tw --log none/log.jsonl --out none2
[ ! -e none2/run.json ] || { echo "FAILED: a run without its log has begun"; failed=1; }

# ---- full streams
if [ -c /dev/full ]; then
  printf 'x\n0.5\n' >x.csv
  awk 'BEGIN { print "x"; for (i = 0; i < 60000; i++) print i / 60000 }' >long.csv
  for options in "run p.tw" "run p.tw --json" "run p.tw --log jsonl" "show run" "show --json run" "list" "compare run run" "check --info json p.tw" \
      "regions p.tw" "eval p.tw --data x.csv" "eval p.tw --data long.csv" "eval p.tw --data long.csv --threads 1" "emit p.tw --as ir" "emit p.tw --as llvm" \
      "fmt p.tw" "--help" "--version" "run --help"; do
    # shellcheck disable=SC2086
    "$triwave" $options >/dev/full 2>err
    [ $? -eq 1 ] || { echo "FAILED: a full stdout is no error: $options"; failed=1; }
    says err '^triwave: cannot write to stdout: No space left on device$'
  done
  ln -s /dev/full full.jsonl
  expect 1 "$triwave" run p.tw --quiet --log full.jsonl
  says err "cannot write 'full.jsonl': No space left on device"
fi

# ---- the folder of a run
expect 1 flock -x run "$triwave" run --resume run
says err "another process is at work in 'run'"
expect 1 "$triwave" run p.tw --out p.tw
says err "'p.tw': File exists"
if [ "$(id -u)" -ne 0 ]; then
  mkdir locked && chmod a-w locked
  expect 1 "$triwave" run p.tw --out locked/run
  says err "cannot make 'locked/run': Permission denied"
  chmod u+w locked
fi
says run/run.json "\"sha256\":	\"$(sha256sum d.csv | cut -d' ' -f1)\""
sed -i 's/0.5,/0.5001,/' d.csv
expect 1 "$triwave" run --resume run
says err "data 'train' is not what the run was started with: '.*/d.csv' has been changed"
sed -i 's/0.5001,/0.5,/' d.csv
expect 0 "$triwave" run --resume run

# ---- who reads the log stops: training does not, and the run says so
rm -rf piped
{ "$triwave" run p.tw -D epochs=3000 --quiet --log jsonl --log-every 1 --out piped 2>err; echo $? >code; } | head -1 >out
[ "$(cat code)" -eq 1 ] || { echo "FAILED: exit $(cat code) where nobody reads the log"; failed=1; }
says err 'Broken pipe'
expect 0 "$triwave" show piped
says out 'finished'

# ---- it vanishes under the run
"$triwave" run p.tw -D epochs=100000000 --quiet --checkpoint-every 0 --out gone >out 2>err &
pid=$!
for _ in $(seq 300); do [ -f gone/checkpoint ] && break; sleep 0.1; done
mv gone elsewhere
wait $pid
[ $? -eq 1 ] || { echo "FAILED: a run without its folder goes on"; failed=1; }
says err "cannot write 'gone[/']" # a file in it, or the folder when it is synced
says err "its folder, 'gone', is not there any more"
grep -q 'is whole' err && { echo "FAILED: what is gone is called whole"; failed=1; }

# ---- no memory: the code is in the cache, so that it is the training that has none
expect 0 "$triwave" run p.tw -D epochs=5 --quiet
for kib in ${SANITIZE:+0} 16000 20000 26000; do
  [ $kib != 0 ] || break # a sanitizer's shadow is larger than any of these
  rm -rf small
  (ulimit -c 0; ulimit -v $kib; exec "$triwave" run p.tw -D epochs=5 --seeds 20000 --quiet --out small >out 2>err)
  [ $? -eq 1 ] || { echo "FAILED: exit is not 1 with $kib KiB"; cat err; failed=1; }
  says err 'memory\|cannot\|failed to map'
  [ ! -f small/run.json ] || expect 0 "$triwave" show small
done
exit $failed
