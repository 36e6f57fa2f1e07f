#!/usr/bin/env python3
"""flagship.py [--samples N] [--epochs E] [--depth D] [--batched SEEDS]: the flagship in PyTorch.

Without --batched: as users write it: one net, nn.Parameter, functional layers, Adam, a Python loop.
With --batched: SEEDS nets at once as one batched tensor program, the fastest plain PyTorch way.
Prints a JSON object: microseconds an epoch in pretraining and in training, by the wall and of CPU time (_cpu), and
the loss.
Needs Debian's python3-torch; only the benchmark uses it."""
import argparse, json, os, time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import torch


def set_weights(peak, ratio, mix):
    """Set_Weights (Milkert, Hyde & Laine 2025) for leading batch axes: returns [(W, b), ...]."""
    d = ratio.shape[-1]
    zero, one = torch.zeros_like(peak[..., 0]), torch.ones_like(peak[..., 0])
    rows = lambda *r: torch.stack([torch.stack(list(x), -1) for x in r], -2)
    first = (rows([one], [one], [one], [zero]), torch.stack([zero, zero, -peak[..., 0], one], -1))
    layers = [first]
    for i in range(d):
        a, s = peak[..., i], ratio[..., i]
        up, down = s / a, -s / (a - a * a)
        total = [one, mix * up, mix * down, zero]
        if i == d - 1:
            layers.append((rows(total), torch.stack([zero], -1)))
        else:
            layers.append((rows(total, [zero, up, down, zero], [zero, up, down, -s * peak[..., i + 1]], [zero, zero, zero, s]),
                           torch.stack([zero] * 4, -1)))
    return layers


def smooth_ratios(peak, scale):
    rest = (1 - peak[..., 1:-1]) * peak[..., 2:]
    return torch.cat([scale.unsqueeze(-1), rest], -1)


def forward(layers, x):
    h = x
    for i, (W, b) in enumerate(layers):
        h = h @ W.transpose(-1, -2) + b.unsqueeze(-2)
        if i < len(layers) - 1:
            h = torch.relu(h)
    return h


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--samples", type=int, default=500)
    ap.add_argument("--epochs", type=int, default=1000)
    ap.add_argument("--depth", type=int, default=5)
    ap.add_argument("--batched", type=int, default=0)
    ap.add_argument("--threads", type=int, default=1)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    lead = (a.batched,) if a.batched else ()
    x = torch.linspace(0, 1, a.samples).unsqueeze(-1)
    y = x ** 3
    if a.batched:
        x = x.expand(a.batched, -1, -1)
    peak = torch.nn.Parameter(0.3 + 0.4 * torch.rand(*lead, a.depth + 1))
    scale = torch.nn.Parameter(((1 - peak[..., 0]) * peak[..., 1]).detach().clone())

    def loss_of(out):
        e = ((out - y) ** 2).mean(dim=(-1, -2))
        return e.sum(), e

    def train(params, layers_of, project, epochs):
        opt = torch.optim.Adam(params, lr=1e-3)
        for warm in range(10):
            l, _ = loss_of(forward(layers_of(), x))
            opt.zero_grad(); l.backward()
        start, start_cpu = time.perf_counter(), time.process_time()
        for _ in range(epochs):
            l, each = loss_of(forward(layers_of(), x))
            opt.zero_grad()
            l.backward()
            opt.step()
            project()
        wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
        return wall / epochs * 1e6, cpu / epochs * 1e6, each.detach()

    def clip():
        with torch.no_grad():
            peak.clamp_(0.02, 0.98)
            scale.clamp_(min=1e-6)

    derived = lambda: set_weights(peak, smooth_ratios(peak, scale), -1.0)
    pre, pre_cpu, _ = train([peak, scale], derived, clip, a.epochs)
    raw = [(torch.nn.Parameter(W.detach().clone()), torch.nn.Parameter(b.detach().clone())) for W, b in derived()]
    std, std_cpu, each = train([p for l in raw for p in l], lambda: raw, lambda: None, a.epochs)
    print(json.dumps({"pretrain_us": pre, "train_us": std, "pretrain_us_cpu": pre_cpu, "train_us_cpu": std_cpu,
                      "loss": float(each.min()), "samples": a.samples,
                      "depth": a.depth, "seeds": max(1, a.batched), "torch": torch.__version__}))


if __name__ == "__main__":
    main()
