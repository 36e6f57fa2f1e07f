#!/bin/sh
# static.sh CMAKE SOURCE_DIR CC: where the compiler knows no static libstdc++, the build is configured with LLVM's shared
# library, and nothing asks for the static one.
set -eu
cmake=$1 source=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/cc" <<END
#!/bin/sh
[ "\$1" != -print-file-name=libstdc++.a ] || { echo libstdc++.a; exit 0; }
exec "$3" "\$@"
END
chmod +x "$dir/cc"
"$cmake" -S "$source" -B "$dir/build" -G Ninja -DCMAKE_C_COMPILER="$dir/cc" -DTW_TESTS=OFF >"$dir/said" 2>&1 || { cat "$dir/said"; exit 1; }
link=$(sed -n '/^build triwave-codegen.so:/,/^$/p' "$dir/build/build.ninja")
case $link in
  *libstdc++* | *LLVMX86CodeGen*) echo "FAILED: a static library is wanted"; exit 1 ;;
  *libLLVM* | *-lLLVM-19*) ;;
  *) echo "FAILED: no LLVM"; exit 1 ;;
esac
