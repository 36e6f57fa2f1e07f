#!/busybox sh
# init.sh: the first process of the machine that run.sh starts. Says PASS or FAIL of each thing in its image, and END.
b=/busybox
$b mount -t proc proc /proc

# judge STATUS WHAT: of what prints nothing of the kind itself
judge() {
  if [ "$1" -eq 0 ]; then echo "PASS $2"; else echo "FAIL $2"; $b sed 's/^/  /' /tmp/out | $b tail -n 20; fi
}

$b grep -q 'avx512f.*avx512dq.*avx512bw.*avx512vl' /proc/cpuinfo
judge $? "the machine has AVX-512"
/test_avx512_play --flip /tapes/llvm.ops
for t in /tapes/*; do
  /test_avx512_play "$t" || echo "FAIL $t"
done
for p in /programs/*.v4; do
  p=${p%.v4}
  "$p.v3" 2>/dev/null | $b sed -f /no_seconds.sed >/tmp/want
  "$p.v4" 2>/dev/null | $b sed -f /no_seconds.sed >/tmp/out
  [ -s /tmp/want ] && $b cmp /tmp/out /tmp/want
  judge $? "program ${p#/programs/}"
done
/test_avx512_hand >/tmp/out 2>&1
judge $? "kernels of bench/hand"
/test_runtime_normal >/tmp/out 2>&1
judge $? "normal equations of the runtime"
echo END
$b sleep 5 # until the serial line has sent it all
$b poweroff -f
