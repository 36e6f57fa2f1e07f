/* regions_tape.c: from the tape of program.h to one of affine maps and relus.
 *
 * requires: nothing of the tape it is given: a malformed one is refused with a text.
 * provides: ops in an order that keeps few values alive, each value in a slot.
 *
 * |a| = 2 relu(a) - a, min(a, b) = a - relu(a - b) and max(a, b) = b + relu(a - b), exactly over the reals,
 * with the same states of the switch (a or a - b positive or not).
 *
 * A value that is alive where a relu splits the interval has to be interpolated at each new point, so what
 * counts is how few are alive there. In a layered net it is best to make all the operands of a layer first
 * (the layer before dies) and then the relus in place; in a long running sum it is best to keep the order
 * given. Both are tried. */
#include <stdlib.h>
#include <string.h>

#include "runtime/regions_internal.h"

enum { NONE = 0xffffffffu };

typedef struct Value {
  TwRgKind kind; /* value 0 is x and has none */
  bool is_unit;
  uint32_t a, bias, term, n_terms, level;
} Value;

typedef struct Build {
  const TwRtPl *pl;
  uint32_t *value_of; /* by node */
  Value *values;
  uint32_t n_values, n_terms;
  TwRgTerm *terms; /* slot: a value as yet */
  uint32_t output;
  uint32_t *order[2], *last; /* ops as values; by value: position of the last reader */
} Build;

static bool coefficient_ok(const TwRtPl *pl, uint32_t number) {
  return number < pl->n_coeffs || number == TW_PL_ZERO || number == TW_PL_ONE || number == TW_PL_MINUS_ONE;
}

static bool node_ok(const TwRtPl *pl, uint32_t i) {
  const TwRtPlNode *n = &pl->nodes[i];
  switch (n->kind) {
    case TW_PL_INPUT: return true;
    case TW_PL_RELU:
    case TW_PL_ABS: return n->a < i;
    case TW_PL_MIN:
    case TW_PL_MAX: return n->a < i && n->b < i;
    case TW_PL_AFFINE: break;
    default: return false; /* a number from an object file, which may be none of them */
  }
  if (!coefficient_ok(pl, n->bias) || n->term > pl->n_terms || n->n_terms > pl->n_terms - n->term) return false;
  for (uint32_t k = n->term; k < n->term + n->n_terms; k++)
    if (pl->terms[k].node >= i || !coefficient_ok(pl, pl->terms[k].coeff)) return false;
  return true;
}

static const char *refuse(const TwRtPl *pl) {
  if (!pl) return "there is no piecewise-linear form of the model";
  if (pl->why_not) return pl->why_not;
  if (pl->n_nodes == 0 || !pl->nodes) return "there is no piecewise-linear form of the model";
  if (pl->n_nodes > (1u << 28) || pl->n_terms > (1u << 28) || pl->n_coeffs >= TW_RG_TWO)
    return "the model is too large for counting its regions";
  if (pl->output >= pl->n_nodes) return "the piecewise-linear form of the model is malformed";
  for (uint32_t i = 0; i < pl->n_nodes; i++)
    if (!node_ok(pl, i)) return "the piecewise-linear form of the model is malformed";
  return NULL;
}

static void add_term(Build *b, uint32_t coeff, uint32_t value) {
  if (coeff != TW_PL_ZERO) b->terms[b->n_terms++] = (TwRgTerm){coeff, value};
}

static uint32_t add_value(Build *b, Value v) {
  v.n_terms = b->n_terms - v.term;
  uint32_t level = v.kind == TW_RG_RELU ? b->values[v.a].level + 1 : 0;
  for (uint32_t k = v.term; v.kind == TW_RG_AFFINE && k < b->n_terms; k++)
    if (b->values[b->terms[k].slot].level > level) level = b->values[b->terms[k].slot].level;
  v.level = level;
  b->values[b->n_values] = v;
  return b->n_values++;
}

/* bias-free p a + q b */
static uint32_t add_pair(Build *b, uint32_t p, uint32_t x, uint32_t q, uint32_t y) {
  Value v = {.kind = TW_RG_AFFINE, .bias = TW_PL_ZERO, .term = b->n_terms};
  add_term(b, p, x);
  add_term(b, q, y);
  return add_value(b, v);
}

