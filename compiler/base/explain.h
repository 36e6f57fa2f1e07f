/* explain.h: what each diagnostic means, at length: lang/explain.md, a section an id, embedded by the build. */
#ifndef TW_BASE_EXPLAIN_H
#define TW_BASE_EXPLAIN_H

#include "compiler/base/diag.h"

/* A part of a section: a paragraph, or what stands between two fences. Slices of the embedded page. */
typedef struct TwExplainPart {
  bool fenced;
  const char *info; /* fenced: what follows the backquotes: "tw", "tw run", "tw file points.csv" */
  size_t info_len;
  const char *text; /* without the last newline */
  size_t len;
} TwExplainPart;

/* Where the section of an id begins, behind its heading; NULL if the page has none. */
const char *tw_explain(TwDiagId id);
/* The part at *at, which moves behind it. false: the section is over. */
bool tw_explain_next(const char **at, TwExplainPart *part);
/* Whether the info of a fence begins with these words. */
bool tw_explain_info(const TwExplainPart *part, const char *words);

#endif
