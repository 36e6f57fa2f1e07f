/* onnx_proto.c: see onnx_proto.h. A field is its number and wire type in one varint, then a varint, or a length and as
 * many bytes; a message within a message is such bytes. */
#include "compiler/export/onnx_proto.h"

#include <string.h>

enum { VARINT = 0, LENGTH = 2 };

static void put(TwPb *b, const void *bytes, size_t n) {
  if (n > b->cap - b->n) {
    size_t cap = b->cap + n + b->cap / 2 + 64;
    unsigned char *grown = TW_NEW_N(b->arena, unsigned char, cap);
    if (b->n) memcpy(grown, b->at, b->n);
    b->at = grown;
    b->cap = cap;
  }
  if (n) memcpy(b->at + b->n, bytes, n);
  b->n += n;
}

static void varint(TwPb *b, uint64_t v) {
  unsigned char bytes[10];
  size_t n = 0;
  for (; v >= 128; v >>= 7) bytes[n++] = (unsigned char)(v | 128);
  bytes[n++] = (unsigned char)v;
  put(b, bytes, n);
}

void tw_pb_whole(TwPb *b, uint32_t field, int64_t v) {
  varint(b, (uint64_t)field << 3 | VARINT);
  varint(b, (uint64_t)v);
}

void tw_pb_bytes(TwPb *b, uint32_t field, const void *bytes, size_t n) {
  varint(b, (uint64_t)field << 3 | LENGTH);
  varint(b, n);
  put(b, bytes, n);
}

void tw_pb_text(TwPb *b, uint32_t field, const char *text) { tw_pb_bytes(b, field, text, strlen(text)); }
void tw_pb_message(TwPb *b, uint32_t field, const TwPb *inner) { tw_pb_bytes(b, field, inner->at, inner->n); }

/* ---- onnx.proto */

void tw_onnx_node(TwPb *graph, const char *op, const char *const *in, uint32_t n_in, const char *out,
                  const TwOnnxAttr *attribute) {
  enum { INPUT = 1, OUTPUT, NAME, OP_TYPE, ATTRIBUTE };
  TwPb node = {.arena = graph->arena};
  for (uint32_t k = 0; k < n_in; k++) tw_pb_text(&node, INPUT, in[k]);
  tw_pb_text(&node, OUTPUT, out);
  tw_pb_text(&node, NAME, out);
  tw_pb_text(&node, OP_TYPE, op);
  if (attribute) {
    enum { ATTR_NAME = 1, ATTR_I = 3, ATTR_TYPE = 20, TYPE_INT = 2 };
    TwPb attr = {.arena = graph->arena};
    tw_pb_text(&attr, ATTR_NAME, attribute->name);
    tw_pb_whole(&attr, ATTR_I, attribute->value);
    tw_pb_whole(&attr, ATTR_TYPE, TYPE_INT);
    tw_pb_message(&node, ATTRIBUTE, &attr);
  }
  tw_pb_message(graph, 1, &node);
}

static size_t size_of(TwOnnxType t) { return t == TW_ONNX_FLOAT ? 4 : t == TW_ONNX_BOOL ? 1 : 8; }

void tw_onnx_initializer(TwPb *graph, const char *name, TwOnnxType type, uint32_t rank, const int64_t *dims,
                         const void *data) {
  enum { DIMS = 1, DATA_TYPE, NAME = 8, RAW = 9, DOUBLES = 10 };
  TwPb tensor = {.arena = graph->arena};
  size_t count = 1;
  for (uint32_t k = 0; k < rank; k++) {
    tw_pb_whole(&tensor, DIMS, dims[k]);
    count *= (size_t)dims[k];
  }
  tw_pb_whole(&tensor, DATA_TYPE, type);
  tw_pb_text(&tensor, NAME, name);
  /* Doubles have a field of their own, and there are readers that look for them nowhere else. Its packed form is the
   * same bytes, little endian as they are here. */
  tw_pb_bytes(&tensor, type == TW_ONNX_DOUBLE ? DOUBLES : RAW, data, count * size_of(type));
  tw_pb_message(graph, 5, &tensor);
}

void tw_onnx_port(TwPb *graph, bool is_input, const char *name, TwOnnxType type, int64_t width, const char *doc) {
  TwArena *a = graph->arena;
  TwPb port = {.arena = a}, ty = {.arena = a}, tensor = {.arena = a}, shape = {.arena = a}, rows = {.arena = a},
       columns = {.arena = a};
  enum { NAME = 1, TYPE, DOC, TENSOR_TYPE = 1, ELEM_TYPE = 1, SHAPE, DIM = 1, DIM_VALUE = 1, DIM_PARAM };
  tw_pb_text(&rows, DIM_PARAM, "N");
  tw_pb_whole(&columns, DIM_VALUE, width);
  tw_pb_message(&shape, DIM, &rows);
  tw_pb_message(&shape, DIM, &columns);
  tw_pb_whole(&tensor, ELEM_TYPE, type);
  tw_pb_message(&tensor, SHAPE, &shape);
  tw_pb_message(&ty, TENSOR_TYPE, &tensor);
  tw_pb_text(&port, NAME, name);
  tw_pb_message(&port, TYPE, &ty);
  tw_pb_text(&port, DOC, doc);
  tw_pb_message(graph, is_input ? 11 : 12, &port);
}

TwPb tw_onnx_model(TwArena *arena, const char *name, const char *doc, const char *version, const TwPb *graph) {
  enum { IR_VERSION = 1, PRODUCER_NAME, PRODUCER_VERSION, GRAPH = 7, OPSET = 8, GRAPH_NAME = 2, GRAPH_DOC = 10 };
  TwPb model = {.arena = arena}, opset = {.arena = arena}, whole = *graph;
  tw_pb_text(&whole, GRAPH_NAME, name);
  tw_pb_text(&whole, GRAPH_DOC, doc);
  tw_pb_text(&opset, 1, "");
  tw_pb_whole(&opset, 2, TW_ONNX_OPSET);
  tw_pb_whole(&model, IR_VERSION, TW_ONNX_IR);
  tw_pb_text(&model, PRODUCER_NAME, "triwave");
  tw_pb_text(&model, PRODUCER_VERSION, version);
  tw_pb_message(&model, GRAPH, &whole);
  tw_pb_message(&model, OPSET, &opset);
  return model;
}
