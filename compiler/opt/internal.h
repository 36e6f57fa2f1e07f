/* internal.h: what the passes share.
 *
 * A pass is a rebuild: it walks a sealed function and emits another. Emission through tw_opt_copy keeps two
 * more normal forms than the builder does: signs are outermost (signs.c) and views are direct (view.c). */
#ifndef TW_OPT_INTERNAL_H
#define TW_OPT_INTERNAL_H

#include "compiler/opt/opt.h"

/* One run of a pass: scratch memory dies with it. */
typedef struct TwPass {
  TwModule *m;
  TwOptLimits limits;
  TwArena scratch;
  uint32_t size;     /* unroll, flatten: instructions so far */
  uint32_t max_size; /* flatten: give up beyond */
  bool failed;
} TwPass;

/* ---- rebuild.c */
bool tw_opt_is_region(TwOp op);
bool tw_opt_is_elementwise(TwOp op);
/* Number of uses of each instruction, as an operand or a result. */
uint32_t *tw_opt_uses(TwPass *p, const TwFn *f);
/* Which instructions the given results of f depend on (all results if `want` is NULL). */
bool *tw_opt_live(TwPass *p, const TwFn *f, const bool *want);
/* Same instructions, operands and results, recursively. */
bool tw_opt_equal(const TwFn *a, const TwFn *b);
/* Re-emits r in normal form. Not for params; regions keep their body. */
TwRef tw_opt_copy(TwFn *g, const TwFn *f, TwRef r, const TwRef *map);
/* An elementwise operation in normal form. */
TwRef tw_opt_op(TwFn *g, TwOp op, const TwRef *args, uint32_t n);
/* A region with operands mapped and (a) new bod(ies), everything else alike. */
TwRef tw_opt_with_body(TwPass *p, TwFn *g, const TwFn *f, TwRef r, const TwRef *map, const TwFn *body,
                       const TwFn *other);
/* Is there such an instruction, at any depth of bodies? */
bool tw_opt_has(const TwFn *f, TwOp op);
/* Rebuilds f with `pass` applied to every region body; f itself if that changes none. */
const TwFn *tw_opt_bodies(TwPass *p, const TwFn *f, const TwFn *(*pass)(TwPass *p, const TwFn *f));
/* The whole of f, an empty function with the params of f, and the map between: what most passes open with. */
TwFn *tw_opt_open(TwPass *p, const TwFn *f, TwRef **map);
const TwFn *tw_opt_close(TwFn *g, const TwFn *f, const TwRef *map);

/* ---- view.c: shape operations are maps of element numbers (row major) */
/* Element k of t, found through views: the value that was put there, or a load from what is no view. */
TwRef tw_view_elem(TwFn *g, TwRef t, int64_t k);
/* The [n] of elements start, start + step, … of t, found likewise. */
TwRef tw_view_line(TwFn *g, TwRef t, int64_t start, int64_t step, int64_t n);
/* r, or the same value with fewer views in between. */
TwRef tw_view_direct(TwFn *g, TwRef r);
/* A tensor of the given elements; a slice if that is what they are. */
TwRef tw_view_pack(TwFn *g, TwTy type, const TwRef *elems);
/* Column j of t: [T, R…], flattened over R…: the [T] of elements j, j + R, … */
TwRef tw_view_column(TwFn *g, TwRef t, int64_t j);
/* The [T, R…] whose columns these are. */
TwRef tw_view_columns(TwFn *g, TwTy type, const TwRef *columns);

/* ---- clean.c */
const TwFn *tw_clean_round(TwPass *p, const TwFn *f);
/* ---- unroll.c: trip and size limits, or without (flatten) */
const TwFn *tw_unroll_fn(TwPass *p, const TwFn *f);
/* ---- scalarize.c */
const TwFn *tw_scalarize_fn(TwPass *p, const TwFn *f, bool everything);
/* ---- carries.c: carries of a scan that are alike become one */
const TwFn *tw_merge_carries_fn(TwPass *p, const TwFn *f);
/* ---- pads.c: a sum of pads is a concat */
const TwFn *tw_opt_join_pads(TwModule *m, const TwFn *f);

#endif
