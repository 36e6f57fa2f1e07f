/* embed.c: compile a program, train it and use it, from C.   cc embed.c $(pkg-config --cflags --libs triwave) */
#include <stdio.h>
#include <string.h>
#include <triwave.h>

static const char program[] = "data train = grid(x in [0, 1], 200) -> x ^ 2\n"
                              "import nn\nimport init\n"
                              "weights net : nn.Mlp[1, 8, 1, 1] ~ init.kaiming\n"
                              "model f(x: real) -> real = nn.forward(net, [x])[0]\n"
                              "loss = mse(f, train)\n"
                              "stage all { train net; adam(rate = 1e-2); epochs 500 }\n";

static bool every_100(void *context, const tw_net *net, const tw_step *step) {
  (void)context, (void)net;
  if (step->epoch % 100 == 0) printf("epoch %3lld  loss %.3e\n", (long long)step->epoch, step->loss);
  return true; /* go on */
}

static int fail(char *error) {
  fprintf(stderr, "%s\n", error ? error : "out of memory");
  tw_text_free(error);
  return 1;
}

int main(void) {
  char *error;
  tw_program *p = tw_program_compile(program, strlen(program), NULL, &error);
  if (!p) return fail(error);
  tw_net *net = tw_net_new(p, 0, &error);
  if (!net || !tw_net_train(net, every_100, NULL, &error)) return fail(error);
  double x[] = {0.25, 0.5, 0.75}, y[3], slope[3];
  if (!tw_net_predict(net, 0, 3, x, y, &error) || !tw_net_slopes(net, 0, 3, x, slope, &error)) return fail(error);
  for (int k = 0; k < 3; k++) printf("f(%.2f) = %.4f, f' = %.4f\n", x[k], y[k], slope[k]);
  tw_net_free(net);
  tw_program_free(p);
  return 0;
}
