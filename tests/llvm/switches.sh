#!/bin/sh
# switches.sh LINKED LOADED FILE.tw: LLVM's switches (tw_ll_owns_llvm) change the code, so LLVM knows their names; and in
# the generator that ships they are set: its code is that of the linked one with them, byte for byte.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$1" bare "$3" "$dir/bare.o"
"$1" linked "$3" "$dir/linked.o"
"$2" loaded "$3" "$dir/loaded.o"
if cmp -s "$dir/bare.o" "$dir/linked.o"; then echo "FAILED: the switches do nothing"; exit 1; fi
cmp "$dir/linked.o" "$dir/loaded.o" || { echo "FAILED: they are not set in the generator that is loaded"; exit 1; }
