/* onnx.c: a model as a graph of ONNX: from its function over a block of rows to one over a row, without loops; what is
 * the same for every row is computed by the interpreter; the rest becomes nodes, instruction by instruction.
 *
 * requires: the model's function as it was lowered.   provides: bytes; what ONNX cannot say is said. */
#include <ctype.h>
#include <string.h>

#include "compiler/export/onnx_internal.h"
#include "compiler/ir/passes.h"
#include "compiler/opt/opt.h"

enum { MAX_SIZE = 200000 }; /* instructions of a row */

TwOnnxType tw_onnx_type(const TwOnnx *x, TwDtype d) {
  return d == TW_INT ? TW_ONNX_INT64 : d == TW_BOOL ? TW_ONNX_BOOL : x->f64 ? TW_ONNX_DOUBLE : TW_ONNX_FLOAT;
}

void tw_onnx_refuse(TwOnnx *x, TwRef r, const char *why) {
  if (x->why) return;
  x->why = why;
  if (r) x->at = tw_inst(x->f, r)->span;
}

/* ---- one row */

typedef struct Row {
  TwFn *g;
  TwRef *map;    /* per instruction of the block function: what it is in g */
  TwRef **parts; /* of the loop over the block: its results for a row */
  bool *of_row;
} Row;

static bool any_of_row(const Row *w, const TwFn *f, TwRef r) {
  bool any = false;
  for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) any |= w->of_row[tw_arg(f, r, k)];
  return any;
}

static void enter_loop(TwOnnx *x, Row *w, const TwFn *f, TwRef r) {
  const TwRegion *s = tw_region(f, r);
  TwRef *args = TW_NEW_N(x->arena, TwRef, tw_inst(f, r)->n_args + 1);
  bool rows = s->trip == TW_RT_BLOCK && s->n_carry == 0;
  for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) {
    args[k] = w->map[tw_arg(f, r, k)];
    rows &= (k >= s->n_consts) == w->of_row[tw_arg(f, r, k)];
  }
  if (!rows) {
    x->why = "it is not computed row by row";
    x->at = tw_inst(f, r)->span;
    return;
  }
  w->parts[r] = TW_NEW_N(x->arena, TwRef, s->n_ys + 1);
  tw_inline(w->g, s->body, args, w->parts[r]);
}

static void take(TwOnnx *x, Row *w, const TwFn *f, TwRef r) {
  TwOp op = tw_op(f, r);
  w->of_row[r] = any_of_row(w, f, r);
  if (op == TW_OP_samples) {
    w->of_row[r] = true;
    enter_loop(x, w, f, r);
  } else if (op == TW_OP_get && w->parts[tw_arg(f, r, 0)]) {
    w->map[r] = w->parts[tw_arg(f, r, 0)][tw_attr(f, r, 0)];
  } else if (w->of_row[r]) {
    x->why = "it is not computed row by row";
    x->at = tw_inst(f, r)->span;
  } else {
    w->map[r] = tw_copy_inst(w->g, f, r, w->map);
  }
}

/* (what is shown, inputs of a row…) -> outputs of a row. */
static const TwFn *row_function(TwOnnx *x, const TwFn *f, const TwRtFn *slot) {
  uint32_t n = f->insts.len;
  Row w = {.g = tw_fn_new(f->module, "row"),
           .map = TW_NEW_N(x->arena, TwRef, n),
           .parts = TW_NEW_N(x->arena, TwRef *, n),
           .of_row = TW_NEW_N(x->arena, bool, n)};
  for (uint32_t k = 0; k < slot->n_in; k++) {
    TwRef r = f->params.at[k];
    if (slot->in[k].role != TW_RT_SHOWN && slot->in[k].role != TW_RT_INPUT) return x->why = "it reads a data set", NULL;
    w.of_row[r] = slot->in[k].role == TW_RT_INPUT;
    w.map[r] = tw_param(w.g, w.of_row[r] ? tw_ty_tail(f->module, tw_type(f, r)) : tw_type(f, r));
  }
  for (TwRef r = 1; r < n && !x->why; r++)
    if (tw_op(f, r) != TW_OP_param) take(x, &w, f, r);
  for (uint32_t k = 0; k < f->results.len && !x->why; k++) {
    TwRef r = f->results.at[k];
    tw_result(w.g, w.of_row[r] ? w.map[r] : tw_index(w.g, w.map[r], tw_int(w.g, 0)));
  }
  if (x->why) return NULL;
  const TwFn *row = tw_opt_straight(f->module, tw_fn_seal(w.g), MAX_SIZE);
  if (row) return row;
  for (TwRef r = 1; r < n; r++)
    if (tw_op(f, r) == TW_OP_samples) x->at = tw_inst(f, r)->span;
  return x->why = "with all loops written out it is too large", NULL;
}

