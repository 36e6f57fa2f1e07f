/* util.h: what the tests of base and ast share. */
#ifndef TW_TESTS_PARSE_UTIL_H
#define TW_TESTS_PARSE_UTIL_H

#include "compiler/ast/format.h"
#include "compiler/ast/parse.h"

extern int failures;

/* Prints what is wrong and counts it. */
void fail(const char *where, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define CHECK(condition) ((condition) ? (void)0 : fail(__FILE__, "line %d: %s", __LINE__, #condition))

typedef struct Parsed {
  TwUnit *u;
  uint32_t file;
  TwModuleAst *m;
  bool ok;
} Parsed;
Parsed parse_text(const char *text, size_t len);
Parsed parse_string(const char *text);
void parsed_free(Parsed *p);

/* What tw_diags_render writes; free it. */
char *rendered(const Parsed *p, TwDiagStyle style);

typedef struct File {
  char *path, *text;
  size_t len;
} File;
/* All .tw files of examples, stdlib and tests/parse under `root`. */
File *all_programs(const char *root, size_t *n);
void programs_free(File *files, size_t n);

/* The laws of the formatter for a text that parses: idempotent, same tree, every comment kept. */
void check_format(const char *name, const char *text, size_t len);

/* Every failure has an error, every error a place in the file; formats if it parsed. */
void check_any(const char *name, const char *text, size_t len);

#endif
