/* play.c [--flip] TAPE…: makes the calls of tapes (tests/llvm/tape.h) and compares every bit with the interpreter's.
 *
 * Needs the instructions that the code on the tapes is made of, and no compiler. --flip turns one bit of each call's
 * first result around before it is compared, so that every call must be found wrong: whoever trusts this program asks
 * it that, too. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/llvm/tape.h"

typedef struct Played {
  uint64_t calls, numbers, failures, empty; /* empty: calls that want no numbers */
  bool broken;
} Played;

static void call(Played *p, TapeEntry *e, const TwObject *code, bool flip) {
  TwRtEntry entry = NULL;
  void *at = code ? tw_object_symbol(code, e->symbol) : NULL;
  char why[200] = "its function has no code";
  memcpy(&entry, &at, sizeof at);
  if (flip && !call_spoil(&e->call)) p->empty++;
  p->calls++;
  for (uint32_t k = 0; k < e->call.n_out; k++) p->numbers += (uint64_t)e->call.want[k].count;
  if (entry && call_agrees(&e->call, entry, why)) return;
  if (p->failures++ < 5 && !flip)
    fprintf(stderr, "%s (f%d): %s\n", e->what, e->call.precision == TW_F64 ? 64 : 32, why);
}

static Played play(const char *path, bool flip) {
  Played p = {0};
  FILE *tape = fopen(path, "rb");
  TwObject *code = NULL;
  TapeEntry e;
  while (tape && tape_next(tape, &e, &p.broken)) {
    char *error = NULL;
    if (e.objects.n) {
      tw_object_free(code);
      code = tw_object_load(e.objects.at, e.objects.n, &error);
      if (!code) fprintf(stderr, "%s: %s\n", path, error ? error : "no code");
      free(error);
    } else {
      call(&p, &e, code, flip);
    }
    tape_entry_free(&e);
  }
  tw_object_free(code);
  if (!tape) perror(path);
  else if (p.broken) fprintf(stderr, "%s: this is no tape, or not the whole of one\n", path);
  if (!tape) p.broken = true;
  if (tape) fclose(tape);
  return p;
}

/* An instruction that the machine has not: its first bytes, for a disassembler. */
static void no_instruction(int signal, siginfo_t *info, void *context) {
  char text[128];
  const uint8_t *at = info->si_addr;
  int n = snprintf(text, sizeof text, "  no such instruction here:");
  for (int k = 0; k < 12; k++) n += snprintf(text + n, sizeof text - (size_t)n, " %02x", at[k]);
  text[n] = '\n';
  if (write(STDERR_FILENO, text, (size_t)n + 1) < 0) _exit(3);
  _exit(2);
  (void)signal, (void)context;
}

int main(int argc, char **argv) {
  bool flip = argc > 1 && strcmp(argv[1], "--flip") == 0, ok = argc > 1 + flip;
  sigaction(SIGILL, &(struct sigaction){.sa_sigaction = no_instruction, .sa_flags = SA_SIGINFO}, NULL);
  for (int k = 1 + flip; k < argc; k++) {
    Played p = play(argv[k], flip);
    bool good = !p.broken && p.calls && p.failures == (flip ? p.calls - p.empty : 0);
    const char *name = strrchr(argv[k], '/') ? strrchr(argv[k], '/') + 1 : argv[k];
    printf("%s %s: %llu calls, %llu numbers, %llu calls differ%s\n", good ? "PASS" : "FAIL", name,
           (unsigned long long)p.calls, (unsigned long long)p.numbers, (unsigned long long)p.failures,
           flip ? ", as they must" : "");
    fflush(stdout);
    ok = ok && good;
  }
  return ok ? 0 : 1;
}
