#!/usr/bin/env python3
"""dense.py --width W: one training step of a dense ReLU net 1 -> W -> W -> W -> 1 in PyTorch, 128 samples, Adam.
Prints microseconds of CPU time a step as JSON. Only the benchmark uses it."""
import argparse, json, os, time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import torch

ap = argparse.ArgumentParser()
ap.add_argument("--width", type=int, default=4096)
w = ap.parse_args().width
torch.set_num_threads(1)
torch.manual_seed(0)
x = torch.linspace(0, 1, 128).unsqueeze(-1)
y = x ** 3
sizes = [1, w, w, w, 1]
layers = []
for m, n in zip(sizes, sizes[1:]):
    layers += [torch.nn.Linear(m, n), torch.nn.ReLU()]
net = torch.nn.Sequential(*layers[:-1])
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
times = []
for step in range(4):
    start = time.process_time()
    loss = ((net(x) - y) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    times.append(time.process_time() - start)
print(json.dumps({"step_us_cpu": sorted(times[1:])[1] * 1e6, "width": w}))