static uint32_t add_relu(Build *b, uint32_t a, bool is_unit) {
  return add_value(b, (Value){.kind = TW_RG_RELU, .a = a, .is_unit = is_unit, .term = b->n_terms});
}

static uint32_t add_node(Build *b, const TwRtPlNode *n) {
  uint32_t p, q, r;
  switch (n->kind) {
    case TW_PL_INPUT: return 0;
    case TW_PL_RELU: return add_relu(b, b->value_of[n->a], true);
    case TW_PL_ABS:
      p = b->value_of[n->a];
      r = add_relu(b, p, false);
      return add_pair(b, TW_RG_TWO, r, TW_PL_MINUS_ONE, p);
    case TW_PL_MIN:
    case TW_PL_MAX:
      p = b->value_of[n->a];
      q = b->value_of[n->b];
      r = add_relu(b, add_pair(b, TW_PL_ONE, p, TW_PL_MINUS_ONE, q), false);
      return n->kind == TW_PL_MIN ? add_pair(b, TW_PL_ONE, p, TW_PL_MINUS_ONE, r)
                                  : add_pair(b, TW_PL_ONE, q, TW_PL_ONE, r);
    case TW_PL_AFFINE: break;
  }
  Value v = {.kind = TW_RG_AFFINE, .bias = n->bias, .term = b->n_terms};
  for (uint32_t k = n->term; k < n->term + n->n_terms; k++)
    add_term(b, b->pl->terms[k].coeff, b->value_of[b->pl->terms[k].node]);
  return add_value(b, v);
}

/* By level, relus that start a level before the affine maps on it; stable. */
static bool order_by_level(const Build *b, uint32_t *order) {
  size_t n_keys = 2;
  for (uint32_t v = 1; v < b->n_values; v++)
    if (2 * (size_t)b->values[v].level + 2 > n_keys) n_keys = 2 * (size_t)b->values[v].level + 2;
  uint32_t *at = calloc(n_keys + 1, sizeof *at);
  if (!at) return false;
  for (int pass = 0; pass < 2; pass++) {
    for (uint32_t v = 1; v < b->n_values; v++) {
      size_t key = 2 * (size_t)b->values[v].level + (b->values[v].kind == TW_RG_AFFINE);
      if (pass == 0) at[key + 1]++;
      else order[at[key]++] = v;
    }
    for (size_t k = 1; pass == 0 && k <= n_keys; k++) at[k] += at[k - 1];
  }
  free(at);
  return true;
}

static void find_last(const Build *b, const uint32_t *order, uint32_t *last) {
  for (uint32_t v = 0; v < b->n_values; v++) last[v] = NONE;
  for (uint32_t p = 0; p + 1 < b->n_values; p++) {
    const Value *v = &b->values[order[p]];
    if (v->kind == TW_RG_RELU) last[v->a] = p;
    for (uint32_t k = v->term; v->kind == TW_RG_AFFINE && k < v->term + v->n_terms; k++) last[b->terms[k].slot] = p;
  }
  last[0] = last[b->output] = b->n_values; /* never die */
}

static uint32_t most_alive(const Build *b, const uint32_t *order, uint32_t *last) {
  find_last(b, order, last);
  int64_t now = 1, most = 1;
  for (uint32_t p = 0; p + 1 < b->n_values; p++) {
    const Value *v = &b->values[order[p]];
    now += last[order[p]] != NONE;
    most = now > most ? now : most;
    if (v->kind == TW_RG_RELU) now -= last[v->a] == p;
    for (uint32_t k = v->term; v->kind == TW_RG_AFFINE && k < v->term + v->n_terms; k++)
      if (last[b->terms[k].slot] == p) {
        now--;
        last[b->terms[k].slot] = b->n_values; /* counted */
      }
  }
  return (uint32_t)most;
}

