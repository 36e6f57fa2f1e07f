/* narrow.c: regions with fewer operands and results.
 *
 * requires: a region and, for each operand, what becomes of it, and which results are wanted.
 * provides: a region whose body has only the parameters and results that are left. The body is
 *           emitted anew, so that literals that moved into it fold. */
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/internal.h"

void tw_mark_slice(const TwFn *b, const bool *want, uint8_t *mark) {
  for (uint32_t k = 0; k < b->results.len; k++)
    if (!want || want[k]) mark[b->results.at[k]] = 1;
  for (TwRef r = b->insts.len; r-- > 1;) {
    if (!mark[r]) continue;
    const TwInst *i = tw_inst(b, r);
    for (uint32_t k = 0; k < i->n_args; k++) mark[b->args.at[i->args + k]] = 1;
  }
}

void tw_narrow_init(TwNarrow *n, const TwFn *f, const TwProto *p) {
  uint32_t skip = tw_region_skip(p->op), carries = p->op == TW_OP_scan ? p->region->n_carry : 0;
  *n = (TwNarrow){.f = f,
                  .op = p->op,
                  .region = *p->region,
                  .pred = skip ? p->args[0] : 0,
                  .n_operands = p->n_args - skip,
                  .n_results = tw_region_results(p->region, p->op)};
  n->operands = tw_scratch(n->n_operands, sizeof *n->operands);
  n->want = tw_scratch(n->n_results, sizeof *n->want);
  n->into = tw_scratch(n->n_results, sizeof *n->into);
  n->args = tw_scratch(n->n_operands + 1, sizeof *n->args);
  for (uint32_t k = 0; k < n->n_operands; k++) {
    TwGroup g = k < p->region->n_consts ? TW_CONSTS : k < p->region->n_consts + carries ? TW_CARRIES : TW_XS;
    n->operands[k] = (TwOperand){.fate = TW_KEEP, .group = g, .with = p->args[skip + k]};
  }
  for (uint32_t k = 0; k < n->n_results; k++) n->want[k] = true;
}

void tw_narrow_free(TwNarrow *n) {
  free(n->operands);
  free(n->want);
  free(n->into);
  free(n->args);
}

bool tw_narrow_unused(TwNarrow *n) {
  const TwFn *b = n->region.body, *o = n->region.other;
  uint32_t lead = tw_region_lead(n->op), first = n->region.n_consts;
  bool more = true, dropped = false;
  uint8_t *mark = tw_scratch(b->insts.len, 1), *other = o ? tw_scratch(o->insts.len, 1) : NULL;
  while (more) { /* a carry that a live one reads is live */
    more = false;
    tw_mark_slice(b, n->want, mark);
    for (uint32_t k = 0; n->op == TW_OP_scan && k < n->region.n_carry; k++) {
      bool held = n->operands[first + k].group == TW_CARRIES && n->operands[first + k].fate == TW_KEEP;
      if (held && !n->want[k] && mark[b->params.at[lead + first + k]]) n->want[k] = more = true;
    }
  }
  if (o) tw_mark_slice(o, n->want, other);
  bool *is_read = tw_scratch(n->n_operands, sizeof *is_read);
  for (uint32_t k = 0; k < n->n_operands; k++) { /* who reads an operand reads the one it is the same as */
    const TwOperand *a = &n->operands[k];
    is_read[a->fate == TW_SAME ? a->same : k] |= mark[b->params.at[lead + k]] || (o && other[o->params.at[k]]);
  }
  for (uint32_t k = 0; k < n->n_operands; k++) {
    TwOperand *a = &n->operands[k];
    if (a->fate != TW_KEEP) continue;
    bool used = is_read[k];
    if (a->group == TW_CARRIES ? n->want[k - first] : used) continue;
    a->fate = TW_DROP;
    dropped = true;
  }
  free(mark);
  free(other);
  free(is_read);
  return dropped;
}

/* One body: parameters group by group, then the old body with them. */
static const TwFn *narrow_body(const TwNarrow *n, const TwFn *old) {
  TwFn *g = tw_fn_new(old->module, old->name);
  uint32_t lead = tw_region_lead(n->op);
  TwRef *args = tw_scratch(lead + n->n_operands, sizeof *args);
  TwRef *out = tw_scratch(n->n_results, sizeof *out);
  if (lead) args[0] = tw_param(g, tw_ty_scalar(g->module, TW_INT));
  for (int group = TW_CONSTS; group <= TW_XS; group++)
    for (uint32_t k = 0; k < n->n_operands; k++)
      if (n->operands[k].fate == TW_KEEP && (int)n->operands[k].group == group)
        args[lead + k] = tw_param(g, tw_type(old, old->params.at[lead + k]));
  for (uint32_t k = 0; k < n->n_operands; k++) {
    const TwOperand *a = &n->operands[k];
    TwKnown lit;
    if (a->fate == TW_COUNTER) args[lead + k] = args[0];
    if (a->fate == TW_LITERAL && tw_literal(n->f, a->with, &lit))
      args[lead + k] = tw_emit_known(g, tw_type(old, old->params.at[lead + k]), &lit);
  }
  for (uint32_t k = 0; k < n->n_operands; k++)
    if (n->operands[k].fate == TW_SAME) args[lead + k] = args[lead + n->operands[k].same];
  tw_inline_some(g, old, args, n->want, out);
  for (uint32_t k = 0; k < n->n_results; k++)
    if (n->want[k]) tw_result(g, out[k]);
  free(args);
  free(out);
  return tw_fn_seal(g);
}

void tw_narrow_run(TwNarrow *n) {
  TwRegion *r = &n->region;
  uint32_t sums = n->op == TW_OP_cond ? 0 : r->n_carry, results = 0, carries = 0;
  r->body = narrow_body(n, r->body);
  if (r->other) r->other = narrow_body(n, r->other);
  uint32_t count[3] = {0};
  n->n_args = 0;
  if (n->pred) n->args[n->n_args++] = n->pred;
  for (int group = TW_CONSTS; group <= TW_XS; group++)
    for (uint32_t k = 0; k < n->n_operands; k++)
      if (n->operands[k].fate == TW_KEEP && (int)n->operands[k].group == group) {
        n->args[n->n_args++] = n->operands[k].with;
        count[group]++;
      }
  for (uint32_t k = 0; k < n->n_results; k++) {
    if (!n->want[k]) continue;
    n->into[k] = results++;
    carries += k < sums;
  }
  r->n_consts = count[TW_CONSTS];
  r->n_carry = carries;
  r->n_xs = count[TW_XS];
  r->n_ys = results - carries;
}
