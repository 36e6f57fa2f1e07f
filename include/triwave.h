/* triwave.h: compile, train and use Triwave programs from C.
 *
 * Two libraries implement it. libtriwave has all of it. libtriwave-runtime has the second part only, the one about
 * programs that are compiled already: it is all that a file made by `triwave build` needs.
 *
 * Threads: a program never changes and may be used by any number of threads. A net belongs to one thread at a
 * time; different nets do not share anything that is written. There is no global state, nothing is printed, and no
 * function ends the process.
 * Errors: a function that can fail takes `char **error`, sets it to NULL, or to a text that the caller frees with
 * tw_text_free (NULL stays there if there was no memory for one). `error` itself may be NULL.
 * Numbers are doubles at this interface, whatever the program computes in: f32 values pass exactly. Arrays are row
 * major. Results are the same bits as those of the command, for any number of threads and nets. */
#ifndef TRIWAVE_H
#define TRIWAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A compiled program: tables and machine code. */
typedef struct TwRtProgram tw_program;
/* Params and weights of a program, and the state of their training. */
typedef struct tw_net tw_net;

/* "0.1.0"; static. */
const char *tw_version(void);
/* Frees a text that a function here has made; NULL is allowed. */
void tw_text_free(char *text);

/* ---- compiling (libtriwave only) */

typedef struct tw_define {
  const char *name, *value; /* of a const, as after -D */
} tw_define;

typedef struct tw_compile_options {
  const char *path;    /* what messages call the text, and what csv("…") is relative to; NULL: "text" */
  const char *variant; /* NULL: the first, which is the program's body */
  bool f64;            /* reals are doubles; else floats */
  const tw_define *defines;
  size_t n_defines;
  bool no_cache;        /* neither reads nor keeps code in the user's cache */
  uint32_t reserved[8]; /* zero */
} tw_compile_options;

/* Compiles a program from its text. `options` may be NULL. The result is the caller's, to free with
 * tw_program_free when its nets are gone; NULL and *error, diagnostics as the command prints them, if the text is
 * wrong. Warnings are not errors and not told. */
tw_program *tw_program_compile(const char *text, size_t length, const tw_compile_options *options, char **error);
/* The same from a file. */
tw_program *tw_program_compile_file(const char *path, const tw_compile_options *options, char **error);
/* Frees a program that was compiled here (never one that is linked in); NULL is allowed. */
void tw_program_free(tw_program *p);

/* ---- what a program has. All texts and arrays are the program's. */

typedef struct tw_tensor_info {
  const char *name; /* "peak", "net.hidden.W", "x" */
  uint32_t rank;
  const int64_t *dims; /* rank of them */
  uint64_t at, count;  /* its first element among the values (of a net; of a row of a model), how many it has */
  bool is_param;       /* a param; else weights, or an input or output */
} tw_tensor_info;

typedef struct tw_stage_info {
  const char *name, *optimizer;
  int64_t epochs, batch;  /* batch 0: full */
  uint64_t n_coordinates; /* trained reals */
} tw_stage_info;

typedef struct tw_model_info {
  const char *name;
  uint32_t n_inputs, n_outputs; /* tensors */
  uint64_t in_width, out_width; /* reals in a row of inputs, and of outputs */
  bool has_slopes;
} tw_model_info;

bool tw_program_is_f64(const tw_program *p);
const char *tw_program_variant(const tw_program *p);
uint64_t tw_program_n_values(const tw_program *p); /* reals of all params and weights */
uint32_t tw_program_n_tensors(const tw_program *p);
uint32_t tw_program_n_stages(const tw_program *p);
uint32_t tw_program_n_models(const tw_program *p);
/* Each false, and *out untouched, if there is no such number. */
bool tw_program_tensor(const tw_program *p, uint32_t k, tw_tensor_info *out);
bool tw_program_stage(const tw_program *p, uint32_t k, tw_stage_info *out);
bool tw_program_model(const tw_program *p, uint32_t k, tw_model_info *out);
bool tw_program_input(const tw_program *p, uint32_t model, uint32_t k, tw_tensor_info *out);
bool tw_program_output(const tw_program *p, uint32_t model, uint32_t k, tw_tensor_info *out);
/* Number of the model of that name, or of the last one if name is NULL; -1 if there is none. */
int64_t tw_program_find_model(const tw_program *p, const char *name);
int64_t tw_program_find_tensor(const tw_program *p, const char *name);

