/* onnx_proto.h: the bytes of an ONNX model: as much of the protobuf wire format, and of onnx.proto, as writing takes.
 *
 * Numbers of fields are those of onnx.proto at IR version 7 (ONNX 1.8), where operator set 13 is the newest. */
#ifndef TW_EXPORT_ONNX_PROTO_H
#define TW_EXPORT_ONNX_PROTO_H

#include "compiler/unit.h"

enum { TW_ONNX_IR = 7, TW_ONNX_OPSET = 13 };

typedef enum TwOnnxType { TW_ONNX_FLOAT = 1, TW_ONNX_INT64 = 7, TW_ONNX_BOOL = 9, TW_ONNX_DOUBLE = 11 } TwOnnxType;

/* A message on its way, in the arena. */
typedef struct TwPb {
  TwArena *arena;
  unsigned char *at;
  size_t n, cap;
} TwPb;

void tw_pb_whole(TwPb *b, uint32_t field, int64_t v); /* a varint */
void tw_pb_bytes(TwPb *b, uint32_t field, const void *bytes, size_t n);
void tw_pb_text(TwPb *b, uint32_t field, const char *text);
void tw_pb_message(TwPb *b, uint32_t field, const TwPb *inner);

/* Parts of a GraphProto, added to it. `attribute`: a name and a whole number; NULL: none. */
typedef struct TwOnnxAttr {
  const char *name;
  int64_t value;
} TwOnnxAttr;
void tw_onnx_node(TwPb *graph, const char *op, const char *const *in, uint32_t n_in, const char *out,
                  const TwOnnxAttr *attribute);
/* data: float, double, int64_t, or a byte each, as the type says; the product of dims many. */
void tw_onnx_initializer(TwPb *graph, const char *name, TwOnnxType type, uint32_t rank, const int64_t *dims,
                         const void *data);
/* A tensor [N, width] that goes in or comes out. */
void tw_onnx_port(TwPb *graph, bool is_input, const char *name, TwOnnxType type, int64_t width, const char *doc);
/* The whole, of a complete graph. */
TwPb tw_onnx_model(TwArena *arena, const char *name, const char *doc, const char *version, const TwPb *graph);

#endif
