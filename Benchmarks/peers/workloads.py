"""The benchmark's workloads in PyTorch, with the same algorithms and sizes, as idiomatic PyTorch would write them.

A server on standard input and output. The first line written is the version of PyTorch. A line "NAME THREADS SECONDS" is answered by
the best time of one call in seconds, measured over about that long; a line "check FILE" by two numbers for each workload, computed from
the weights, images and noise in that file of float32 numbers.
"""
import math
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
SEMI_AMORTIZED_STEPS = 20
decoder = mlp(LATENT, HIDDEN, HIDDEN, DATA)
encoder = mlp(DATA, HIDDEN, HIDDEN, 2 * LATENT)
images = (torch.rand(100, DATA) < 0.3).float()


def log_likelihood(logits, x):
    return -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(-1)


def elbo(mu, log_var, x, noise, decoder=decoder):
    """mu, log_var [B, n]; x [B, D]; noise [B, S, n]; the mean over samples of log p(x|z), minus the analytic KL."""
    z = mu.unsqueeze(1) + (0.5 * log_var).exp().unsqueeze(1) * noise
    kl = -0.5 * (1 + log_var - mu ** 2 - log_var.exp()).sum(-1)
    return log_likelihood(decoder(z), x.unsqueeze(1)).mean(1) - kl


class Linears(nn.Module):
    """As many linear layers as copies, one for each of the leading entries of x [copies, rows, in]."""

    def __init__(self, copies, a, b):
        super().__init__()
        layers = [nn.Linear(a, b) for _ in range(copies)]
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))

    def forward(self, x):
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight.transpose(1, 2))


class Flow(nn.Module):
    """Real NVP with an auxiliary variable, two steps, every network with 100-100 hidden units; samples [copies, rows, n]."""

    def __init__(self, copies, n=LATENT, hidden=100, steps=2):
        super().__init__()

        def network():
            return nn.Sequential(Linears(copies, n, hidden), nn.ELU(), Linears(copies, hidden, hidden), nn.ELU(), Linears(copies, hidden, n))

        def conditional():
            body = nn.Sequential(Linears(copies, n, hidden), nn.ELU(), Linears(copies, hidden, hidden), nn.ELU())
            return nn.ModuleList([body, Linears(copies, hidden, n), Linears(copies, hidden, n)])

        # Scale and shift of v, scale and shift of z, for each step.
        self.steps = nn.ModuleList(nn.ModuleList(network() for _ in range(4)) for _ in range(steps))
        self.auxiliary, self.reverse = conditional(), conditional()

    def sample(self, mu, log_var, noise, auxiliary_noise):
        """z and log q(z0, v0) - log|det| - log r(v|z), without constants that cancel."""
        z = mu + (0.5 * log_var).exp() * noise
        log_q = -0.5 * (log_var + noise ** 2 + math.log(2 * math.pi)).sum(-1)
        body, mean, log_variance = self.auxiliary
        features = body(z)
        spread = log_variance(features)
        v = mean(features) + (0.5 * spread).exp() * auxiliary_noise
        log_q = log_q - 0.5 * (spread + auxiliary_noise ** 2).sum(-1)
        for scale_v, shift_v, scale_z, shift_z in self.steps:
            log_scale = F.logsigmoid(scale_v(z))
            v = v * log_scale.exp() + shift_v(z)
            log_q = log_q - log_scale.sum(-1)
            log_scale = F.logsigmoid(scale_z(v))
            z = z * log_scale.exp() + shift_z(v)
            log_q = log_q - log_scale.sum(-1)
        body, mean, log_variance = self.reverse
        features = body(z)
        spread = log_variance(features)
        log_r = -0.5 * (spread + (v - mean(features)) ** 2 * (-spread).exp()).sum(-1)
        return z, log_q - log_r


def flow_elbo(flow, mu, log_var, x, noise, auxiliary_noise):
    """Log-densities [copies, rows]; x is broadcast over the rows or has as many."""
    z, log_q = flow.sample(mu, log_var, noise, auxiliary_noise)
    log_prior = -0.5 * (z ** 2 + math.log(2 * math.pi)).sum(-1)
    return log_likelihood(decoder(z), x) + log_prior - log_q