/* ---- nets. A net is at the start of stage `stage` or inside of it, and all values are those of that moment. */

/* A net at its start: params and laws of that seed. NULL and *error if it cannot be made: a start outside its domain,
 * measured data that is not finite, no memory. The program must outlive it. */
tw_net *tw_net_new(const tw_program *p, uint64_t seed, char **error);
void tw_net_free(tw_net *n); /* NULL is allowed */

/* The natural values of all params, then all weights: tw_program_n_values reals, as tw_tensor_info.at says. */
void tw_net_values(const tw_net *n, double *out);
/* Replaces them; params must be in their domains. Weights that are a function of params at this moment are not read:
 * they follow. Bounded params go through the optimizer's coordinate, which may change their last bits. What the
 * optimizer carries stays as it is. false and *error: nothing was changed. */
bool tw_net_set_values(tw_net *n, const double *values, char **error);
/* The same for one tensor of `count` reals; an error if it is weights that are a function of params. */
bool tw_net_set_tensor(tw_net *n, uint32_t tensor, const double *values, uint64_t count, char **error);

/* Values of a model at `rows` rows of in_width reals -> rows of out_width reals. */
bool tw_net_predict(tw_net *n, uint32_t model, uint64_t rows, const double *in, double *out, char **error);
/* The same in f32, without conversions where the program computes in f32. */
bool tw_net_predict_f32(tw_net *n, uint32_t model, uint64_t rows, const float *in, float *out, char **error);
/* Its slopes: rows of out_width x in_width, d output / d input, the input fastest. */
bool tw_net_slopes(tw_net *n, uint32_t model, uint64_t rows, const double *in, double *out, char **error);

/* Where training is: the stage (n_stages: all are done), and epochs done in it. */
uint32_t tw_net_stage(const tw_net *n);
int64_t tw_net_epoch(const tw_net *n);
/* The loss of the stage on its full data, and its gradient in the stage's coordinates (n_coordinates of them; those
 * that the optimizer sees, so logistic or exponential ones for bounded params). `gradient` may be NULL. After the last
 * stage: of that one. */
bool tw_net_loss(tw_net *n, double *loss, double *gradient, char **error);

/* What one call of tw_net_step has done. */
typedef struct tw_step {
  uint32_t stage;
  int64_t epoch;   /* the one that `loss` belongs to: how many were done before the call */
  double loss;     /* at the values before the call */
  double norm;     /* of the gradient; 0 where an epoch has batches, or no update was left to make */
  bool stage_done; /* it was the stage's last: no update was made, and the next call is in the next stage */
} tw_step;

/* One epoch: of a stage with full batches one update. Moves on to the next stage by itself. Calling it until
 * tw_net_stage is n_stages is the training that `triwave run` does, to the last bit. false and *error: a NaN, or a
 * bound with `stop` that does not hold: the values are those before the update that would have come next, and training
 * cannot go on unless they are set anew; or nothing is left to train. */
bool tw_net_step(tw_net *n, tw_step *out, char **error);

/* Called after each epoch of tw_net_train; false: stop. */
typedef bool (*tw_on_step)(void *context, const tw_net *n, const tw_step *step);
/* Trains to the end of the last stage, or until the callback (which may be NULL) says stop, which is no error. */
bool tw_net_train(tw_net *n, tw_on_step on_step, void *context, char **error);

/* ---- files. Each appears whole or not at all; false and *error: nothing was written, or the net is as it was. */

/* All values as a safetensors file, under the names and in the shapes that PyTorch's modules have (docs/use.md). */
bool tw_net_write(const tw_net *n, const char *path, char **error);
/* Sets them from such a file, which may come from a run (RUN/weights), from PyTorch, …: tw_net_set_values. An error if
 * weights that are a function of params at this moment are others in the file, by more than rounding. */
bool tw_net_read(tw_net *n, const char *path, char **error);

/* The net with all that its training carries, in a file with a checksum. */
bool tw_net_save(tw_net *n, const char *path, char **error);
/* Goes to where the saved net was: its stage, epoch, values and optimizer, so what follows has the bits that it would
 * have had there. The net must be of the same seed, and of a program with the same tensors, stages and Set_Weights. */
bool tw_net_load(tw_net *n, const char *path, char **error);

#ifdef __cplusplus
}
#endif
#endif