/* ---- what is known */

static size_t element_size(const TwOnnx *x, TwDtype d) { return d == TW_BOOL ? 1 : d == TW_INT || x->f64 ? 8 : 4; }

double tw_onnx_real(const TwOnnx *x, TwRef r, int64_t e) {
  return x->f64 ? ((const double *)x->known[r])[e] : ((const float *)x->known[r])[e];
}

int64_t tw_onnx_whole(const TwOnnx *x, TwRef r, int64_t e) {
  return tw_onnx_info(x, r)->dtype == TW_BOOL ? ((const uint8_t *)x->known[r])[e] : ((const int64_t *)x->known[r])[e];
}

static bool *rows_of(TwOnnx *x, const TwRtFn *slot) {
  bool *of_row = TW_NEW_N(x->arena, bool, x->f->insts.len);
  for (TwRef r = 1; r < x->f->insts.len; r++) {
    if (tw_op(x->f, r) == TW_OP_param) of_row[r] = slot->in[tw_attr(x->f, r, 0)].role == TW_RT_INPUT;
    for (uint32_t k = 0; k < tw_inst(x->f, r)->n_args; k++) of_row[r] |= of_row[tw_arg(x->f, r, k)];
  }
  return of_row;
}

/* Known values that a row value, or the outside, looks at. */
static bool *wanted(TwOnnx *x) {
  bool *is = TW_NEW_N(x->arena, bool, x->f->insts.len);
  for (TwRef r = 1; r < x->f->insts.len; r++)
    for (uint32_t k = 0; x->of_row[r] && k < tw_inst(x->f, r)->n_args; k++)
      is[tw_arg(x->f, r, k)] = !x->of_row[tw_arg(x->f, r, k)];
  for (uint32_t k = 0; k < x->f->results.len; k++)
    if (!x->of_row[x->f->results.at[k]]) is[x->f->results.at[k]] = true;
  return is;
}

/* What is shown is the only operand that is not of a row. */
static bool compute_known(TwOnnx *x, const double *shown, uint64_t n_shown) {
  const TwFn *f = x->f;
  TwFn *g = tw_fn_new(f->module, "known");
  TwRef *map = TW_NEW_N(x->arena, TwRef, f->insts.len);
  const bool *want = wanted(x);
  void **results = TW_NEW_N(x->arena, void *, f->insts.len), *values = TW_NEW_N(x->arena, double, n_shown + 1);
  uint32_t n = 0;
  for (uint64_t i = 0; i < n_shown; i++) {
    if (x->f64) ((double *)values)[i] = shown[i];
    else ((float *)values)[i] = (float)shown[i];
  }
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (x->of_row[r]) continue;
    if (tw_op(f, r) == TW_OP_draw) return tw_onnx_refuse(x, r, "it draws a number"), false;
    if (tw_op(f, r) == TW_OP_samples) return tw_onnx_refuse(x, r, "it goes over the rows of a data set"), false;
    map[r] = tw_op(f, r) == TW_OP_param ? tw_param(g, tw_type(f, r)) : tw_copy_inst(g, f, r, map);
    if (!want[r]) continue;
    const TwTyInfo *t = tw_onnx_info(x, r);
    x->known[r] = results[n++] = TW_NEW_N(x->arena, double, (uint64_t)t->count + 1);
    tw_result(g, map[r]);
  }
  const TwFn *known = tw_fn_seal(g);
  const void *params[2] = {values, NULL};
  if (!n || tw_interpret(known, x->f64 ? TW_F64 : TW_F32, params, results)) return true;
  return x->why = "there is not enough memory", false;
}

/* ---- names and initializers */

static bool is_taken(const TwOnnx *x, const char *name) {
  for (uint32_t k = 0; k < x->n_taken; k++)
    if (strcmp(x->taken[k], name) == 0) return true;
  return false;
}

const char *tw_onnx_fresh(TwOnnx *x) {
  const char *name;
  do name = tw_arena_printf(x->arena, "t%u", x->next++);
  while (is_taken(x, name));
  return name;
}

