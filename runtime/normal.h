/* normal.h: least squares by the normal equations, in f64, in an order of our own.
 *
 * A LAPACK would do both halves, but its last bits depend on the processor. Here every sum has one order: a result is
 * the same for any vector width and any number of threads (P7). */
#ifndef TW_RUNTIME_NORMAL_H
#define TW_RUNTIME_NORMAL_H

#include <stdbool.h>
#include <stdint.h>

/* Room from one column, or row of a matrix, to the next. */
static inline uint64_t tw_nm_stride(uint64_t n) { return (n + 15) / 16 * 16; }

/* Which registers are used at most: 128, 256 or 512 bits (for tests); NULL: the widest there are. */
typedef struct TwNmWidth {
  int bits;
} TwNmWidth;

/* gram += JᵀJ, in the lower triangle, and rhs += Jᵀr, for the `rows` rows of a block (a multiple of 16; rows of zeros
 * do not matter). Column k of J is at j + k * rows. In a block, row i adds to partial sum i mod 8, by fma, from +0; the
 * eight are folded by halves, and the block is added to what was there. gram: n rows of tw_nm_stride(n). */
void tw_nm_accumulate(const TwNmWidth *w, const double *j, const double *r, uint64_t rows, uint64_t n, double *gram,
                      double *rhs);

/* The Cholesky factor of a, whose lower triangle comes in; it leaves as Lᵀ in the upper one. false: a is not positive
 * definite to working precision. Element (i, k): a_ik - l_i0 l_k0 - l_i1 l_k1 - …, by fma, in this order. */
bool tw_nm_factor(const TwNmWidth *w, double *a, uint64_t n);
/* x := the solution of L Lᵀ x = x. */
void tw_nm_solve(const TwNmWidth *w, const double *l, uint64_t n, double *x);

/* In each linear piece of a net of one input t, its derivatives by the weights are linear in t too, so two rows do for
 * all of a piece's. Where t goes one way and every column lies on a line in t, runs of rows become two that have the
 * same JᵀJ and Jᵀr, but for rounding; in place, the columns one after another. Rows in any other order stay. Returns
 * how many rows there are now, a multiple of 16, or `rows`, nothing having been done, where few lie so. `valid`: rows
 * that count, the others are zeros. scratch: TW_NM_SCRATCH * rows.
 *
 * "On a line" is asked of each row and its two neighbours, to 1e-13 of the largest of every eighth element
 * of the column. Columns that bend evenly may so be off the line through a run of m rows by m²/8 of that, 3e-9 for a
 * block of 512: a smooth net on a grid finer than 4e-7. That moves a step of lm by as much; the loss is made without
 * it. Fewer than four columns are left as they are. */
enum { TW_NM_SCRATCH = 8 };
uint64_t tw_nm_squeeze(const TwNmWidth *w, const double *t, double *j, double *r, uint64_t valid, uint64_t rows,
                       uint64_t n, double *scratch);

/* Σ a_i b_i in the order of accumulate, all in one block; n elements, no padding. */
double tw_nm_dot(const double *a, const double *b, uint64_t n);

#endif
