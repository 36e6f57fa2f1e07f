/* report_json.c: the object of `run --json`. Its keys are a contract; docs/runs.md names them.
 *
 * Written by hand rather than through a tree: a thousand seeds stream out, and every number is printed
 * so that it reads back to the same bits. */
#include <math.h>
#include <string.h>

#include "runtime/number.h"
#include "runtime/report.h"
#include "runtime/text.h"

/* Paths need not be UTF-8; what is not becomes the replacement character. */
static void string(FILE *out, const char *text) {
  fputc('"', out);
  for (const unsigned char *s = (const unsigned char *)(text ? text : ""); *s;) {
    if (*s == '"' || *s == '\\') {
      fprintf(out, "\\%c", *s++);
    } else if (*s < 32 || *s == 127) {
      fprintf(out, "\\u%04x", *s++);
    } else if (*s < 128) {
      fputc(*s++, out);
    } else {
      size_t n = tw_rt_text_sequence((const char *)s);
      if (n == 0) fputs("\\ufffd", out), s++;
      for (; n > 0; n--) fputc(*s++, out);
    }
  }
  fputc('"', out);
}

static void number(FILE *out, double v, bool f64) {
  char text[TW_RT_NUMBER + 1];
  fputs(tw_rt_number_json(text, v, f64), out);
}

/* To the nanosecond. */
static void seconds(FILE *out, double v) { number(out, round(1e9 * v) / 1e9, true); }

static void count(FILE *out, const char *key, bool known, int64_t v) {
  if (known) fprintf(out, "\"%s\": %lld", key, (long long)v);
  else fprintf(out, "\"%s\": null", key);
}

static void stage(FILE *out, const TwRtStage *st, const TwRtStageResult *r, bool f64) {
  fputs("{\"name\": ", out);
  string(out, st->name);
  fprintf(out, ", \"epochs\": %lld, \"steps\": %lld, \"loss\": ", (long long)r->epochs, (long long)r->steps);
  number(out, r->loss, f64);
  fputs(", \"best_loss\": ", out);
  number(out, r->best_loss, f64);
  fputs(", ", out);
  count(out, "best_epoch", r->best_epoch >= 0, r->best_epoch);
  fputs(", ", out);
  count(out, "regions", r->regions.counted, r->regions.pieces);
  fputs(", ", out);
  count(out, "slivers", r->regions.counted, r->regions.slivers);
  fputs(", ", out);
  count(out, "dead", r->regions.counted, r->regions.dead);
  fputs(", ", out);
  count(out, "patterns", r->regions.counted, r->regions.patterns);
  fputs(", ", out);
  count(out, "maps", r->regions.counted, r->regions.maps);
  fputs(", \"narrowest\": ", out);
  number(out, r->regions.counted ? r->regions.narrowest : NAN, true);
  fputs(", ", out);
  count(out, "min_regions", r->min_regions >= 0, r->min_regions);
  fputs(", ", out);
  count(out, "max_regions", r->max_regions >= 0, r->max_regions);
  fputs(", \"seconds\": ", out);
  seconds(out, r->seconds);
  fputs("}", out);
}

static void failures(FILE *out, const TwRtProgram *p, const TwRtFailure *list, uint32_t n, bool of_stage) {
  for (uint32_t i = 0; i < n; i++) {
    const TwRtFailure *f = &list[i];
    fprintf(out, "%s{\"kind\": \"%s\", \"text\": ", i ? ", " : "", of_stage ? tw_rt_status_text(f->kind) : "expect");
    string(out, f->text);
    if (of_stage && f->stage < p->n_stages) {
      fputs(", \"stage\": ", out);
      string(out, p->stages[f->stage].name);
      fprintf(out, ", \"epoch\": %lld", (long long)f->epoch);
    }
    if (f->place.path) {
      fputs(", \"path\": ", out);
      string(out, f->place.path);
      fprintf(out, ", \"line\": %u, \"column\": %u", f->place.line, f->place.column);
    }
    fputs("}", out);
  }
}

