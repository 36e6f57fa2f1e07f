#!/usr/bin/env python3
"""exported.py TRIWAVE READER [--points N]: what Triwave exports, used by others.

For some of the examples, in f32 and f64, at N points (10^6 unless --points says otherwise):
  * onnx: OpenCV reads the graph (cv2.dnn, which computes in f32) and its outputs are compared with those of
    `triwave eval`. READER is the executable test_use_onnx (tests/use/onnx.c), which says how large a difference is beside
    the sum of |terms| of the model: at most 1e-6.
  * torch: PyTorch loads the safetensors, by load_state_dict, into nn.Linear layers, and its outputs, in the
    program's precision, are compared in the same way: 1e-6 in f32, 1e-14 in f64.
Prints the largest differences; ends with 1 if one is beyond its bound, with 77 if neither cv2 nor torch is there. Needs
Debian's python3-opencv and python3-torch. Never part of ./dev test."""
import argparse, json, os, struct, subprocess, sys, tempfile

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy

try:
    import cv2
except ImportError:
    cv2 = None
try:
    import torch
    torch.set_num_threads(1)
except ImportError:
    torch = None

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(HERE, "../../examples")
# name, inputs, is it one chain of nn.Linear with relu between them?
PROGRAMS = [("cubic", ["x"], True), ("sine", ["x"], False), ("dense", ["x"], True), ("difference", ["x"], False),
            ("radial", ["x", "y"], False), ("radial_dense", ["x", "y"], True), ("derivative", ["x"], False)]


def read_safetensors(path):
    """The tensors of a file, by name."""
    with open(path, "rb") as f:
        (n,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(n))
        data = f.read()
    kinds = {"F32": numpy.float32, "F64": numpy.float64}
    return {name: torch.from_numpy(numpy.frombuffer(data[t["data_offsets"][0]:t["data_offsets"][1]], kinds[t["dtype"]])
                                   .reshape(t["shape"]).copy())
            for name, t in header.items() if name != "__metadata__"}


class Net(torch.nn.Module if torch else object):
    """weights net : nn.Mlp[m, w, layers, k], as a PyTorch user writes it."""

    def __init__(self, shapes):
        super().__init__()
        layer = lambda name: torch.nn.Linear(shapes[name][1], shapes[name][0])
        hidden = [k for k in shapes if k.startswith("net.hidden.")]
        self.first, self.out = layer("net.first.weight"), layer("net.out.weight")
        self.hidden = torch.nn.ModuleList(layer(f"net.hidden.{k}.weight") for k in range(len(hidden)))

    def forward(self, x):
        x = torch.relu(self.first(x))
        for h in self.hidden:
            x = torch.relu(h(x))
        return self.out(x)


def by_torch(path, x, precision):
    tensors = {k: v for k, v in read_safetensors(path).items() if k.startswith("net.")}
    net = Net({k: v.shape for k, v in tensors.items() if k.endswith(".weight")})
    if precision == "f64":
        net = net.double()
    net.load_state_dict({k[4:]: v for k, v in tensors.items()}, strict=True)
    with torch.no_grad():
        return net(torch.from_numpy(x.astype(numpy.float64 if precision == "f64" else numpy.float32))).numpy()


def by_opencv(path, x, names):
    net = cv2.dnn.readNetFromONNX(path)
    out = []
    for start in range(0, len(x), 50000):
        for k, name in enumerate(names):
            net.setInput(numpy.ascontiguousarray(x[start:start + 50000, k:k + 1], dtype=numpy.float32), name)
        out.append(net.forward().copy())
    return numpy.concatenate(out)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("triwave")
    p.add_argument("reader")
    p.add_argument("--points", type=int, default=1000000)
    a = p.parse_args()
    if not cv2 and not torch:
        print("neither cv2 nor torch is there")
        return 77
    failed = compared = 0
    with tempfile.TemporaryDirectory() as d:
        at = lambda name: os.path.join(d, name)
        for name, inputs, chain in PROGRAMS:
            x = numpy.random.default_rng(1).random((a.points, len(inputs))) * 1.25 - 0.125
            numpy.savetxt(at("x.csv"), x, delimiter=",", header=",".join(inputs), comments="", fmt="%.17g")
            for precision in ("f32", "f64"):
                triwave = lambda verb, *more: subprocess.run([a.triwave, verb, os.path.join(EXAMPLES, name + ".tw"), "--precision", precision, *more], check=True)
                triwave("eval", "--data", at("x.csv"), "-o", at("want.csv"))
                triwave("export", "--to", "onnx", "-o", at("net.onnx"))
                triwave("export", "--to", "safetensors", "-o", at("net.safetensors"))
                peers = []
                if cv2:
                    peers.append(("onnx", by_opencv(at("net.onnx"), x, inputs), 1e-6))
                if torch and chain:
                    peers.append(("torch", by_torch(at("net.safetensors"), x, precision), 1e-6 if precision == "f32" else 1e-14))
                for kind, y, bound in peers:
                    numpy.savetxt(at("got.csv"), y, delimiter=",", header="y", comments="", fmt="%.17g")
                    r = subprocess.run([a.reader, at("net.onnx"), at("x.csv"), at("want.csv"), str(bound), at("got.csv")],
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
                    want = numpy.loadtxt(at("want.csv"), delimiter=",", skiprows=1, ndmin=2)
                    print(f"{name} {precision} {kind}: largest difference {abs(y - want).max():.2g}; {r.stdout.strip()}", flush=True)
                    failed += r.returncode != 0
                    compared += 1
    return 1 if failed or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