def product(m, k, n):
    a, b, c = torch.rand(m, k), torch.rand(k, n), torch.empty(m, n)
    return lambda: torch.mm(a, b, out=c)


def training_step():
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)

    def step():
        optimizer.zero_grad(set_to_none=True)
        mu, log_var = encoder(images).chunk(2, -1)
        (-elbo(mu, log_var, images, torch.randn(100, 1, LATENT)).mean()).backward()
        optimizer.step()

    return step


class Iterative(nn.Module):
    """A decoder n-H-H-D, and a network that sees x, the present estimate and the encoded gradients, with gated outputs."""

    def __init__(self, latent=64, hidden=512, iterations=5):
        super().__init__()
        self.latent, self.iterations = latent, iterations
        self.decoder = mlp(latent, hidden, hidden, DATA)
        self.body = nn.Sequential(nn.Linear(DATA + 6 * latent, hidden), nn.ELU(), nn.Linear(hidden, hidden), nn.ELU())
        # Mean and log-variance: values, then gates.
        self.heads = nn.ModuleList(nn.Linear(hidden, latent) for _ in range(4))

    def update(self, seen, mu, log_var):
        features = self.body(seen)
        value_mu, value_log_var, gate_mu, gate_log_var = (head(features) for head in self.heads)
        gate_mu, gate_log_var = torch.sigmoid(gate_mu), torch.sigmoid(gate_log_var)
        log_var = gate_log_var * log_var + (1 - gate_log_var) * value_log_var
        return gate_mu * mu + (1 - gate_mu) * value_mu, log_var.clamp(-15, 15)

    def gradients(self, x, noises):
        """Each p.grad of -(the ELBO after the last iteration) for the decoder, of the average over the iterations for the network; the last ELBO."""
        mu, log_var = (torch.zeros(len(x), self.latent, requires_grad=True) for _ in range(2))
        self.decoder.requires_grad_(False)
        slopes = torch.autograd.grad(elbo(mu, log_var, x, noises[0], self.decoder).sum(), [mu, log_var])
        for t in range(1, self.iterations + 1):
            mu, log_var = mu.detach(), log_var.detach()
            encoded = [part for g in slopes for part in ((g.abs() + 1e-5).log(), g.sign())]
            mu, log_var = self.update(torch.cat([x - 0.5, mu, log_var, *encoded], -1), mu, log_var)
            last = t == self.iterations
            self.decoder.requires_grad_(last)
            mu.retain_grad(), log_var.retain_grad()
            value = elbo(mu, log_var, x, noises[t], self.decoder)
            (-value.sum()).backward()
            slopes = [-mu.grad, -log_var.grad]
        with torch.no_grad():
            for p in self.decoder.parameters():
                p.grad /= len(x)
            for p in [*self.body.parameters(), *self.heads.parameters()]:
                p.grad /= self.iterations * len(x)
        return value


def iterative_step():
    network = Iterative()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def step():
        optimizer.zero_grad(set_to_none=True)
        network.gradients(images, [torch.randn(100, 1, network.latent) for _ in range(network.iterations + 1)])
        optimizer.step()

    return step


def semi_amortized_elbo(x, noises):
    """The ELBO after one step on lambda for each but the last noise, on one tape."""
    parameters = encoder(x).chunk(2, -1)
    velocity = [torch.zeros_like(p) for p in parameters]
    for noise in noises[:-1]:
        gradients = torch.autograd.grad(elbo(*parameters, x, noise).mean(), parameters, create_graph=True)
        velocity = [0.5 * v + g for v, g in zip(velocity, gradients)]
        parameters = [p + v for p, v in zip(parameters, velocity)]
    return elbo(*parameters, x, noises[-1]).mean()


def semi_amortized_step():
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)

    def step():
        optimizer.zero_grad(set_to_none=True)
        (-semi_amortized_elbo(images, [torch.randn(100, 1, LATENT) for _ in range(SEMI_AMORTIZED_STEPS + 1)])).backward()
        optimizer.step()

    return step


