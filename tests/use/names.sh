#!/bin/sh
# names.sh NAMES TRIWAVE SOURCE_DIR CC: whatever a file of exported C is called, it compiles: no name that the compiler has by
# itself, or that a header of C99 has, is that of its function, and files that #include could not name are refused.
set -eu
names=$1 triwave=$2 source=$3 cc=$4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
printf '#include <%s>\n' stddef.h math.h stdint.h string.h >few.h
printf '#include <%s>\n' assert.h complex.h ctype.h errno.h fenv.h float.h inttypes.h iso646.h limits.h locale.h math.h setjmp.h \
  signal.h stdarg.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h tgmath.h time.h wchar.h wctype.h >all.h
words() { # STD HEADER: macros, and all words of declarations
  "$cc" -std="$1" -E -dM -x c "$2" | awk '{ sub(/\(.*/, "", $2); print $2 }'
  "$cc" -std="$1" -E -P -x c "$2" | grep -oE '[A-Za-z_][A-Za-z0-9_]*'
}
for std in c99 c11 gnu11; do words $std few.h; done >seen
for std in c99 c11; do words $std all.h; done >>seen
printf '%s\n' real values block slope_block sum_of within FMA HELPER WIDE1 class new asm typeof main gamma y1 alloca exp10 1a äö .net >>seen
sort -u seen >words
"$names" <words >called
[ "$(wc -l <called)" = "$(wc -l <words)" ] && [ "$(wc -l <words)" -gt 1000 ]
compiles() { # STD HEADER
  { cat "$2"; sort -u called | sed 's/.*/void &(size_t n, const float *x, float *y);/'; } >declared.c
  "$cc" -std="$1" -pedantic -Wall -Wextra -Werror -c declared.c -o declared.o
}
for std in c99 c11 gnu11; do compiles $std few.h; done
for std in c99 c11; do compiles $std all.h; done
# Names that nothing else has stay as they are.
for name in net gammas memory strange A f _x xy_in; do [ "$(echo $name | "$names")" = $name ] || { echo "FAILED: $name"; exit 1; }; done
echo "$(wc -l <words) names"

# Whole files, of names that were none.
for name in malloc size_t INFINITY real gamma y1 class FMA .net 'a b'; do
  "$triwave" export "$source/examples/cubic.tw" --to c -o "$dir/$name.c"
  for std in c99 gnu11; do "$cc" -std=$std -pedantic -Wall -Wextra -Werror -c "$dir/$name.c" -o net.o; done
done
for name in 'a"b' "a'b" 'a\b' 'a??b'; do
  code=0
  "$triwave" export "$source/examples/cubic.tw" --to c -o "$name.c" 2>err || code=$?
  [ $code -eq 2 ] && grep -q '#include' err && [ ! -e "$name.c" ] || { echo "FAILED: $name: $code"; exit 1; }
done
