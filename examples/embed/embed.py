"""embed.py: the same from Python, with nothing but ctypes.   python3 embed.py [path of libtriwave.so]"""
import ctypes as c
import sys

tw = c.CDLL(sys.argv[1] if len(sys.argv) > 1 else "libtriwave.so.0")
tw.tw_program_compile.restype = tw.tw_net_new.restype = c.c_void_p
tw.tw_program_compile.argtypes = [c.c_char_p, c.c_size_t, c.c_void_p, c.c_void_p]
tw.tw_net_new.argtypes = [c.c_void_p, c.c_uint64, c.c_void_p]
for f in tw.tw_net_predict, tw.tw_net_slopes:
    f.argtypes, f.restype = [c.c_void_p, c.c_uint32, c.c_uint64, c.c_void_p, c.c_void_p, c.c_void_p], c.c_bool
tw.tw_net_train.argtypes, tw.tw_net_train.restype = [c.c_void_p, c.c_void_p, c.c_void_p, c.c_void_p], c.c_bool
tw.tw_net_free.argtypes = tw.tw_program_free.argtypes = tw.tw_text_free.argtypes = [c.c_void_p]


class Step(c.Structure):
    _fields_ = [("stage", c.c_uint32), ("epoch", c.c_int64), ("loss", c.c_double), ("norm", c.c_double), ("done", c.c_bool)]


@c.CFUNCTYPE(c.c_bool, c.c_void_p, c.c_void_p, c.POINTER(Step))
def every_100(context, net, step):
    if step[0].epoch % 100 == 0:
        print("epoch %3d  loss %.3e" % (step[0].epoch, step[0].loss))
    return True


error = c.c_void_p()


def check(ok):
    if not ok:
        sys.exit(c.string_at(error.value).decode() if error.value else "out of memory")
    return ok


text = b"""
import nn
import init
data train = grid(x in [0, 1], 200) -> x ^ 2
weights net : nn.Mlp[1, 8, 1, 1] ~ init.kaiming
model f(x: real) -> real = nn.forward(net, [x])[0]
loss = mse(f, train)
stage all { train net; adam(rate = 1e-2); epochs 500 }
"""
program = check(tw.tw_program_compile(text, len(text), None, c.byref(error)))
net = check(tw.tw_net_new(program, 0, c.byref(error)))
check(tw.tw_net_train(net, every_100, None, c.byref(error)))
x, y, slope = (c.c_double * 3)(0.25, 0.5, 0.75), (c.c_double * 3)(), (c.c_double * 3)()
check(tw.tw_net_predict(net, 0, 3, x, y, c.byref(error)))
check(tw.tw_net_slopes(net, 0, 3, x, slope, c.byref(error)))
for k in range(3):
    print("f(%.2f) = %.4f, f' = %.4f" % (x[k], y[k], slope[k]))
tw.tw_net_free(net)
tw.tw_program_free(program)