def flow_training_step():
    flow = Flow(1)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters(), *flow.parameters()], lr=1e-3)

    def step():
        optimizer.zero_grad(set_to_none=True)
        mu, log_var = encoder(images).unsqueeze(0).chunk(2, -1)
        (-flow_elbo(flow, mu, log_var, images.unsqueeze(0), torch.randn_like(mu), torch.randn_like(mu)).mean()).backward()
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
        (-elbo(mu, log_var, x, torch.randn(10, 100, LATENT)).sum()).backward()
        optimizer.step()

    return frozen(step)


def flow_local_step():
    """Each of ten datapoints has networks of its own, side by side in batched products; gradients are limited to a norm of 50 a datapoint."""
    x, flow = images[:10].unsqueeze(1), Flow(10)
    mu, log_var = torch.zeros(10, 1, LATENT, requires_grad=True), torch.zeros(10, 1, LATENT, requires_grad=True)
    parameters = [mu, log_var, *flow.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)

    def step():
        optimizer.zero_grad(set_to_none=True)
        noise, auxiliary_noise = torch.randn(10, 100, LATENT), torch.randn(10, 100, LATENT)
        (-flow_elbo(flow, mu, log_var, x, noise, auxiliary_noise).mean(1).sum()).backward()
        norms = sum(p.grad.flatten(1).square().sum(1) for p in parameters).sqrt()
        scales = (50 / norms).clamp(max=1)
        for p in parameters:
            p.grad.mul_(scales.view(-1, *[1] * (p.dim() - 1)))
        optimizer.step()

    return frozen(step)


@torch.no_grad()
def importance_bound(mu, log_var, x, noises):
    """log of the mean weight of samples that come in pieces, noise [B, S, n] each."""
    pieces = []
    for noise in noises:
        z = mu.unsqueeze(1) + (0.5 * log_var).exp().unsqueeze(1) * noise
        log_prior = -0.5 * (z ** 2).sum(-1)
        log_q = -0.5 * (log_var.unsqueeze(1) + noise ** 2).sum(-1)
        pieces.append(log_likelihood(decoder(z), x.unsqueeze(1)) + log_prior - log_q)
    weights = torch.cat(pieces, 1)
    return torch.logsumexp(weights, 1) - math.log(weights.shape[1])


def iwae():
    x = images[:10]
    mu, log_var = 0.1 * torch.randn(10, LATENT), torch.full((10, LATENT), -1.0)
    # Pieces of 500 rows in all: larger ones leave the caches and take up to half as long again.
    return lambda: importance_bound(mu, log_var, x, (torch.randn(10, 50, LATENT) for _ in range(100)))


def energy_and_force(z, x, beta):
    """log p(z) + beta log p(x|z) without its constant, and its gradient; z [B, C, n], x [B, 1, D]."""
    z = z.detach().requires_grad_(True)
    value = beta * log_likelihood(decoder(z), x) - 0.5 * (z ** 2).sum(-1)
    (force,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), force


def ais():
    x = images[:10].unsqueeze(1)
    state = {"z": torch.randn(10, 100, LATENT)}
    beta, steps = 0.5, 10
    step_size = torch.full((10, 100, 1), 0.05)

    def transition():
        z = state["z"]
        r = torch.randn_like(z)
        before, force = state.get("kept") or energy_and_force(z, x, beta)
        h0 = before - 0.5 * (r ** 2).sum(-1)
        r = r + 0.5 * step_size * force
        new = z
        for i in range(steps):
            new = new + step_size * r
            value, force_new = energy_and_force(new, x, beta)
            r = r + (0.5 if i == steps - 1 else 1.0) * step_size * force_new
        h1 = value - 0.5 * (r ** 2).sum(-1)
        accept = (torch.rand_like(h0).log() < h1 - h0).unsqueeze(-1)
        state["z"] = torch.where(accept, new, z)
        state["kept"] = (torch.where(accept.squeeze(-1), value, before), torch.where(accept, force_new, force))

    return frozen(transition)


