#!/bin/sh
# show.sh TRIWAVE: what show, compare and list say of runs: finished, interrupted, at work, damaged, and of what is none.
triwave=$1
. "$(dirname "$0")/lib.sh"

cat >p.tw <<'TW'
const n = 40
const rate = 1e-3
data train = grid(x in [0, 1], n) -> x ^ 2
param a : real in (0, 3) by clip(0.01) ~ uniform(0.2, 0.9)
param b : real = 0.1
model f(x: real) -> real = a * relu(x - b)
loss = mse(f, train)
measure other = 2 * a
stage first { train a; adam(rate = rate); epochs 30 }
stage second { train a, b; adam(rate = rate); epochs 41 }
variant steep { const rate = 1e-2 }
TW
expect 0 "$triwave" run p.tw --seeds 4 --log-every 1 --quiet --out runs/one
expect 0 "$triwave" run p.tw -D n=41 --seeds 4 --log-every 1 --quiet --out runs/deep/two
expect 0 "$triwave" run p.tw --all-variants --seed 7 --quiet --out runs/both

# ---- show: the figures are those of the summary, and of the metrics where there is none yet
expect 0 "$triwave" show runs/one
says out '^runs/one: finished$'
says out 'seeds  *0 … 3'
says out 'constants  *n = 40, rate = '
says out '^second  *41  *4 '
says out '^measure other: min '
best=$(awk '/"name": "second"/ { if (match($0, /"best_loss": [^,]*/)) print substr($0, RSTART + 13, RLENGTH - 13) }' runs/one/summary.json | sort -g | head -1)
grep -q "^second .* $(printf '%.3e' "$best")  *2 " out || { echo "FAILED: not $best"; cat out; failed=1; }
expect 0 "$triwave" show --json runs/one
mv out of_summary
mv runs/one/summary.json kept.json
expect 0 "$triwave" show --json runs/one
says out '"state":	"interrupted"'
# all but the state, the seconds, the dead units, the measures and what failed, which the metrics do not have
cut() { sed -n '/"stages"/,$p' "$1" | awk '/"(dead|seconds)":/ { skip = 6 } skip > 0 { skip--; next } 1'; }
cut of_summary >a
cut out >b
[ "$(grep -c '"median"' a)" -eq 8 ] || { echo "FAILED: figures are missing"; cat a; failed=1; }
same a b "metrics and summary disagree"
expect 0 flock -x runs/one "$triwave" show runs/one
says out '^runs/one: running$'
expect 0 "$triwave" show runs/one
mv out before
for part in 'main,second,41,3,0.00' 'main,second,41,3,0.001,1,,0.1,1e-' 'main,second,41,3,0.001,1,,0.1,1.2'; do
  cp runs/one/metrics.csv whole.csv
  printf '%s' "$part" >>runs/one/metrics.csv # as while a line is being written
  expect 0 "$triwave" show runs/one
  same before out "a line that is being written is told of: $part"
  expect 0 "$triwave" compare runs/one runs/both
  expect 0 "$triwave" plot runs/one --figure loss
  mv whole.csv runs/one/metrics.csv
done
cp runs/one/metrics.csv whole.csv
for head in '' 'variant,stage,ep'; do
  printf '%s' "$head" >runs/one/metrics.csv
  expect 0 "$triwave" show runs/one
  says out 'no epoch has been logged yet'
  expect 1 "$triwave" compare runs/both runs/one --plot none.svg
  says out '^runs/one  *-  *- '
  says err "the run 'runs/one' has nothing to draw: no epoch of it has been logged yet"
  expect 1 "$triwave" plot runs/one --figure loss
  says err "the run 'runs/one' has nothing to draw"
done
rm runs/one/metrics.csv
expect 1 "$triwave" compare runs/both runs/one --plot none.svg
says err "the run 'runs/one' has nothing to draw"
[ -e none.svg ] && { echo "FAILED: a picture of nothing"; failed=1; }
mv whole.csv runs/one/metrics.csv
printf 'main,second,41,3,0.00' >>runs/one/metrics.csv
printf '12\n' >>runs/one/metrics.csv
expect 1 "$triwave" show runs/one
says err 'runs/one/metrics.csv:[0-9]*: '
head -c -23 runs/one/metrics.csv >cut.csv && mv cut.csv runs/one/metrics.csv
mv kept.json runs/one/summary.json
expect 0 "$triwave" show runs/both
says out '^runs/both/steep: variant steep$'
says out '^  seed  *7$'

