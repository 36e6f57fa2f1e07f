/* jacobian.c: d weights / d params by forward mode: one run of the tangent program a column.
 *
 * Set_Weights as lowered is a function of coordinates (of a logistic, of an exponential). Where an element's natural
 * value depends on its own coordinate alone, a column by the natural value is the column by the coordinate
 * divided by the derivative of the transform, which the same run gives. Of a param in a declared domain (simplex, say)
 * the natural values are not independent: its columns are by its coordinates, `share.coordinate[0]`. */
#include "compiler/ad/ad.h"
#include "compiler/probe/internal.h"

static uint64_t count_of(const TwLeaves *l) {
  uint64_t n = 0;
  for (uint32_t k = 0; k < l->len; k++) n += l->at[k].count;
  return n;
}

static const char *element_of(TwProbe *p, const TwLeaves *l, uint64_t e) {
  for (uint32_t k = 0; k < l->len; k++) {
    if (e < l->at[k].count) return tw_leaf_element(p->unit, &l->at[k], e);
    e -= l->at[k].count;
  }
  return "";
}

const char *tw_jacobian_row(TwProbe *p, const TwJacobian *j, uint64_t row) {
  return element_of(p, &j->row_leaves, row);
}
const char *tw_jacobian_column(TwProbe *p, const TwJacobian *j, uint64_t column) {
  return element_of(p, &j->column_leaves, column);
}

TwSpan tw_jacobian_span(const TwJacobian *j, uint64_t row) {
  uint32_t k = 0;
  while (row >= j->row_leaves.at[k].count) row -= j->row_leaves.at[k++].count;
  return j->row_spans.at[k];
}

bool tw_probe_jacobian(TwProbe *p, const double *values, TwJacobian *out) {
  const TwProgram *program = p->program;
  TwArena *arena = &p->unit->arena;
  *out = (TwJacobian){0};
  uint64_t n_natural = 0;
  for (uint32_t k = 0; k < program->params.len; k++) {
    const TwParam *q = &program->params.at[k];
    const char *name = q->domain ? tw_arena_printf(arena, "%s.coordinate", q->name) : q->name;
    tw_leaves(p->unit, tw_param_coord(q), name, &out->column_leaves);
    n_natural += p->lowered->rt->params[k].count;
  }
  for (uint32_t k = 0; k < program->weights.len; k++) {
    const TwWeights *w = &program->weights.at[k];
    tw_leaves(p->unit, w->type, w->name, &out->row_leaves);
    while (out->row_spans.len < out->row_leaves.len) tw_vec_push(arena, &out->row_spans, w->span);
  }
  out->rows = count_of(&out->row_leaves);
  out->columns = count_of(&out->column_leaves);
  out->at = TW_NEW_N(arena, double, out->rows * out->columns + 1);

  const TwFn *set_weights = tw_lower_set_weights(p->unit, program, p->lowered);
  const bool active[2] = {true, false};
  const TwFn *jvp = tw_jvp(p->lowered->module, set_weights, active);
  TwCall call = tw_call(arena, jvp, TW_F64);
  double none = 0, *direction = TW_NEW_N(arena, double, p->lowered->rt->n_values + 1);
  call.in[0] = values ? values : p->values;
  call.in[1] = &none;
  call.in[2] = direction;
  /* Params come first, in order, in VALUES and in SHOWN. */
  uint64_t c = 0;
  for (uint32_t k = 0; k < program->params.len; k++) {
    const TwRtParam *q = &p->lowered->rt->params[k];
    uint64_t n = out->column_leaves.at[k].count;
    for (uint64_t e = 0; e < n; e++, c++) {
      direction[c] = 1;
      if (!tw_call_run(&call, NULL)) return false;
      direction[c] = 0;
      const double *tangent = tw_call_reals(&call, 1);
      for (uint64_t r = 0; r < out->rows; r++) {
        double d = tangent[n_natural + r];
        out->at[r * out->columns + c] = d == 0 || q->domain ? d : d / tangent[q->at + e];
      }
    }
  }
  return true;
}
