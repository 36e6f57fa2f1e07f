/* archive.c: see archive.h. Members begin at even offsets, after headers of 60 bytes; the first, "/", is the index:
 * big-endian count, the offset of each symbol's member, and the names. */
#include "cli/archive.h"

#include <string.h>

static void header(FILE *f, const char *name, size_t size) {
  fprintf(f, "%-16s%-12d%-6d%-6d%-8s%-10zu`\n", name, 0, 0, 0, "644", size);
}

static void big_endian(FILE *f, size_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) fputc((int)(v >> shift & 255), f);
}

void tw_cli_archive(FILE *f, const char *symbol, const void *object, size_t size) {
  size_t names = strlen(symbol) + 1, index = 8 + names;
  fputs("!<arch>\n", f);
  header(f, "/", index);
  big_endian(f, 1);
  big_endian(f, 8 + 60 + index + index % 2);
  fwrite(symbol, 1, names, f);
  if (index % 2) fputc('\n', f);
  header(f, "net.o/", size);
  fwrite(object, 1, size, f);
  if (size % 2) fputc('\n', f);
}