const char *tw_onnx_apply(TwOnnx *x, const char *op, const char *const *in, uint32_t n, const TwOnnxAttr *attr) {
  const char *out = tw_onnx_fresh(x);
  tw_onnx_node(&x->graph, op, in, n, out, attr);
  return out;
}

static int64_t product(uint32_t rank, const int64_t *dims) {
  int64_t n = 1;
  for (uint32_t k = 0; k < rank; k++) n *= dims[k];
  return n;
}

const char *tw_onnx_reals(TwOnnx *x, uint32_t rank, const int64_t *dims, const double *values) {
  int64_t n = product(rank, dims);
  const void *data = values;
  if (!x->f64) {
    float *narrow = TW_NEW_N(x->arena, float, (uint64_t)n + 1);
    for (int64_t i = 0; i < n; i++) narrow[i] = (float)values[i];
    data = narrow;
  }
  const char *name = tw_onnx_fresh(x);
  tw_onnx_initializer(&x->graph, name, tw_onnx_type(x, TW_REAL), rank, dims, data);
  return name;
}

const char *tw_onnx_scalar(TwOnnx *x, double value) { return tw_onnx_reals(x, 0, NULL, &value); }

const char *tw_onnx_wholes(TwOnnx *x, uint32_t rank, const int64_t *dims, const int64_t *values) {
  const char *name = tw_onnx_fresh(x);
  tw_onnx_initializer(&x->graph, name, TW_ONNX_INT64, rank, dims, values);
  return name;
}

const char *tw_onnx_operand(TwOnnx *x, TwRef r) {
  if (x->of_row[r]) return x->name[r];
  if (x->flat[r]) return x->flat[r];
  const TwTyInfo *t = tw_onnx_info(x, r);
  size_t size = element_size(x, t->dtype);
  bool alike = t->count > 0;
  for (int64_t e = 1; e < t->count; e++)
    alike &= memcmp(x->known[r], (const char *)x->known[r] + (size_t)e * size, size) == 0;
  const char *name = tw_onnx_fresh(x);
  tw_onnx_initializer(&x->graph, name, tw_onnx_type(x, t->dtype), !alike, &t->count, x->known[r]);
  return x->flat[r] = name;
}

const char *tw_onnx_arg(TwOnnx *x, TwRef r, uint32_t k) { return tw_onnx_operand(x, tw_arg(x->f, r, k)); }

/* ---- the graph */

/* A dot that nothing but an addition uses, whose other operand is known: a Gemm has place for both. */
static bool *dots_with_bias(TwOnnx *x) {
  const TwFn *f = x->f;
  uint32_t *uses = TW_NEW_N(x->arena, uint32_t, f->insts.len);
  bool *is = TW_NEW_N(x->arena, bool, f->insts.len);
  for (TwRef r = 1; r < f->insts.len; r++)
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) uses[tw_arg(f, r, k)]++;
  for (uint32_t k = 0; k < f->results.len; k++) uses[f->results.at[k]]++;
  for (TwRef r = 1; r < f->insts.len; r++) {
    if (tw_op(f, r) != TW_OP_add) continue;
    for (uint32_t k = 0; k < 2; k++) {
      TwRef dot = tw_arg(f, r, k), other = tw_arg(f, r, 1 - k);
      if (x->of_row[dot] && tw_op(f, dot) == TW_OP_dot && uses[dot] == 1 && !x->of_row[other]) is[dot] = true;
    }
  }
  return is;
}

/* "h_0_" of "h[0]": letters, digits and _, of which ONNX makes names; not one that is there. */
static const char *port_name(TwOnnx *x, const char *name, const char **taken) {
  char *out = tw_arena_printf(x->arena, "%s%s", isalpha((unsigned char)*name) ? "" : "_", name);
  for (char *c = out; *c; c++)
    if (!isalnum((unsigned char)*c)) *c = '_';
  x->taken = taken;
  while (is_taken(x, out)) out = tw_arena_printf(x->arena, "%s_out", out);
  return taken[x->n_taken++] = out;
}

static const char *port_doc(TwOnnx *x, const TwRtTensor *t) {
  const char *dims = "";
  for (uint32_t k = 0; k < t->rank; k++)
    dims = tw_arena_printf(x->arena, "%s%s%lld", dims, k ? ", " : "", (long long)t->dims[k]);
  return tw_arena_printf(x->arena, t->rank ? "%s[%s] of each row" : "%s%s of each row", t->name, dims);
}

