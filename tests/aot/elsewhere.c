/* elsewhere.c: the program that is linked to it, and the same as it would be met where the CPU lacks something that it
 * needs: one is a net, the other an error. */
#include <stdio.h>
#include <string.h>

#include "include/triwave.h"
#include "runtime/program.h"

extern const TwRtProgram net_program;

int main(void) {
  char *error;
  tw_net *net = tw_net_new(&net_program, 0, &error);
  if (!net) return printf("no net: %s\n", error), 1;
  tw_net_free(net);
#if defined __x86_64__
  if (!(net_program.cpu >> TW_CPU_SSE3 & 1)) return puts("it does not say what it needs"), 1;
#endif
  TwRtProgram moved = net_program;
  moved.cpu |= UINT64_C(1) << 62; /* no machine has that */
  net = tw_net_new(&moved, 0, &error);
  if (net || !error || !strstr(error, "and this one lacks")) return printf("%s\n", error ? error : "no reason"), 1;
  tw_text_free(error);
  return 0;
}
