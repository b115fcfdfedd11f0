"""Makes the fixtures of ExternalModelTests.fs with PyTorch: two small models that are trained here, and what PyTorch says of them.

    python3 Tests.FSharp/Fixtures/external-models.py [FOLDER]

The bounds are computed without any code of GapLab, with other random numbers: ELBO, IWAE, and annealed importance sampling with Hamiltonian moves (the schedule, the number of chains and the
adaptation of step sizes are GapLab's; see the documentation of AisOptions and StepSizeAdaptation). Needs PyTorch and numpy; run with PyTorch 1.13.
"""

import json
import math
import pathlib
import struct
import sys

import numpy as np
import torch
from torch import nn

SIDE = 8
SAMPLES = 500
CHAINS, DISTRIBUTIONS, LEAPFROG_STEPS = 20, 100, 10
REPETITIONS = 40


def save_file(tensors, path):
    """What safetensors.torch.save_file writes: the length of the header, the header in JSON, the data."""
    header, data = {}, b""
    for name, tensor in tensors.items():
        values = np.ascontiguousarray(tensor.detach().numpy())
        kind = {"float16": "F16", "float32": "F32", "float64": "F64"}[values.dtype.name]
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [len(data), len(data) + values.nbytes]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def bars(count, generator):
    """Binary images of horizontal and vertical bars, each pixel flipped with probability 0.03."""
    images = torch.zeros(count, SIDE, SIDE)
    rows = torch.rand(count, SIDE, generator=generator) < 0.2
    columns = torch.rand(count, SIDE, generator=generator) < 0.2
    images[rows] = 1
    images.transpose(1, 2)[columns] = 1
    flipped = torch.rand(images.shape, generator=generator) < 0.03
    return torch.where(flipped, 1 - images, images).reshape(count, SIDE * SIDE)


class BinaryVae(nn.Module):
    """Bernoulli outputs; the encoder's last layer gives [mean, log-variance]."""

    latent_size = 4

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(SIDE * SIDE, 32), nn.ReLU(), nn.Dropout(0.0), nn.Linear(32, 2 * self.latent_size))
        self.decoder = nn.Sequential(nn.Linear(self.latent_size, 24), nn.Tanh(), nn.Linear(24, 32), nn.ELU(), nn.Linear(32, SIDE * SIDE), nn.Sigmoid())

    def encode(self, x):
        return self.encoder(x).chunk(2, -1)

    def log_likelihood(self, x, z):
        logits = self.decoder[:-1](z)
        return -nn.functional.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(-1)

    spec = {
        "latentSize": 4,
        "dataSize": SIDE * SIDE,
        "likelihood": "bernoulli",
        "decoder": {"modules": ["linear 24", "tanh", "linear 32", "elu", "linear 64", "sigmoid"]},
        "encoder": {"modules": ["linear 32", "relu", "dropout", "linear 8"]},
    }


class RealVae(nn.Module):
    """Gaussian outputs whose variances the decoder gives; the encoder has two heads, the second of which gives log-deviations."""

    latent_size = 2
    size = 6

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(self.size, 10), nn.LeakyReLU(0.2), nn.Linear(10, 10), nn.Softplus())
        self.fc_mu = nn.Linear(10, self.latent_size)
        self.fc_log_sigma = nn.Linear(10, self.latent_size)
        self.dec = nn.Sequential(nn.Linear(self.latent_size, 12), nn.SiLU(), nn.Linear(12, 2 * self.size))
        self.classifier = nn.Linear(self.latent_size, 3)

    def encode(self, x):
        features = self.net(x)
        return self.fc_mu(features), 2 * self.fc_log_sigma(features)

    def log_likelihood(self, x, z):
        mean, log_variance = self.dec(z).chunk(2, -1)
        return log_normal(x.expand_as(mean), mean, log_variance)

    spec = {
        "latentSize": 2,
        "dataSize": 6,
        "likelihood": "gaussian",
        "logVariance": "outputs",
        "decoder": {"prefix": "dec", "modules": ["linear 12", "silu", "linear 12"]},
        "encoder": {
            "prefix": "net",
            "modules": ["linear 10", "leaky-relu 0.2", "linear 10", "softplus"],
            "heads": ["fc_mu", "fc_log_sigma"],
            "spread": "log-deviation",
        },
        "ignore": ["classifier."],
    }


def curved(count, generator):
    """Six real numbers that lie near a curved surface of two dimensions."""
    z = torch.randn(count, 2, generator=generator)
    a, b = z[:, 0], z[:, 1]
    x = torch.stack([a, b, torch.sin(2 * a), a * b, torch.cos(b) + 0.5 * a, a - b], -1)
    return x + 0.2 * torch.randn(x.shape, generator=generator)


def log_normal(x, mean, log_variance):
    return -0.5 * (math.log(2 * math.pi) + log_variance + (x - mean) ** 2 / log_variance.exp()).sum(-1)


def log_prior(z):
    return -0.5 * (math.log(2 * math.pi) + z**2).sum(-1)


