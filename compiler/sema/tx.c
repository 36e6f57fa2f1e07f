/* tx.c: building typed trees, and what is known of integers in them.
 *
 * Integers in index expressions have intervals, so that an index out of bounds is found when
 * compiling: loop indices have theirs from the clause, sums and products from their operands, and
 * `if i == 0 then … else a[i - 1]` narrows that of i in its branches. */
#include "compiler/sema/check.h"

enum { MAX_NODES = 500000 };

TwTx *tw_sm_node(TwSema *s, TwTxKind kind, const TwType *type, TwSpan span) {
  uint32_t most = s->u->options.max_nodes ? s->u->options.max_nodes : MAX_NODES;
  if (++s->nodes > most && !s->too_large) {
    s->too_large = true;
    TwDiag *d = tw_sm_error(s, TW_E0902, span, "the program grows beyond %u expressions when its calls are elaborated",
                            most);
    tw_sm_help(s, d, "use a loop or a comprehension in place of nested calls");
  }
  TwTx *t = TW_NEW(s->a, TwTx);
  t->kind = kind;
  t->type = type;
  t->span = span;
  return t;
}

TwTx *tw_sm_bad(TwSema *s, TwSpan span) { return tw_sm_node(s, TW_TX_POISON, s->t_poison, span); }

TwTx *tw_sm_int(TwSema *s, int64_t v, TwSpan span) {
  TwTx *t = tw_sm_node(s, TW_TX_CONST, s->t_int, span);
  t->number = (double)v;
  t->integer = v;
  t->known = true;
  return t;
}

TwTx *tw_sm_real(TwSema *s, double v, TwSpan span) {
  TwTx *t = tw_sm_node(s, TW_TX_CONST, s->t_real, span);
  t->number = v;
  return t;
}

TwTx *tw_sm_bool(TwSema *s, bool v, TwSpan span) {
  TwTx *t = tw_sm_node(s, TW_TX_CONST, s->t_bool, span);
  t->number = v;
  t->integer = v;
  return t;
}

TwTx *tw_sm_op(TwSema *s, TwOp op, const TwType *type, TwSpan span, TwTx *a, TwTx *b) {
  TwTx *t = tw_sm_node(s, TW_TX_OP, type, span);
  t->op = op;
  tw_vec_push(s->a, &t->args, a);
  if (b) tw_vec_push(s->a, &t->args, b);
  return t;
}

TwTx *tw_sm_one(TwSema *s, TwTxKind kind, const TwType *type, TwSpan span, TwTx *a) {
  TwTx *t = tw_sm_node(s, kind, type, span);
  if (a) tw_vec_push(s->a, &t->args, a);
  return t;
}

TwTx *tw_sm_field(TwSema *s, TwTx *a, uint32_t k, TwSpan span) {
  if (a->kind == TW_TX_TUPLE && tw_sm_atomic(a->args.at[k])) return tw_sm_at(s, a->args.at[k], span);
  TwTx *t = tw_sm_one(s, TW_TX_FIELD, a->type->fields.at[k].type, span, a);
  t->index = k;
  return t;
}

TwTx *tw_sm_use(TwSema *s, TwLocal *l, TwSpan span) {
  TwTx *t = tw_sm_node(s, TW_TX_LOCAL, l->type, span);
  t->local = l;
  return t;
}

TwTx *tw_sm_at(TwSema *s, const TwTx *from, TwSpan span) {
  TwTx *t = tw_sm_node(s, from->kind, from->type, span);
  *t = *from;
  t->span = span;
  return t;
}

