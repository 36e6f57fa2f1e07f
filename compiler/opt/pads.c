/* pads.c: a sum of pads is a concat.
 *
 * The gradient of a vector whose elements and slices are used one by one is a sum of vectors that are zero
 * but in one place each. Emitted as it stands that is quadratic work; put side by side it is none.
 *
 * requires: a sealed function.
 * provides: the same function in which a tree of additions with two or more pads among its leaves is a concat of
 *   what the pads hold. Where they overlap the pieces are added, in the order of the leaves. Leaves that are no pads
 *   are added whole, afterwards. Of a type with several axes a pad is one only if it has whole rows of the first axis,
 *   one after the other, as the layers of a stack are: then it is a stretch of the elements in their order.
 * breaks: the order of those additions; 0 + x is x. */
#include <stdlib.h>

#include "compiler/opt/internal.h"

typedef struct Piece {
  TwRef value; /* rank 1, in the new function */
  int64_t at, n, step;
} Piece;
typedef TwVec(Piece) Pieces;
typedef TwVec(TwRef) Refs;

static bool joins(const TwFn *f, TwRef r) {
  const TwTyInfo *t = tw_info(f, r);
  return tw_op(f, r) == TW_OP_add && t->rank >= 1 && t->dtype == TW_REAL;
}

static bool is_piece(const TwFn *f, TwRef r) {
  if (tw_op(f, r) != TW_OP_pad) return false;
  const TwTyInfo *t = tw_info(f, r), *of = tw_info(f, tw_arg(f, r, 0));
  bool whole = t->rank == 1 || tw_attr(f, r, 1) == 1;
  for (uint32_t k = 1; k < t->rank; k++) whole = whole && of->dims[k] == t->dims[k];
  return whole;
}

/* Leaves of the tree of single-use additions under r, in order. */
static void collect(TwPass *p, const TwFn *f, TwRef r, const uint32_t *uses, Refs *out) {
  Refs todo = {0};
  tw_vec_push(&p->scratch, &todo, r);
  while (todo.len) {
    TwRef x = todo.at[--todo.len];
    if (x == r || (joins(f, x) && uses[x] == 1)) {
      tw_vec_push(&p->scratch, &todo, tw_arg(f, x, 1));
      tw_vec_push(&p->scratch, &todo, tw_arg(f, x, 0));
    } else {
      tw_vec_push(&p->scratch, out, x);
    }
  }
}

static TwTy line(TwFn *g, int64_t n) { return tw_ty(g->module, TW_REAL, 1, &n); }

static TwRef part(TwFn *g, const Piece *q, int64_t lo, int64_t hi) {
  if (lo == q->at && hi == q->at + q->n) return q->value;
  return tw_view_line(g, q->value, lo - q->at, 1, hi - lo);
}

/* Strided pads of one step and length that start within one step of each other are woven to a dense piece. */
static void weave(TwPass *p, TwFn *g, Pieces *in, int64_t total) {
  for (uint32_t k = 0; k < in->len; k++) {
    Piece first = in->at[k];
    if (first.step == 1) continue;
    int64_t base = first.at - first.at % first.step, width = first.step;
    TwRef *column = TW_NEW_N(&p->scratch, TwRef, width);
    uint32_t kept = k;
    for (uint32_t j = k; j < in->len; j++) {
      Piece q = in->at[j];
      bool fits = q.step == width && q.n == first.n && q.at >= base && q.at < base + width;
      if (!fits) in->at[kept++] = q;
      else if (column[q.at - base]) column[q.at - base] = tw_binary(g, TW_OP_add, column[q.at - base], q.value);
      else column[q.at - base] = q.value;
    }
    in->len = kept;
    for (int64_t c = 0; c < width; c++)
      if (!column[c]) column[c] = tw_zeros(g, line(g, first.n));
    int64_t dims[2] = {first.n, width}, n = first.n * width;
    TwRef dense = tw_view_columns(g, tw_ty(g->module, TW_REAL, 2, dims), column);
    dense = tw_reshape(g, dense, line(g, n));
    if (base + n > total) {
      n = total - base;
      dense = tw_view_line(g, dense, 0, 1, n);
    }
    tw_vec_push(&p->scratch, in, (Piece){.value = dense, .at = base, .n = n, .step = 1});
    k--;
  }
}

