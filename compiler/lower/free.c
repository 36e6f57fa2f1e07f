/* free.c: what a typed tree uses but does not bind.
 *
 * requires: a typed tree.   provides: keys in order of first use, each once. */
#include "compiler/lower/internal.h"

static void add(TwLw *lw, TwKeys *out, TwKey k) {
  for (uint32_t i = 0; i < out->len; i++)
    if (out->at[i] == k) return;
  tw_vec_push(lw->arena, out, k);
}

void tw_lw_unbind(TwKeys *keys, TwKey key) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < keys->len; i++)
    if (keys->at[i] != key) keys->at[n++] = keys->at[i];
  keys->len = n;
}

static void unbind_local(TwKeys *keys, const TwLocal *l) {
  if (l) tw_lw_unbind(keys, tw_key(TW_KEY_LOCAL, l->id));
}

/* Adds what `inner` uses to `out`. */
static void merge(TwLw *lw, TwKeys *out, const TwKeys *inner) {
  for (uint32_t i = 0; i < inner->len; i++) add(lw, out, inner->at[i]);
}

/* t = i + c, for the local i of a recurrence. */
static bool offset_from(const TwTx *t, const TwLocal *i, int64_t *c) {
  if (t->kind == TW_TX_LOCAL && t->local == i) return *c = 0, true;
  if (t->kind != TW_TX_OP || t->args.len != 2) return false;
  const TwTx *a = t->args.at[0], *b = t->args.at[1];
  int64_t k;
  if (t->op == TW_OP_add && b->known && offset_from(a, i, &k)) return *c = k + b->integer, true;
  if (t->op == TW_OP_add && a->known && offset_from(b, i, &k)) return *c = k + a->integer, true;
  if (t->op == TW_OP_sub && b->known && offset_from(a, i, &k)) return *c = k - b->integer, true;
  return false;
}

bool tw_lw_recur_read(const TwLw *lw, const TwTx *t, TwKey *key) {
  if (t->kind != TW_TX_INDEX || t->args.at[0]->kind != TW_TX_LOCAL) return false;
  for (const TwRunning *r = lw->running; r; r = r->outer) {
    if (r->s != t->args.at[0]->local) continue;
    const TwTx *at = t->items.at[0].at;
    int64_t c;
    if (!at || !offset_from(at, r->recur->i, &c)) return false;
    int64_t back = r->recur->reverse ? c - r->recur->offset : r->recur->offset - c;
    if (back < 1 || back > r->recur->order) return false;
    *key = tw_key(TW_KEY_RECUR, (uint64_t)r->s->id << 16 | (uint64_t)back);
    return true;
  }
  return false;
}

static void free_iters(TwLw *lw, const TwIter *iters, uint32_t n, TwKeys *body, TwKeys *out) {
  for (uint32_t k = n; k-- > 0;) {
    const TwIter *it = &iters[k];
    unbind_local(body, it->local);
    unbind_local(body, it->target);
    unbind_local(body, it->weight);
    if (it->local && it->local->type->kind == TW_TY_TUPLE) unbind_local(body, it->local);
    if (it->kind == TW_IT_ARRAY) tw_lw_free_tx(lw, it->array, body);
    if (it->kind == TW_IT_DATA) add(lw, body, tw_key(TW_KEY_DATA, it->data));
  }
  merge(lw, out, body);
}