bool tw_sm_atomic(const TwTx *t) {
  switch (t->kind) {
    case TW_TX_POISON:
    case TW_TX_CONST:
    case TW_TX_LOCAL:
    case TW_TX_PARAM:
    case TW_TX_WEIGHTS:
    case TW_TX_GLOBAL: return true;
    case TW_TX_FIELD: return tw_sm_atomic(t->args.at[0]);
    case TW_TX_OP:
    case TW_TX_POWI:
    case TW_TX_MATMUL:
    case TW_TX_TRANSPOSE:
    case TW_TX_REDUCE:
    case TW_TX_INDEX:
    case TW_TX_TUPLE:
    case TW_TX_ARRAY:
    case TW_TX_FILL:
    case TW_TX_CONCAT:
    case TW_TX_FOR:
    case TW_TX_REDUCE_FOR:
    case TW_TX_IF:
    case TW_TX_BLOCK:
    case TW_TX_DRAW:
    case TW_TX_LOADED:
    case TW_TX_DERIVATIVE: break;
  }
  return false;
}

TwLocal *tw_sm_local(TwSema *s, TwName name, const TwType *type, TwSpan span) {
  TwLocal *l = TW_NEW(s->a, TwLocal);
  *l = (TwLocal){name, type, span, s->p->n_locals++};
  tw_vec_push(s->a, &s->ranges, (TwSmInterval){0});
  return l;
}

TwTs *tw_sm_let(TwSema *s, TwLocal *l, TwTx *value) {
  TwTs *t = TW_NEW(s->a, TwTs);
  t->kind = TW_TS_LET;
  t->span = value->span;
  t->local = l;
  t->value = value;
  tw_sm_set_range(s, l, tw_sm_range(s, value));
  return t;
}

TwSmValue tw_sm_v(TwTx *t) { return (TwSmValue){.kind = TW_V_TX, .tx = t}; }
TwSmValue tw_sm_vbad(void) { return (TwSmValue){.kind = TW_V_POISON}; }

/* ---- intervals of integers */
void tw_sm_set_range(TwSema *s, const TwLocal *l, TwSmInterval r) { s->ranges.at[l->id] = r; }

static TwSmInterval op_range(TwSema *s, const TwTx *t) {
  TwSmInterval none = {0}, r = {true, 0, 0};
  TwSmInterval a = tw_sm_range(s, t->args.at[0]);
  TwSmInterval b = t->args.len > 1 ? tw_sm_range(s, t->args.at[1]) : r;
  if (t->op == TW_OP_mod && b.known && b.lo == b.hi && b.lo > 0) return (TwSmInterval){true, 0, b.lo - 1};
  if (t->op == TW_OP_select && t->args.len == 3) {
    TwSmInterval c = tw_sm_range(s, t->args.at[2]);
    if (!b.known || !c.known) return none;
    return (TwSmInterval){true, b.lo < c.lo ? b.lo : c.lo, b.hi > c.hi ? b.hi : c.hi};
  }
  /* A bound of one operand is enough on one side, so an unknown one is as wide as integers are. */
  int64_t far = (int64_t)1 << 52;
  if (!a.known) a = (TwSmInterval){true, -far, far};
  if (!b.known) b = (TwSmInterval){true, -far, far};
  if (t->op == TW_OP_min) r.lo = a.lo < b.lo ? a.lo : b.lo, r.hi = a.hi < b.hi ? a.hi : b.hi;
  else if (t->op == TW_OP_max) r.lo = a.lo > b.lo ? a.lo : b.lo, r.hi = a.hi > b.hi ? a.hi : b.hi;
  else if (t->op == TW_OP_add) r.lo = a.lo + b.lo, r.hi = a.hi + b.hi;
  else if (t->op == TW_OP_sub) r.lo = a.lo - b.hi, r.hi = a.hi - b.lo;
  else if (t->op == TW_OP_neg) r.lo = -a.hi, r.hi = -a.lo;
  else if (t->op == TW_OP_mul) {
    int64_t p[4];
    bool over = false;
    for (int k = 0; k < 4; k++) over |= __builtin_mul_overflow(k & 1 ? a.lo : a.hi, k & 2 ? b.lo : b.hi, &p[k]);
    if (over) return none;
    r.lo = r.hi = p[0];
    for (int k = 1; k < 4; k++) r.lo = p[k] < r.lo ? p[k] : r.lo, r.hi = p[k] > r.hi ? p[k] : r.hi;
  } else return none;
  if (r.lo < -far) r.lo = -far;
  if (r.hi > far) r.hi = far;
  return r.lo == -far && r.hi == far ? none : r;
}

