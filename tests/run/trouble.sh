#!/bin/sh
# trouble.sh TRIWAVE: signals, limits and damage around a run that is kept: each ends with words and exit code 1, and the run can
# be gone on with.
triwave=$1
. "$(dirname "$0")/lib.sh"
wrong() { echo "FAILED: $1"; head -c 1500 err; failed=1; }
ends() { [ "$1" -eq "$2" ] || wrong "exit $1, not $2: $3"; }
# until FILE has a second line, or exists
wait_for() { for _ in $(seq 300); do [ "$(wc -l 2>/dev/null <"$1" || echo 0)" -ge "$2" ] && return; sleep 0.1; done; wrong "no '$1'"; }

cat >p.tw <<'TW'
const epochs = 100000000
const rows = 32
data train = grid(x in [0, 1], rows) -> x ^ 2
param a : real in (0, 3) by clip(0.01) ~ uniform(0.2, 0.9)
param b : real = 0.1
model f(x: real) -> real = a * relu(x - b) + sin(a * sin(a * sin(a * sin(a * sin(a * sin(b * x))))))
loss = mse(f, train)
stage fit { train a, b; adam(rate = 1e-6); epochs epochs }
TW

# ---- a file that would be too large, which is a signal unless it is an error
(ulimit -f 100; exec "$triwave" run p.tw --quiet --checkpoint-every 0 --out large 2>err)
ends $? 1 "a limit of the size of files"
says err "^triwave: cannot write 'large/.*': File too large$"
says err 'triwave run --resume large goes on'

# ---- two signals at once are one, as timeout(1) sends them; the run is saved
"$triwave" run --resume large --quiet --checkpoint-every 1000 --log one.jsonl 2>err &
pid=$!
wait_for one.jsonl 1
kill -INT $pid
kill -TERM $pid 2>/dev/null
wait $pid
ends $? 1 "two signals at once"
says err 'the run is saved: triwave run --resume large goes on with it'

# ---- a second one later ends it at once, in the middle of an epoch, with words
"$triwave" run p.tw -D rows=20000000 --quiet --threads 1 --log log.jsonl --out slow 2>err &
pid=$!
wait_for log.jsonl 1
kill -INT $pid
sleep 0.6
if kill -INT $pid 2>/dev/null; then
  wait $pid
  ends $? 1 "a second signal"
  grep -q 'stopped by a signal' err || says err '^triwave: ended at once, by a second signal; what was saved before is whole$'
fi

# ---- a bit of the checkpoint is another: the one before is used
cp -r large flipped
printf '\377' | dd of=flipped/checkpoint bs=1 seek=$(($(wc -c <flipped/checkpoint) / 2)) conv=notrunc 2>/dev/null
cmp -s large/checkpoint flipped/checkpoint && printf '\0' | dd of=flipped/checkpoint bs=1 seek=$(($(wc -c <flipped/checkpoint) / 2)) conv=notrunc 2>/dev/null
"$triwave" run --resume flipped --quiet --log flipped.jsonl 2>err &
pid=$!
wait_for flipped.jsonl 1
kill -INT $pid
wait $pid
ends $? 1 "resumed from the checkpoint before"
says err 'checkpoint'
says err 'the run is saved'

# ---- two at one folder, and one that is killed
"$triwave" run --resume large --quiet --log two.jsonl 2>first &
pid=$!
wait_for two.jsonl 1
"$triwave" run --resume large --quiet 2>err
ends $? 1 "two at one folder"
says err "another process is at work in 'large'"
kill -KILL $pid
wait $pid 2>/dev/null
"$triwave" show large >out 2>err
ends $? 0 "show of a run that was killed"
grep -q '^large: interrupted' out || wrong "a run that was killed is not 'interrupted'"

# ---- before there is anything to save, a signal ends it: here where it waits for a pipe that nobody writes to
mkfifo pipe
printf 'data d = csv("pipe", x) -> y\nparam a : real = 1\nmodel f(x: real) -> real = a * x\nloss = mse(f, d)\nstage s { train a; adam; epochs 5 }\n' >waits.tw
timeout 1 "$triwave" run waits.tw 2>err
ends $? 124 "a run that waits for its data"

# ---- its folder goes, and nothing is written before the end
"$triwave" run p.tw --quiet --checkpoint-every 1000 --log-every 1000000000 --out gone 2>err &
pid=$!
for _ in $(seq 300); do [ -f gone/metrics.csv ] && break; sleep 0.1; done
sleep 0.2
rm -rf gone
kill -INT $pid
wait $pid
ends $? 1 "a run whose folder went"
says err "^triwave: cannot .* 'gone.*': No such file or directory$"
exit $failed
