"""The benchmark's workloads in PyTorch, with the same algorithms and sizes, as idiomatic PyTorch would write them.

A server on standard input and output: a line "NAME THREADS SECONDS" is answered by the best time of one call in seconds,
measured over about that long. The first line written is the version of PyTorch.
"""
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(1)


def mlp(*sizes):
    layers = []
    for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
        layers.append(nn.Linear(a, b))
        if i < len(sizes) - 2:
            layers.append(nn.ELU())
    return nn.Sequential(*layers)


DATA, LATENT, HIDDEN = 784, 50, 200
decoder = mlp(LATENT, HIDDEN, HIDDEN, DATA)
encoder = mlp(DATA, HIDDEN, HIDDEN, 2 * LATENT)
images = (torch.rand(100, DATA) < 0.3).float()


def log_likelihood(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(-1)


def elbo(mu, log_var, x, samples):
    """mu, log_var [B, n]; x [B, D]; the mean over samples of log p(x|z), minus the analytic KL."""
    z = mu.unsqueeze(1) + (0.5 * log_var).exp().unsqueeze(1) * torch.randn(mu.shape[0], samples, LATENT)
    kl = -0.5 * (1 + log_var - mu ** 2 - log_var.exp()).sum(-1)
    return log_likelihood(decoder(z), x.unsqueeze(1)).mean(1) - kl


def product(m, k, n):
    a, b, c = torch.rand(m, k), torch.rand(k, n), torch.empty(m, n)
    return lambda: torch.mm(a, b, out=c)


def training_step():
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)

    def step():
        optimizer.zero_grad(set_to_none=True)
        mu, log_var = encoder(images).chunk(2, -1)
        (-elbo(mu, log_var, images, 1).mean()).backward()
        optimizer.step()

    return step


def frozen(work):
    """The decoder's weights need no gradients while single datapoints are worked on."""

    def run():
        decoder.requires_grad_(False)
        try:
            work()
        finally:
            decoder.requires_grad_(True)

    return run


def local_step():
    x = images[:10]
    mu, log_var = torch.zeros(10, LATENT, requires_grad=True), torch.zeros(10, LATENT, requires_grad=True)
    optimizer = torch.optim.Adam([mu, log_var], lr=1e-3)

    def step():
        optimizer.zero_grad(set_to_none=True)
        (-elbo(mu, log_var, x, 100).sum()).backward()
        optimizer.step()

    return frozen(step)


def iwae():
    x = images[:10]
    mu, log_var = 0.1 * torch.randn(10, LATENT), torch.full((10, LATENT), -1.0)

    @torch.no_grad()
    def bound():
        pieces = []
        for _ in range(20):
            noise = torch.randn(10, 250, LATENT)
            z = mu.unsqueeze(1) + (0.5 * log_var).exp().unsqueeze(1) * noise
            log_prior = -0.5 * (z ** 2).sum(-1)
            log_q = -0.5 * (log_var.unsqueeze(1) + noise ** 2).sum(-1)
            pieces.append(log_likelihood(decoder(z), x.unsqueeze(1)) + log_prior - log_q)
        return torch.logsumexp(torch.cat(pieces, 1), 1)

    return bound


def ais():
    x = images[:10].unsqueeze(1)
    state = {"z": torch.randn(10, 100, LATENT)}
    beta, steps = 0.5, 10
    step_size = torch.full((10, 100, 1), 0.05)

    def energy_and_force(z):
        z = z.detach().requires_grad_(True)
        value = beta * log_likelihood(decoder(z), x) - 0.5 * (z ** 2).sum(-1)
        (force,) = torch.autograd.grad(value.sum(), z)
        return value.detach(), force

    def transition():
        z = state["z"]
        r = torch.randn_like(z)
        before, force = state.get("kept") or energy_and_force(z)
        h0 = before - 0.5 * (r ** 2).sum(-1)
        r = r + 0.5 * step_size * force
        new = z
        for i in range(steps):
            new = new + step_size * r
            value, force_new = energy_and_force(new)
            r = r + (0.5 if i == steps - 1 else 1.0) * step_size * force_new
        h1 = value - 0.5 * (r ** 2).sum(-1)
        accept = (torch.rand_like(h0).log() < h1 - h0).unsqueeze(-1)
        state["z"] = torch.where(accept, new, z)
        state["kept"] = (torch.where(accept.squeeze(-1), value, before), torch.where(accept, force_new, force))

    return frozen(transition)


def hessian_vector_product():
    """Gradient with respect to lambda, then its product with v with respect to lambda and theta."""
    with torch.no_grad():
        mu, log_var = (t.clone() for t in encoder(images).chunk(2, -1))
    mu.requires_grad_(True)
    log_var.requires_grad_(True)
    v = [torch.randn_like(mu), torch.randn_like(log_var)]
    theta = list(decoder.parameters())

    def products():
        gradients = torch.autograd.grad(elbo(mu, log_var, images, 1).sum(), [mu, log_var], create_graph=True)
        return torch.autograd.grad(sum((g * d).sum() for g, d in zip(gradients, v)), [mu, log_var, *theta])

    return products


WORKLOADS = {
    "training": training_step,
    "local": local_step,
    "iwae": iwae,
    "ais": ais,
    "hvp": hessian_vector_product,
}


def workload(name):
    if name.startswith("product:"):
        return product(*(int(size) for size in name.split(":")[1].split("x")))
    return WORKLOADS[name]()


def best(work, seconds):
    for _ in range(2):
        work()
    fastest, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest


def main():
    print(torch.__version__, flush=True)
    prepared = {}
    for line in sys.stdin:
        name, threads, seconds = line.split()
        torch.set_num_threads(int(threads))
        if name not in prepared:
            prepared[name] = workload(name)
        print(best(prepared[name], float(seconds)), flush=True)


main()