TwSmInterval tw_sm_range(TwSema *s, const TwTx *t) {
  TwSmInterval none = {0};
  if (!tw_sm_is_scalar(t->type) || t->type->dtype != TW_INT) return none;
  if (t->known) return (TwSmInterval){true, t->integer, t->integer};
  if (t->kind == TW_TX_LOCAL) return s->ranges.at[t->local->id];
  if (t->kind == TW_TX_BLOCK) return tw_sm_range(s, t->args.at[0]);
  if (t->kind == TW_TX_OP) return op_range(s, t);
  if (t->kind == TW_TX_IF) {
    TwSmInterval a = tw_sm_range(s, t->args.at[1]), b = tw_sm_range(s, t->args.at[2]);
    if (!a.known || !b.known) return none;
    return (TwSmInterval){true, a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
  }
  return none;
}

const TwLocal *tw_sm_local_plus(const TwTx *t, int64_t *k) {
  *k = 0;
  if (t->kind == TW_TX_LOCAL) return t->local;
  if (t->kind != TW_TX_OP || t->args.len != 2) return NULL;
  const TwTx *a = t->args.at[0], *b = t->args.at[1];
  if (b->known && a->kind == TW_TX_LOCAL && (t->op == TW_OP_add || t->op == TW_OP_sub)) {
    *k = t->op == TW_OP_add ? b->integer : -b->integer;
    return a->local;
  }
  if (a->known && b->kind == TW_TX_LOCAL && t->op == TW_OP_add) return *k = a->integer, b->local;
  return NULL;
}

/* x op c holds, where x is in r. */
static TwSmInterval narrow(TwSmInterval r, TwOp op, int64_t c, bool local_left, bool holds) {
  if (op == TW_OP_ne) op = TW_OP_eq, holds = !holds;
  if (op == TW_OP_eq) {
    if (holds) return (TwSmInterval){true, c, c};
    if (r.known && r.lo == c) r.lo++;
    if (r.known && r.hi == c) r.hi--;
    return r;
  }
  if (!r.known) return r;
  /* to x <= hi or x >= lo */
  bool upper = local_left == holds;
  bool strict = (op == TW_OP_lt) == holds;
  if (upper && r.hi > c - strict) r.hi = c - strict;
  if (!upper && r.lo < c + strict) r.lo = c + strict;
  return r;
}

void tw_sm_refine(TwSema *s, const TwTx *cond, bool holds, TwSmRefine *undo) {
  if (cond->kind != TW_TX_OP) return;
  if (cond->op == TW_OP_not) {
    tw_sm_refine(s, cond->args.at[0], !holds, undo);
    return;
  }
  if ((cond->op == TW_OP_and && holds) || (cond->op == TW_OP_or && !holds)) {
    tw_sm_refine(s, cond->args.at[0], holds, undo);
    tw_sm_refine(s, cond->args.at[1], holds, undo);
    return;
  }
  if (cond->op != TW_OP_eq && cond->op != TW_OP_ne && cond->op != TW_OP_lt && cond->op != TW_OP_le) return;
  const TwTx *a = cond->args.at[0], *b = cond->args.at[1];
  int64_t k;
  bool left = b->known;
  const TwLocal *l = left ? tw_sm_local_plus(a, &k) : a->known ? tw_sm_local_plus(b, &k) : NULL;
  if (!l || undo->n == sizeof undo->id / sizeof *undo->id) return;
  undo->id[undo->n] = l->id;
  undo->old[undo->n++] = s->ranges.at[l->id];
  int64_t c = (left ? b->integer : a->integer) - k;
  s->ranges.at[l->id] = narrow(s->ranges.at[l->id], cond->op, c, left, holds);
}

void tw_sm_restore(TwSema *s, const TwSmRefine *undo) {
  for (uint32_t k = undo->n; k-- > 0;) s->ranges.at[undo->id[k]] = undo->old[k];
}