def log_weights(model, x, samples):
    """log p(x, z) - log q(z | x) at samples of q, [B, S]."""
    mean, log_variance = (part[:, None] for part in model.encode(x))
    z = mean + (0.5 * log_variance).exp() * torch.randn(x.shape[0], samples, model.latent_size, dtype=x.dtype)
    return model.log_likelihood(x[:, None], z) + log_prior(z) - log_normal(z, mean, log_variance)


def log_mean_exp(w):
    return torch.logsumexp(w, -1) - math.log(w.shape[-1])


def train(model, x, steps):
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(steps):
        batch = x[torch.randint(x.shape[0], (100,))]
        loss = -log_weights(model, batch, 1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def ais(model, x):
    """log p̂(x) of every datapoint by chains along p(z) p(x | z)^β, each with a step size of its own."""
    x = x[:, None]
    z = torch.randn(x.shape[0], CHAINS, model.latent_size, dtype=x.dtype)
    betas = torch.linspace(0, 1, DISTRIBUTIONS, dtype=x.dtype)
    step = torch.full(z.shape[:2], 0.1, dtype=x.dtype)
    acceptance = torch.full_like(step, 0.65)
    w = torch.zeros_like(step)

    def at(z, beta):
        z = z.detach().requires_grad_()
        likelihood = model.log_likelihood(x, z)
        density = log_prior(z) + beta * likelihood
        (force,) = torch.autograd.grad(density.sum(), z)
        return likelihood.detach(), density.detach(), force

    for t in range(1, DISTRIBUTIONS):
        with torch.no_grad():
            w += (betas[t] - betas[t - 1]) * model.log_likelihood(x, z)
        if t == DISTRIBUTIONS - 1:
            break
        momentum = torch.randn_like(z)
        epsilon = step[..., None]
        _, before, force = at(z, betas[t])
        r, moved = momentum + 0.5 * epsilon * force, z
        for i in range(LEAPFROG_STEPS):
            moved = moved + epsilon * r
            _, after, force = at(moved, betas[t])
            r = r + (1 if i < LEAPFROG_STEPS - 1 else 0.5) * epsilon * force
        change = after - 0.5 * (r**2).sum(-1) - before + 0.5 * (momentum**2).sum(-1)
        accepted = torch.log(torch.rand_like(change)) < change
        z = torch.where(accepted[..., None], moved, z)
        acceptance = 0.9 * acceptance + 0.1 * accepted
        step = (step * torch.where(acceptance > 0.65, 1.02, 0.98)).clamp(1e-4, 0.5)
    return log_mean_exp(w)


def repeated(estimate):
    """The mean over datapoints of an estimate, with its standard error over repetitions."""
    means = torch.stack([estimate().mean() for _ in range(REPETITIONS)])
    return {"mean": means.mean().item(), "standardError": (means.std() / math.sqrt(REPETITIONS)).item()}


def expected(model, x):
    """What PyTorch says in float64."""
    few = x[:4]
    z = torch.randn(4, 3, model.latent_size, dtype=x.dtype)
    with torch.no_grad():
        mean, log_variance = model.encode(few)
        values = {
            "points": x.shape[0],
            "samples": SAMPLES,
            "chains": CHAINS,
            "distributions": DISTRIBUTIONS,
            "leapfrogSteps": LEAPFROG_STEPS,
            "x": few.tolist(),
            "mean": mean.tolist(),
            "logVariance": log_variance.tolist(),
            "z": z.tolist(),
            "logJoint": (model.log_likelihood(few[:, None], z) + log_prior(z)).tolist(),
            "elbo": repeated(lambda: log_weights(model, x, SAMPLES).mean(-1)),
            "iwae": repeated(lambda: log_mean_exp(log_weights(model, x, SAMPLES))),
        }
    values["ais"] = repeated(lambda: ais(model, x))
    return values


def main(folder):
    torch.set_num_threads(1)
    for name, model_type, draw, steps in [("binary", BinaryVae, bars, 6000), ("real", RealVae, curved, 4000)]:
        torch.manual_seed(1)
        generator = torch.Generator().manual_seed(2)
        model = model_type()
        train(model, draw(4000, generator), steps)
        test = draw(32, generator)
        # The second file has another precision, so that both are read.
        tensors = {key: value.half() if name == "real" else value for key, value in model.state_dict().items()}
        model.load_state_dict({key: value.float() for key, value in tensors.items()})
        save_file(tensors, folder / f"external-{name}.safetensors")
        stored = test.numpy().astype(np.uint8) if name == "binary" else test.numpy()
        # The training part is there because every data set has one; simulated data take its number.
        np.savez_compressed(folder / f"external-{name}.npz", train=stored[:8], test=stored)
        (folder / f"external-{name}.json").write_text(json.dumps(model.spec, indent=2) + "\n")
        values = expected(model.double(), test.double())
        (folder / f"external-{name}-expected.json").write_text(json.dumps(values, indent=None) + "\n")
        print(name, {key: values[key] for key in ("elbo", "iwae", "ais")})


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent)