static void seed(FILE *out, const TwRtProgram *p, const TwRtSeedResult *s, bool f64) {
  fprintf(out, "{\"seed\": %llu, \"status\": \"%s\", \"loss\": ", (unsigned long long)s->seed,
          tw_rt_status_text(s->status));
  number(out, s->loss, f64);
  fputs(", \"best_loss\": ", out);
  number(out, s->best_loss, f64);
  fputs(", \"measures\": {", out);
  for (uint32_t m = 0; m < p->n_measures; m++) {
    if (m) fputs(", ", out);
    string(out, p->measures[m]);
    fputs(": ", out);
    number(out, s->measures[m], f64);
  }
  fprintf(out, "}, \"retries\": %u,\n       \"stages\": [", s->retries);
  for (uint32_t k = 0; k < p->n_stages; k++) {
    if (k) fputs(",\n                  ", out);
    stage(out, &p->stages[k], &s->stages[k], f64);
  }
  fputs("]", out);
  if (s->n_failures) {
    fputs(",\n       \"failures\": [", out);
    failures(out, p, s->failures, s->n_failures, true);
    fputs("]", out);
  }
  fputs("}", out);
}

static void over_best(FILE *out, const TwRtOverBest *o) {
  if (!o->pieces) return;
  fprintf(out, ", \"over_best_fit\": {\"pieces\": %u, \"loss\": ", o->pieces);
  number(out, o->loss, true);
  fputs(", \"min\": ", out);
  number(out, o->min, true);
  fputs(", \"mean\": ", out);
  number(out, o->mean, true);
  fputs("}", out);
}

static void variant(FILE *out, const TwRtReportVariant *v, bool f64) {
  const TwRtResult *r = v->result;
  fputs("{\"name\": ", out);
  string(out, v->name);
  for (uint32_t k = 0; k < v->n_settings; k++) {
    fputs(k ? ", " : ",\n    \"settings\": {", out);
    string(out, v->settings[k].name);
    fputs(": ", out);
    string(out, v->settings[k].value);
  }
  if (v->n_settings) fputc('}', out);
  fprintf(out, ",\n    \"bits\": \"%s\",\n    \"seeds\": [", v->program->portable ? "portable" : "machine");
  for (uint32_t i = 0; !r->error && i < r->n_seeds; i++) {
    fputs(i ? ",\n      " : "\n      ", out);
    seed(out, v->program, &r->seeds[i], f64);
  }
  TwRtSummary s = tw_rt_summary(v);
  fprintf(out, "],\n    \"summary\": {\"n\": %u, \"failed\": %u, \"min\": ", s.n, s.failed);
  number(out, s.min, f64);
  fputs(", \"mean\": ", out); /* computed in f64 whatever the losses are */
  number(out, s.mean, true);
  fputs(", \"median\": ", out);
  number(out, s.median, true);
  fputs(", \"max\": ", out);
  number(out, s.max, f64);
  over_best(out, &v->over_best);
  fputs("}", out);
  if (r->n_expects_failed) {
    fputs(",\n    \"expects\": [", out);
    failures(out, v->program, r->expects, r->n_expects_failed, false);
    fputs("]", out);
  }
  if (r->error) {
    fputs(",\n    \"error\": ", out);
    string(out, r->error);
  }
  fputs("}", out);
}

void tw_rt_report_json(FILE *out, const TwRtReport *r) {
  bool f64 = r->f64;
  fputs("{\"program\": ", out);
  string(out, r->program);
  fprintf(out, ", \"precision\": \"%s\",\n  \"variants\": [", r->f64 ? "f64" : "f32");
  for (uint32_t v = 0; v < r->n_variants; v++) {
    fputs(v ? ",\n   " : "\n   ", out);
    variant(out, &r->variants[v], f64);
  }
  fputs("],\n  \"seconds\": {\"compile\": ", out);
  seconds(out, r->compile_seconds);
  fputs(", \"train\": ", out);
  seconds(out, r->train_seconds);
  fputs(", \"total\": ", out);
  seconds(out, r->total_seconds);
  fputs("}}\n", out);
}