/* Gives every value of `order` a slot and writes the ops. */
static bool assign_slots(Build *b, TwRgTape *t, const uint32_t *order) {
  uint32_t *slot = malloc(b->n_values * sizeof *slot), *vacant = malloc(b->n_values * sizeof *vacant);
  uint32_t n_vacant = 0, n_kills = 0;
  bool ok = slot && vacant;
  if (ok) {
    find_last(b, order, b->last);
    slot[0] = 0;
    t->n_slots = 1;
  }
  for (uint32_t p = 0; ok && p + 1 < b->n_values; p++) {
    const Value *v = &b->values[order[p]];
    TwRgOp *op = &t->ops[p];
    *op = (TwRgOp){.kind = v->kind, .bias = v->bias, .term = v->term, .kill = n_kills, .is_unit = v->is_unit};
    op->n_terms = v->kind == TW_RG_AFFINE ? v->n_terms : 0;
    op->a = v->kind == TW_RG_RELU ? slot[v->a] : 0;
    if (v->kind == TW_RG_RELU && b->last[v->a] == p) t->kills[n_kills++] = slot[v->a];
    for (uint32_t k = v->term; k < v->term + op->n_terms; k++) {
      uint32_t from = b->terms[k].slot;
      t->terms[k] = (TwRgTerm){b->terms[k].coeff, slot[from]};
      if (b->last[from] == p) {
        t->kills[n_kills++] = slot[from];
        b->last[from] = b->n_values;
      }
    }
    op->n_kills = n_kills - op->kill;
    for (uint32_t k = op->kill; k < n_kills; k++) vacant[n_vacant++] = t->kills[k];
    op->out = slot[order[p]] = n_vacant > 0 ? vacant[--n_vacant] : t->n_slots++;
    op->unread = b->last[order[p]] == NONE;
    if (op->unread) vacant[n_vacant++] = op->out;
  }
  if (ok) t->output = slot[b->output];
  free(slot);
  free(vacant);
  return ok;
}

static bool build(Build *b, TwRgTape *t) {
  const TwRtPl *pl = b->pl;
  size_t most = 3 * (size_t)pl->n_nodes + 1; /* at most three values and four terms a node */
  size_t terms = pl->n_terms + 4 * (size_t)pl->n_nodes + 1;
  b->value_of = malloc(pl->n_nodes * sizeof *b->value_of);
  b->values = malloc(most * sizeof *b->values);
  b->last = malloc(most * sizeof *b->last);
  b->order[0] = malloc(most * sizeof *b->order[0]);
  b->order[1] = malloc(most * sizeof *b->order[1]);
  size_t shared = 0; /* terms may be shared between nodes of the tape given */
  for (uint32_t i = 0; i < pl->n_nodes; i++) shared += pl->nodes[i].kind == TW_PL_AFFINE ? pl->nodes[i].n_terms : 0;
  terms += shared;
  if (terms >= NONE) {
    t->error = "the model is too large for counting its regions";
    return true;
  }
  b->terms = malloc(terms * sizeof *b->terms);
  if (!b->value_of || !b->values || !b->last || !b->order[0] || !b->order[1] || !b->terms) return false;
  b->values[0] = (Value){.kind = TW_RG_AFFINE};
  b->n_values = 1;
  for (uint32_t i = 0; i < pl->n_nodes; i++) b->value_of[i] = add_node(b, &pl->nodes[i]);
  b->output = b->value_of[pl->output];

  for (uint32_t p = 0; p + 1 < b->n_values; p++) b->order[1][p] = p + 1;
  if (!order_by_level(b, b->order[0])) return false;
  uint32_t layered = most_alive(b, b->order[0], b->last), given = most_alive(b, b->order[1], b->last);
  t->n_ops = b->n_values - 1;
  t->n_terms = b->n_terms;
  t->n_coeffs = pl->n_coeffs;
  t->ops = malloc((t->n_ops + 1) * sizeof *t->ops);
  t->terms = malloc((b->n_terms + 1) * sizeof *t->terms);
  t->kills = malloc((b->n_values + 1) * sizeof *t->kills);
  return t->ops && t->terms && t->kills && assign_slots(b, t, b->order[layered > given]);
}

void tw_rg_tape_init(TwRgTape *t, const TwRtPl *pl) {
  memset(t, 0, sizeof *t);
  t->error = refuse(pl);
  if (t->error) return;
  Build b = {.pl = pl};
  if (!build(&b, t)) t->error = "out of memory";
  free(b.value_of);
  free(b.values);
  free(b.terms);
  free(b.last);
  free(b.order[0]);
  free(b.order[1]);
}

void tw_rg_tape_free(TwRgTape *t) {
  free(t->ops);
  free(t->terms);
  free(t->kills);
}