# ---- who looks at a run does not keep another from going on with it; --pieces is the run's
expect 0 "$triwave" run p.tw --quiet --pieces 3 --out pieces
cp pieces/summary.json kept.json
rm pieces/summary.json
flock -s pieces sleep 0.3 &
sleep 0.1
expect 0 "$triwave" run --resume pieces --quiet
wait
for f in kept.json pieces/summary.json; do grep -o '"over_best_fit.*' $f >$f.best; done
says kept.json.best '"pieces": 3'
same kept.json.best pieces/summary.json.best "a run that was resumed has another best fit"
# A run that was finished stays as it was, its times too; a summary that is damaged, or of a run that went on, does not.
cp pieces/summary.json kept.json
expect 0 "$triwave" run --resume pieces --quiet
same kept.json pieces/summary.json "a finished run that was resumed has another summary"
sed 's/"status": "ok"/"status": "stopped"/' kept.json >pieces/summary.json
expect 0 "$triwave" run --resume pieces --quiet
grep -q '"status": "ok"' pieces/summary.json || { echo "FAILED: a summary of a run that was stopped stays"; failed=1; }
head -c 100 kept.json >pieces/summary.json
expect 0 "$triwave" run --resume pieces --quiet
expect 0 "$triwave" show pieces
expect 2 "$triwave" run --resume pieces --pieces 4
cat >nan.tw <<'TW'
param a : real = 0.5
loss = log(a - 1)
stage s { train a; sgd(); epochs 1 }
TW
expect 1 "$triwave" run "nan.tw" --seeds 3 --quiet --out "it's"
expect 0 "$triwave" show "it's"
says out "--out 'it'.''s'$"
[ "$(grep -c '^seed' out)" -eq 1 ] || { echo "FAILED: a failure is told more than once"; cat out; failed=1; }

# ---- compare
expect 0 "$triwave" compare runs/one runs/deep/two
says out '^runs/deep/two  *second  *4 '
says out '^run  *state  *const n  *data train$'
cp -r runs/one copy
expect 0 "$triwave" compare runs/one copy
says out '^the same program, settings, data and machine$'
sed 's/const n = 40/const n = 40\nconst seeds = 3\nconst variant = 4/' p.tw >named.tw
expect 0 "$triwave" run named.tw --seeds 4 --log-every 1 --quiet --out named
expect 0 "$triwave" compare --json runs/one named
says out '"const seeds":	.null, "3".'
says out '"const variant":	.null, "4".'
grep -q '"\(seeds\|variant\)":	.".*".,$' out && { echo "FAILED: a constant has taken the place of a fact"; cat out; failed=1; }
sed 's/\(" *build":.*\).",/\1z",/' copy/run.json >x && mv x copy/run.json # the last digit
expect 0 "$triwave" compare runs/one copy
says out '^run  *state  *build$'
expect 0 "$triwave" compare --json runs/one runs/both
says out '"differs"'
says out '"seeds":	\["0 … 3", "7", "7"\]'
if command -v gnuplot >/dev/null; then
  expect 0 "$triwave" compare runs/one runs/both --plot all.svg
  says all.svg 'runs/both/steep'
fi
expect 2 "$triwave" compare runs/one --plot all.txt

# ---- list
mkdir runs/.hidden runs/other
cp -r runs/one runs/.hidden/run
echo '{"format": 1' >runs/other/run.json
expect 1 "$triwave" list runs
says out '^runs/one  *finished  *p.tw '
says out '^runs/deep/two  *finished '
says out '^runs/both  *finished  *p.tw  *2 jobs'
says out '^runs/other  *damaged'
says err "runs/other/run.json' is damaged"
grep -q hidden out && { echo "FAILED: a hidden folder is listed"; failed=1; }
rm -r runs/other
cd runs
expect 0 "$triwave" list
says out '^one  *finished'
expect 0 "$triwave" list --json
[ "$(grep -c '"run":' out)" -eq 3 ] || { echo "FAILED: not three runs"; cat out; failed=1; }
cd ..

# ---- what is no run
mkdir foreign
expect 1 "$triwave" show foreign
says err "'foreign' is not the folder of a run: it has no run.json"
expect 1 "$triwave" show nowhere
says err "'nowhere/run.json': No such file"
expect 1 "$triwave" compare runs/one foreign
expect 1 "$triwave" list nowhere
says err "'nowhere': No such file"
ln -s runs link
expect 0 "$triwave" list link
says out '^link/one  *finished'
expect 0 "$triwave" list foreign
says err 'there is no run'
head -c 300 runs/one/summary.json >cut.json && mv cut.json runs/one/summary.json
expect 1 "$triwave" show runs/one
says err "runs/one/summary.json' is damaged"
expect 1 "$triwave" show runs/both/run.json
sed 's/"n_seeds":.*,/"n_seeds": 1e9,/' copy/run.json >x && mv x copy/run.json
expect 1 "$triwave" show copy
says err "copy/run.json' is damaged"
exit $failed
