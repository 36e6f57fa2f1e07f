/* npy.c: the Jacobian as NPY holds the numbers that it holds as CSV, behind a header that NumPy reads.
 *
 *   test_probe_npy TRIWAVE PROGRAM FOLDER */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *made(const char *triwave, const char *program, const char *folder, const char *form) {
  char path[1000], command[4000];
  snprintf(path, sizeof path, "%s/jacobian.%s", folder, form);
  snprintf(command, sizeof command, "'%s' jac '%s' --format %s -o '%s'", triwave, program, form, path);
  FILE *f = system(command) == 0 ? fopen(path, "rb") : NULL;
  if (!f) fprintf(stderr, "%s wrote nothing\n", command), exit(1);
  return f;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  FILE *npy = made(argv[1], argv[2], argv[3], "npy"), *csv = made(argv[1], argv[2], argv[3], "csv");
  unsigned char start[10];
  char header[4096] = {0}, line[65536];
  unsigned long long rows = 0, columns = 0, compared = 0;
  if (fread(start, 1, 10, npy) != 10 || memcmp(start, "\x93NUMPY\x01\x00", 8) != 0) return puts("no magic"), 1;
  size_t n = (size_t)start[8] | (size_t)start[9] << 8;
  if (n >= sizeof header || (10 + n) % 64 != 0 || fread(header, 1, n, npy) != n || header[n - 1] != '\n')
    return puts("no header"), 1;
  if (sscanf(header, "{'descr': '<f8', 'fortran_order': False, 'shape': (%llu, %llu), }", &rows, &columns) != 2)
    return printf("header: %s\n", header), 1;
  if (!fgets(line, sizeof line, csv)) return puts("no first line"), 1;
  for (; fgets(line, sizeof line, csv); rows--) {
    char *at = strchr(line + 1, '"') + 1; /* behind the name */
    for (unsigned long long c = 0; c < columns; c++) {
      unsigned char bytes[8];
      uint64_t bits = 0;
      double value;
      if (fread(bytes, 1, 8, npy) != 8) return puts("npy ends early"), 1;
      for (int b = 0; b < 8; b++) bits |= (uint64_t)bytes[b] << 8 * b;
      memcpy(&value, &bits, sizeof value);
      if (*at != ',' || strtod(at + 1, &at) != value) return printf("entry %llu differs: %s", compared, line), 1;
      compared++;
    }
  }
  int more = fgetc(npy);
  fclose(npy);
  fclose(csv);
  printf("npy: %llu entries equal\n", compared);
  return rows != 0 || compared == 0 || more != EOF;
}