static int by_number(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static TwRef side_by_side(TwPass *p, TwFn *g, const Pieces *in, int64_t total) {
  int64_t *cut = TW_NEW_N(&p->scratch, int64_t, 2 * (uint64_t)in->len + 2);
  uint32_t n = 0;
  cut[n++] = 0;
  cut[n++] = total;
  for (uint32_t k = 0; k < in->len; k++) {
    cut[n++] = in->at[k].at;
    cut[n++] = in->at[k].at + in->at[k].n;
  }
  qsort(cut, n, sizeof *cut, by_number);
  Refs parts = {0};
  for (uint32_t c = 0; c + 1 < n; c++) {
    int64_t lo = cut[c], hi = cut[c + 1];
    if (lo == hi) continue;
    TwRef acc = 0;
    for (uint32_t k = 0; k < in->len; k++) {
      const Piece *q = &in->at[k];
      if (q->at > lo || q->at + q->n < hi) continue;
      TwRef x = part(g, q, lo, hi);
      acc = acc ? tw_binary(g, TW_OP_add, acc, x) : x;
    }
    tw_vec_push(&p->scratch, &parts, acc ? acc : tw_zeros(g, line(g, hi - lo)));
  }
  return parts.len == 1 ? parts.at[0] : tw_concat(g, parts.at, parts.len, 0);
}

static TwRef join(TwPass *p, TwFn *g, const TwFn *f, TwRef r, const uint32_t *uses, const TwRef *map) {
  Refs leaf = {0}, others = {0};
  Pieces pads = {0};
  collect(p, f, r, uses, &leaf);
  int64_t total = tw_info(f, r)->count;
  for (uint32_t k = 0; k < leaf.len; k++) {
    TwRef x = leaf.at[k];
    if (!is_piece(f, x)) {
      tw_vec_push(&p->scratch, &others, map[x]);
      continue;
    }
    TwRef of = tw_arg(f, x, 0);
    const TwTyInfo *t = tw_info(f, x);
    Piece q = {.value = map[of], .n = tw_info(f, of)->count, .step = tw_attr(f, x, 1)};
    q.at = tw_attr(f, x, 0) * (t->dims[0] ? t->count / t->dims[0] : 0);
    if (t->rank > 1) q.value = tw_reshape(g, q.value, line(g, q.n));
    if (q.n == 1) q.step = 1;
    tw_vec_push(&p->scratch, &pads, q);
  }
  if (pads.len < 2) return 0;
  g->at = tw_inst(f, r)->span;
  weave(p, g, &pads, total);
  TwRef acc = tw_reshape(g, side_by_side(p, g, &pads, total), tw_type(f, r));
  for (uint32_t k = 0; k < others.len; k++) acc = tw_binary(g, TW_OP_add, others.at[k], acc);
  return acc;
}

static const TwFn *join_fn(TwPass *p, const TwFn *f) {
  f = tw_opt_bodies(p, f, join_fn);
  uint32_t *uses = tw_opt_uses(p, f);
  bool *covered = TW_NEW_N(&p->scratch, bool, f->insts.len); /* inside a tree, not its root */
  bool any = false;
  for (TwRef r = f->insts.len - 1; r > 0; r--) {
    if (!joins(f, r)) continue;
    for (uint32_t k = 0; k < 2; k++) {
      TwRef x = tw_arg(f, r, k);
      covered[x] = covered[x] || (joins(f, x) && uses[x] == 1);
      any = any || is_piece(f, x);
    }
  }
  if (!any) return f;
  TwRef *map;
  TwFn *g = tw_opt_open(p, f, &map);
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (tw_op(f, r) == TW_OP_param) continue;
    if (joins(f, r) && !covered[r]) map[r] = join(p, g, f, r, uses, map);
    if (!map[r]) map[r] = tw_opt_copy(g, f, r, map);
  }
  return tw_opt_close(g, f, map);
}

const TwFn *tw_opt_join_pads(TwModule *m, const TwFn *f) {
  if (!tw_opt_has(f, TW_OP_pad)) return f;
  TwPass p = {.m = m};
  const TwFn *g = join_fn(&p, f);
  tw_arena_free(&p.scratch);
  return g;
}
