/* names.c: reads words, one a line, and writes what the function of an exported file WORD.c would be called. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/export/export.h"

int main(void) {
  char line[256];
  while (fgets(line, sizeof line - 2, stdin)) {
    strcpy(line + strcspn(line, "\n"), ".c");
    char *name = tw_export_c_name(line);
    if (!name) return 1;
    puts(name);
    free(name);
  }
  return 0;
}
