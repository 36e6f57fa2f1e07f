/* main.c: trains and uses what `triwave build` compiled. */
#include <stdio.h>

#include "net.h"

int main(void) {
  char *error;
  tw_net *net = tw_net_new(&net_program, 0, &error);
  double x = 0.5, y = 0;
  if (!net || !tw_net_train(net, NULL, NULL, &error) || !tw_net_predict(net, 0, 1, &x, &y, &error))
    return printf("%s\n", error ? error : "out of memory"), 1;
  printf("f(0.5) = %.6f\n", y);
  tw_net_free(net);
  return y > 0.12 && y < 0.13 ? 0 : 1;
}
