#!/bin/sh
# dev.sh SOURCE_DIR SCRATCH: ./dev installs what a verb needs before CMake looks for it, and has CMake look again if
# something came later. With a cmake, an apt-get and so on that only say that they were called.
set -eu
rm -rf "$2"
mkdir -p "$2/bin" "$2/build/bench/bench" "$2/build/release"
cp "$1/dev" "$2/dev"
cd "$2"
for tool in cmake apt-get sudo dpkg-query id nproc ctest; do
  cat >bin/$tool <<END
#!/bin/sh
case "$tool \$*" in
  "dpkg-query "*) [ ! -e missing ] || exit 1; echo "install ok installed" ;;
  "id -u") echo 0 ;;
  nproc*) echo 1 ;;
  "apt-get install "*) rm missing; echo install >>log ;;
  "cmake --preset "*) echo configure >>log; : >build/\$2/build.ninja ;;
  "cmake --build "*) echo build >>log ;;
esac
END
  chmod +x bin/$tool
done
printf '#!/bin/sh\necho bench >>log\n' >build/bench/bench/bench
chmod +x build/bench/bench/bench
failed=0
# want WHAT VERB: what is called, in this order
want() {
  : >log
  PATH="$PWD/bin:$PATH" ./dev "$2" >/dev/null 2>&1 || { echo "FAILED: dev $2"; failed=1; }
  got=$(tr '\n' ' ' <log)
  [ "$got" = "$1 " ] || { echo "FAILED: dev $2: $got, not $1"; failed=1; }
}
: >missing
want "install configure build bench" bench
want "configure build bench" bench # OpenBLAS may have come since
: >missing
want "install configure build" build
want "build" build
: >missing
want "install configure build" test
want "build" test
exit $failed
