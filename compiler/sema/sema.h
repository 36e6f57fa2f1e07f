/* sema.h: AST -> typed programs: imports, constants, names, types, shapes, domains, variants. */
#ifndef TW_SEMA_SEMA_H
#define TW_SEMA_SEMA_H

#include "compiler/sema/typed.h"

/* The variants a file has: "main" alone, or "full" and the declared ones in order. */
typedef TwVec(TwName) TwVariantNames;
void tw_variants(TwUnit *u, const TwModuleAst *main, TwVariantNames *out);

/* requires: a parsed main module (errors in it are allowed: poison).
 * provides: the typed program of one variant; *out is NULL iff it returns false (it added an error).
 * Loads imported modules (embedded stdlib first, then NAME.tw beside the importing file), and reads
 * CSV data. A module without any stage, loss or model is a library: its functions are checked at
 * sample shapes and the program is empty.
 * Two calls on one unit may report the same mistake twice; tw_diag drops duplicates. */
bool tw_sema(TwUnit *u, TwModuleAst *main, TwName variant, TwProgram **out);

/* emit --as typed */
void tw_program_dump(const TwUnit *u, const TwProgram *p, FILE *out);
/* "real[4, 4]", "Dense[4, 1]" */
const char *tw_type_text(TwArena *a, const TwType *t);

/* The names that a file has for the tensors of a value called `prefix` (runtime/stored.h), in the order of its fields:
 * a * for the index of each axis of an array of records. `out` has room for all of them; returns how many. */
uint32_t tw_stored_names(TwArena *a, const TwType *t, const char *prefix, const char **out);

/* The embedded stdlib: text of module `name`, or NULL. Generated from stdlib/ by the build. */
const char *tw_stdlib(const char *name, size_t *len);
const char *tw_stdlib_name(uint32_t k); /* NULL beyond the last */

#endif
