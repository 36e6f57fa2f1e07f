/* data.h: what the files of data sets share: data.c (all of them, grids, targets), csv.c and npy.c (files). */
#ifndef TW_SEMA_DATA_H
#define TW_SEMA_DATA_H

#include "compiler/sema/check.h"

enum { TW_SM_MAX_ROWS = 1 << 28, TW_SM_MAX_TARGETS = 256 };

/* The path of a file as the program's folder makes it. */
const char *tw_sm_data_path(TwSema *s, const char *path);
/* The digest of a file as text. */
const char *tw_sm_digest(TwSema *s, const uint8_t digest[32]);
/* A new column, bound in *scope: an input of the data set, or one that the target may use. */
TwLocal *tw_sm_data_column(TwSema *s, TwSmScope *scope, TwIdent id, bool input, TwDataSet *out);

/* The argument `name = …` of the source, or NULL. data.c has refused those that the source does not know. */
const TwDataArg *tw_sm_data_named(const TwDecl *d, const char *name);
/* The file and the inputs among the arguments of `csv` or `npy`; others are reported. `example` is how it is written.
 */
bool tw_sm_data_args(TwSema *s, const TwDecl *d, TwSmScope *scope, const char *example, TwDataSet *out);

/* The names in a target that nothing declares, and those that a const of the program declares. */
typedef struct TwSmFree {
  TwSema *s;
  const TwSmScope *scope;
  TwVec(TwName) bound;
  TwIdents columns, consts;
} TwSmFree;
void tw_sm_data_free(TwSmFree *f, const TwExpr *e);
/* A name that means both a const and a column of the file: said so. */
void tw_sm_data_ambiguous(TwSema *s, const TwSmScope *scope, TwIdent id, const TwDataSet *d);

/* The number of values in a row: inputs and further columns; and their locals. */
uint32_t tw_sm_data_width(const TwDataSet *d);
TwLocal **tw_sm_data_locals(TwSema *s, const TwDataSet *d);
/* The values of a row, width of them. */
void tw_sm_data_row(const TwDataSet *d, int64_t row, double *out);
uint32_t tw_sm_data_targets(const TwDataSet *d);
/* Room for the rows of a data set; NULL, reported, where there is none. */
double *tw_sm_data_room(TwSema *s, const TwDataSet *d, uint32_t width);
/* A number drawn for each row, as a column of out: what a draw in a target becomes. */
TwTx *tw_sm_data_draw(TwSema *s, TwDataSet *out, const TwType *type, TwSpan span);
/* Fills in the columns that were drawn. requires: the rest of the rows, or the axes of a grid. */
bool tw_sm_data_drawn(TwSema *s, uint32_t n_drawn, uint64_t seed, TwDataSet *out);

/* ---- derived.c: data sets made from another; false: reported */
bool tw_sm_split(TwSema *s, const TwDecl *d, TwSmScope *scope, TwDataSet *out);
bool tw_sm_standardize(TwSema *s, const TwDecl *d, TwSmScope *scope, TwDataSet *out);
bool tw_sm_normalize(TwSema *s, const TwDecl *d, TwSmScope *scope, TwDataSet *out);
/* Facts of a data set, for each input and then each target; NULL: they cannot be computed. */
struct TwSmFacts {
  double *mean, *deviation, *min, *max;
};
const TwSmFacts *tw_sm_facts(TwSema *s, TwDataSet *d);

/* The columns of a file, bound in scope, and its rows. */
bool tw_sm_csv(TwSema *s, const TwDecl *d, TwSmScope *scope, TwDataSet *out);
bool tw_sm_npy(TwSema *s, const TwDecl *d, TwSmScope *scope, TwDataSet *out);

#endif
