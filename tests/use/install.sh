#!/bin/sh
# install.sh BUILD SOURCE CC: what is installed is enough for a CMake project, for pkg-config and for Python's ctypes.
set -eu
build=$1 source=$2 cc=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cmake --install "$build" --prefix "$dir/usr" >"$dir/log"
lib=$(dirname "$(find "$dir/usr" -name libtriwave.so.0)")
# Only what the header declares can be seen.
nm -D --defined-only "$lib/libtriwave.so" "$lib/libtriwave-runtime.so" | grep -E ' [A-Za-z] ' | grep -v -E ' (tw_net_[a-z0-9_]+|tw_program_[a-z0-9_]+|tw_text_free|tw_version|tw_rt_uniform|TRIWAVE_0)(@|$)' && exit 1
cmake -G Ninja -S "$source/tests/use/consumer" -B "$dir/consumer" -DCMAKE_PREFIX_PATH="$dir/usr" -DEXAMPLES="$source/examples" \
  -DCMAKE_C_COMPILER="$cc" >"$dir/log"
cmake --build "$dir/consumer" >"$dir/log" || { cat "$dir/log"; exit 1; }
"$dir/consumer/embed" | tee "$dir/embed"
grep -q "^epoch 400  loss" "$dir/embed"
grep -q "^f(0.50) = 0.2" "$dir/embed"
"$dir/consumer/ahead"
PKG_CONFIG_PATH="$lib/pkgconfig" && export PKG_CONFIG_PATH
$cc "$source/examples/embed/embed.c" $(pkg-config --cflags --libs triwave) -Wl,-rpath,"$lib" -o "$dir/by_pkg_config"
"$dir/by_pkg_config" | cmp - "$dir/embed"
command -v python3 >/dev/null || { echo "no python3: the ctypes example was not run"; exit 0; }
python3 "$source/examples/embed/embed.py" "$lib/libtriwave.so.0" | cmp - "$dir/embed"
