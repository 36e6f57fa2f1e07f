/* jacobian.c: d weights / d params by forward mode: one run of the tangent program a column.
 *
 * Set_Weights as lowered is a function of coordinates (of a logistic, of an exponential). A param's natural
 * value depends on its own coordinate alone, so a column by the natural value is the column by the coordinate
 * divided by the derivative of the transform, which the same run gives. */
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

bool tw_probe_jacobian(TwProbe *p, const double *values, TwJacobian *out) {
  const TwProgram *program = p->program;
  TwArena *arena = &p->unit->arena;
  *out = (TwJacobian){0};
  for (uint32_t k = 0; k < program->params.len; k++)
    tw_leaves(p->unit, program->params.at[k].type, program->params.at[k].name, &out->column_leaves);
  for (uint32_t k = 0; k < program->weights.len; k++)
    tw_leaves(p->unit, program->weights.at[k].type, program->weights.at[k].name, &out->row_leaves);
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
  for (uint64_t c = 0; c < out->columns; c++) {
    direction[c] = 1;
    if (!tw_call_run(&call, NULL)) return false;
    direction[c] = 0;
    const double *tangent = tw_call_reals(&call, 1);
    for (uint64_t r = 0; r < out->rows; r++) {
      double d = tangent[out->columns + r];
      out->at[r * out->columns + c] = d == 0 ? 0 : d / tangent[c];
    }
  }
  return true;
}