/* An output that is the same for all rows, as many times as there are rows. */
static const char *repeated(TwOnnx *x, TwRef r, const char *some_input, int64_t width) {
  const TwTyInfo *t = tw_onnx_info(x, r);
  int64_t first = 0;
  uint8_t *yes = TW_NEW_N(x->arena, uint8_t, (uint64_t)t->count + 1);
  memset(yes, 1, (size_t)t->count);
  const char *column = tw_onnx_gather(x, some_input, TW_REAL, width, &first, 1), *mask = tw_onnx_fresh(x);
  tw_onnx_initializer(&x->graph, mask, TW_ONNX_BOOL, 1, &t->count, yes);
  return tw_onnx_apply(x, "Where", (const char *const[]){mask, tw_onnx_operand(x, r), column}, 3, NULL);
}

static void write_graph(TwOnnx *x, const TwExport *e) {
  const TwRtModel *m = e->model;
  const TwRtFn *slot = &m->predict;
  const char **taken = TW_NEW_N(x->arena, const char *, m->n_inputs + m->n_outputs + 1);
  const char **in = TW_NEW_N(x->arena, const char *, m->n_inputs + 1),
             **out = TW_NEW_N(x->arena, const char *, m->n_outputs + 1);
  for (uint32_t k = 0; k < m->n_inputs; k++) in[k] = port_name(x, m->inputs[k].name, taken);
  for (uint32_t k = 0; k < m->n_outputs; k++) out[k] = port_name(x, m->outputs[k].name, taken);
  for (uint32_t k = 0; k < slot->n_in; k++)
    if (slot->in[k].role == TW_RT_INPUT) x->name[x->f->params.at[k]] = in[slot->in[k].index];
  x->with_bias = dots_with_bias(x);
  for (TwRef r = 1; r < x->f->insts.len && !x->why; r++)
    if (x->of_row[r] && tw_op(x->f, r) != TW_OP_param && !x->with_bias[r]) tw_onnx_emit(x, r);
  for (uint32_t k = 0; k < m->n_inputs && !x->why; k++)
    tw_onnx_port(&x->graph, true, in[k], tw_onnx_type(x, TW_REAL), (int64_t)m->inputs[k].count,
                 port_doc(x, &m->inputs[k]));
  uint32_t some = 0;
  while (m->inputs[some].count == 0) some++; /* there is one that is not empty */
  for (uint32_t k = 0; k < m->n_outputs && !x->why; k++) {
    TwRef r = x->f->results.at[k];
    const char *value = x->of_row[r] ? x->name[r] : repeated(x, r, in[some], (int64_t)m->inputs[some].count);
    tw_onnx_node(&x->graph, "Identity", &value, 1, out[k], NULL);
    tw_onnx_port(&x->graph, false, out[k], tw_onnx_type(x, tw_onnx_info(x, r)->dtype), (int64_t)m->outputs[k].count,
                 port_doc(x, &m->outputs[k]));
  }
}

bool tw_export_onnx(const TwExport *e, TwArena *arena, const char *version, const unsigned char **bytes, size_t *n,
                    const char **why, TwSpan *at) {
  TwOnnx x = {.arena = arena, .graph = {.arena = arena}, .f64 = e->p->f64};
  const TwRtFn *slot = &e->model->predict;
  if (e->model->in_width) {
    x.f = row_function(&x, e->predict, slot);
  } else { /* nothing in the graph would have the dimension N of its outputs */
    x.why = "it has no input, from which a graph would know how many rows there are";
    x.at = tw_inst(e->predict, e->predict->results.at[0])->span;
  }
  if (x.f) {
    uint32_t size = x.f->insts.len;
    x.of_row = rows_of(&x, slot);
    x.known = TW_NEW_N(arena, const void *, size);
    x.name = TW_NEW_N(arena, const char *, size);
    x.flat = TW_NEW_N(arena, const char *, size);
    if (compute_known(&x, e->shown, e->p->n_shown)) write_graph(&x, e);
  }
  *why = x.why;
  *at = x.at;
  if (x.why) return false;
  TwPb model = tw_onnx_model(
      arena, e->model->name,
      tw_arena_printf(arena, "model '%s' of %s, with trained values", e->model->name, e->p->path), version, &x.graph);
  if (model.n > INT32_MAX) return *why = "the file would have more than 2 GiB, the limit of its format", false;
  *bytes = model.at;
  *n = model.n;
  return true;
}