void tw_lw_free_ts(TwLw *lw, const TwTs *t, TwKeys *out) {
  switch (t->kind) {
    case TW_TS_LET: tw_lw_free_tx(lw, t->value, out); return;
    case TW_TS_RECUR: {
      TwKeys body = {0};
      for (uint32_t k = 0; k < t->cases.len; k++) {
        TwKeys one = {0};
        tw_lw_free_tx(lw, t->cases.at[k].value, &one);
        unbind_local(&one, t->cases.at[k].i);
        merge(lw, &body, &one);
      }
      unbind_local(&body, t->local);
      merge(lw, out, &body);
      return;
    }
    case TW_TS_LOOP: {
      TwKeys body = {0};
      for (uint32_t k = 0; k < t->next.len; k++) tw_lw_free_tx(lw, t->next.at[k], &body);
      for (uint32_t k = t->body.len; k-- > 0;) {
        unbind_local(&body, t->body.at[k]->local);
        for (uint32_t j = 0; j < t->body.at[k]->after.len; j++) unbind_local(&body, t->body.at[k]->after.at[j]);
        tw_lw_free_ts(lw, t->body.at[k], &body);
      }
      for (uint32_t k = 0; k < t->inside.len; k++) unbind_local(&body, t->inside.at[k]);
      for (uint32_t k = 0; k < t->before.len; k++) add(lw, &body, tw_key(TW_KEY_LOCAL, t->before.at[k]->id));
      free_iters(lw, &t->iter, 1, &body, out);
      return;
    }
  }
}

static void free_block(TwLw *lw, const TwTx *t, TwKeys *out) {
  TwKeys body = {0};
  tw_lw_free_tx(lw, t->args.at[0], &body);
  for (uint32_t k = t->stmts.len; k-- > 0;) {
    const TwTs *st = t->stmts.at[k];
    unbind_local(&body, st->local);
    for (uint32_t j = 0; j < st->after.len; j++) unbind_local(&body, st->after.at[j]);
    tw_lw_free_ts(lw, st, &body);
  }
  merge(lw, out, &body);
}

void tw_lw_free_tx(TwLw *lw, const TwTx *t, TwKeys *out) {
  TwKey key;
  switch (t->kind) {
    case TW_TX_POISON:
    case TW_TX_CONST: return;
    case TW_TX_LOCAL: add(lw, out, tw_key(TW_KEY_LOCAL, t->local->id)); return;
    case TW_TX_PARAM: add(lw, out, tw_key(TW_KEY_PARAM, t->index)); return;
    case TW_TX_WEIGHTS: add(lw, out, tw_key(TW_KEY_WEIGHTS, t->index)); return;
    case TW_TX_GLOBAL: add(lw, out, tw_key(TW_KEY_GLOBAL, t->index)); return;
    case TW_TX_DRAW:
      add(lw, out, tw_key(TW_KEY_SEED, 0));
      add(lw, out, tw_key(TW_KEY_DRAWN, 0));
      return;
    case TW_TX_LOADED: add(lw, out, tw_key(TW_KEY_LOADED, 0)); return;
    case TW_TX_BLOCK: free_block(lw, t, out); return;
    case TW_TX_FOR:
    case TW_TX_REDUCE_FOR: {
      TwKeys body = {0};
      for (uint32_t k = 0; k < t->args.len; k++) tw_lw_free_tx(lw, t->args.at[k], &body);
      free_iters(lw, t->iters.at, t->iters.len, &body, out);
      return;
    }
    case TW_TX_DERIVATIVE: {
      TwKeys body = {0};
      tw_lw_free_tx(lw, t->args.at[0], &body);
      unbind_local(&body, t->local);
      merge(lw, out, &body);
      tw_lw_free_tx(lw, t->args.at[1], out);
      return;
    }
    case TW_TX_INDEX:
      for (uint32_t k = tw_lw_recur_read(lw, t, &key) ? 1 : 0; k < t->items.len; k++)
        if (t->items.at[k].at) tw_lw_free_tx(lw, t->items.at[k].at, out);
      if (tw_lw_recur_read(lw, t, &key)) {
        add(lw, out, key);
        return;
      }
      tw_lw_free_tx(lw, t->args.at[0], out);
      return;
    case TW_TX_OP:
    case TW_TX_POWI:
    case TW_TX_MATMUL:
    case TW_TX_TRANSPOSE:
    case TW_TX_REDUCE:
    case TW_TX_FIELD:
    case TW_TX_TUPLE:
    case TW_TX_ARRAY:
    case TW_TX_FILL:
    case TW_TX_CONCAT:
    case TW_TX_IF:
      for (uint32_t k = 0; k < t->args.len; k++) tw_lw_free_tx(lw, t->args.at[k], out);
      return;
  }
}
