/* export.c CSV OUT: linked with a model that `triwave export --to c` wrote as net.c; writes values and slopes at the
 * rows of CSV as `triwave eval --derivative` does. REAL, F64, IN and OUT come from the command line and net.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "runtime/number.h"

int main(int argc, char **argv) {
  enum { ROWS = 777 };
  static REAL x[ROWS * NET_IN], y[ROWS * NET_OUT], slopes[ROWS * NET_OUT * NET_IN];
  char line[4096];
  FILE *in = argc == 3 ? fopen(argv[1], "r") : NULL, *out = in ? fopen(argv[2], "w") : NULL;
  if (!in || !out || !fgets(line, sizeof line, in)) return 2;
  for (;;) {
    size_t n = 0;
    while (n < ROWS && fgets(line, sizeof line, in)) {
      char *at = line;
      for (int k = 0; k < NET_IN; k++, at += *at == ',') x[n * NET_IN + k] = (REAL)strtod(at, &at);
      n++;
    }
    if (!n) break;
    net(n, x, y);
    net_slopes(n, x, slopes);
    for (size_t r = 0; r < n; r++) {
      for (int k = 0; k < NET_OUT + NET_OUT * NET_IN; k++) {
        char text[TW_RT_NUMBER];
        REAL v = k < NET_OUT ? y[r * NET_OUT + k] : slopes[r * NET_OUT * NET_IN + k - NET_OUT];
        size_t length = tw_rt_number(text, (double)v, sizeof(REAL) == 8);
        if (k) fputc(',', out);
        fwrite(text, 1, length, out);
      }
      fputc('\n', out);
    }
  }
  fclose(in);
  return fclose(out) != 0;
}