def elbo_products(mu, log_var, noise, direction):
    """The gradient with respect to lambda, then its product with a direction with respect to lambda and theta."""
    gradients = torch.autograd.grad(elbo(mu, log_var, images, noise).sum(), [mu, log_var], create_graph=True)
    return torch.autograd.grad(sum((g * d).sum() for g, d in zip(gradients, direction)), [mu, log_var, *decoder.parameters()])


def encoded():
    with torch.no_grad():
        return [t.clone().requires_grad_(True) for t in encoder(images).chunk(2, -1)]


def hessian_vector_product():
    mu, log_var = encoded()
    direction = [torch.randn_like(mu), torch.randn_like(log_var)]
    return lambda: elbo_products(mu, log_var, torch.randn(100, 1, LATENT), direction)


class GatedConvolutions(nn.Module):
    """tanh(a) sigmoid(b) with (a, b) = x * W, three times."""

    def __init__(self, channels=32, kernel=7, layers=3):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(channels, 2 * channels, kernel, padding=kernel // 2) for _ in range(layers))

    def forward(self, x):
        for layer in self.layers:
            a, b = layer(x).chunk(2, 1)
            x = torch.tanh(a) * torch.sigmoid(b)
        return x


def gated_gradients(network, x):
    value = network(x).square().sum() / len(x)
    return value, torch.autograd.grad(value, [x, *network.parameters()])


def convolutions():
    # Channels innermost are the faster memory format here.
    network = GatedConvolutions().to(memory_format=torch.channels_last)
    x = torch.randn(50, 32, 28, 28).contiguous(memory_format=torch.channels_last).requires_grad_(True)
    return lambda: gated_gradients(network, x)


class LanguageModel(nn.Module):
    """Each word from an LSTM that has read the start, which has the last embedding, and the words before; words [T, B]."""

    def __init__(self, words=20_000, embedding=512, hidden=1024):
        super().__init__()
        self.start = words
        self.embedding = nn.Embedding(words + 1, embedding)
        self.lstm = nn.LSTM(embedding, hidden)
        self.output = nn.Linear(hidden, words)

    def log_likelihood(self, words):
        """The mean over sentences."""
        read = torch.cat([torch.full_like(words[:1], self.start), words[:-1]])
        states, _ = self.lstm(self.embedding(read))
        return -F.cross_entropy(self.output(states).flatten(0, 1), words.flatten(), reduction="sum") / words.shape[1]


def language_step():
    model = LanguageModel()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    words = torch.randint(20_000, (40, 32))

    def step():
        optimizer.zero_grad(set_to_none=True)
        (-model.log_likelihood(words)).backward()
        optimizer.step()

    return step


WORKLOADS = {
    "training": training_step,
    "flow-training": flow_training_step,
    "iterative": iterative_step,
    "semi-amortized": semi_amortized_step,
    "local": local_step,
    "flow-local": flow_local_step,
    "iwae": iwae,
    "ais": ais,
    "hvp": hessian_vector_product,
    "convolutions": convolutions,
    "lstm": language_step,
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


def length(tensors):
    return math.sqrt(sum(t.double().square().sum().item() for t in tensors))


def check(file):
    """The value and the length of the gradient (or product) of every workload, for given numbers; they replace weights and images."""
    with open(file, "rb") as stream:
        numbers = torch.frombuffer(bytearray(stream.read()), dtype=torch.float32)

    def take(*shape):
        nonlocal numbers
        count = math.prod(shape)
        taken, numbers = numbers[:count].reshape(shape).clone(), numbers[count:]
        return taken

    with torch.no_grad():
        for p in [*decoder.parameters(), *list(encoder.parameters())[:-2]]:
            p.copy_(take(*p.shape))
        # The encoder's last layer comes as two, one for mu and one for log_var.
        weight_mu, bias_mu, weight_log_var, bias_log_var = (take(*s) for s in [(LATENT, HIDDEN), (LATENT,)] * 2)
        encoder[-1].weight.copy_(torch.cat([weight_mu, weight_log_var]))
        encoder[-1].bias.copy_(torch.cat([bias_mu, bias_log_var]))
        images.copy_(take(100, DATA))
    one, many = take(100, 1, LATENT), take(10, 100, LATENT)
    mu, log_var, importance = take(10, LATENT), take(10, LATENT), take(10, 500, LATENT)
    z = take(1, 100, LATENT)
    direction = [take(100, LATENT), take(100, LATENT)]
    # Our images and kernels have their channels innermost.
    pictures = take(2, 28, 28, 32).permute(0, 3, 1, 2).contiguous().requires_grad_(True)
    network = GatedConvolutions()
    with torch.no_grad():
        for layer in network.layers:
            layer.weight.copy_(take(64, 7, 7, 32).permute(0, 3, 1, 2))
            layer.bias.copy_(take(64))
    flow = Flow(1)
    with torch.no_grad():
        for p in flow.parameters():
            p.copy_(take(*p.shape))
    auxiliary = take(1, 1000, LATENT)
    iterative = Iterative()
    with torch.no_grad():
        for p in iterative.parameters():
            p.copy_(take(*p.shape))
    noises = [take(100, 1, iterative.latent) for _ in range(iterative.iterations + 1)]
    steps = [take(100, 1, LATENT) for _ in range(SEMI_AMORTIZED_STEPS)]
    language = LanguageModel(words=300, embedding=24, hidden=32)
    # Ours has one set of biases.
    learnt = [p for name, p in language.named_parameters() if name != "lstm.bias_hh_l0"]
    with torch.no_grad():
        language.lstm.bias_hh_l0.zero_()
        for p in (language.embedding.weight, language.lstm.weight_ih_l0, language.lstm.bias_ih_l0, language.lstm.weight_hh_l0, *language.output.parameters()):
            p.copy_(take(*p.shape))
    words = take(6, 4).long()

    answers = []
    value = elbo(*encoder(images).chunk(2, -1), images, one).mean()
    answers += [value.item(), length(torch.autograd.grad(value, [*decoder.parameters(), *encoder.parameters()]))]
    start = [torch.zeros(10, LATENT, requires_grad=True) for _ in range(2)]
    value = elbo(*start, images[:10], many).sum()
    answers += [value.item(), length(torch.autograd.grad(value, start))]
    bound = importance_bound(mu, log_var, images[:10], importance.split(250, 1))
    answers += [bound.sum().item(), length([bound])]
    energy, force = energy_and_force(z, images[:1].unsqueeze(1), 0.5)
    constant = 0.5 * LATENT * math.log(2 * math.pi)
    answers += [(energy.double() - constant).sum().item(), length([force])]
    products = elbo_products(*encoded(), one, direction)
    answers += [length(products[:2]), length(products[2:])]
    value, gradients = gated_gradients(network, pictures)
    answers += [value.item(), length(gradients)]
    for p in (mu, log_var):
        p.requires_grad_(True)
    spread = [p.unsqueeze(1).expand(-1, 100, -1).reshape(1, 1000, LATENT) for p in (mu, log_var)]
    x = images[:10].unsqueeze(1).expand(-1, 100, -1).reshape(1, 1000, DATA)
    value = flow_elbo(flow, *spread, x, many.reshape(1, 1000, LATENT), auxiliary).reshape(10, 100).mean(1).sum()
    answers += [value.item(), length(torch.autograd.grad(value, [mu, log_var, *flow.parameters()]))]
    value = iterative.gradients(images, noises).mean()
    answers += [value.item(), length([p.grad for p in iterative.parameters()])]
    value = semi_amortized_elbo(images, [*steps, one])
    answers += [value.item(), length(torch.autograd.grad(value, [*decoder.parameters(), *encoder.parameters()]))]
    value = language.log_likelihood(words)
    answers += [value.item(), length(torch.autograd.grad(value, learnt))]
    return " ".join(repr(answer) for answer in answers)


def main():
    print(torch.__version__, flush=True)
    prepared = {}
    for line in sys.stdin:
        if line.startswith("check "):
            print(check(line.split(maxsplit=1)[1].rstrip("\n")), flush=True)
            continue
        name, threads, seconds = line.split()
        torch.set_num_threads(int(threads))
        if name not in prepared:
            prepared[name] = workload(name)
        print(best(prepared[name], float(seconds)), flush=True)


main()
