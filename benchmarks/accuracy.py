"""How exact the multivariate copulas are, measured: python benchmarks/accuracy.py [--seeds 5]

For every missing pattern of 3, 4 and 5 variables: the largest error of the log density in nats, by the number of
variables that had to be integrated out, against

  normal    the closed form of the normal distribution, for vines of Gaussian pairs with the shortcut switched off;
  dense     a sum over a dense grid of the complete density, for vines of mixed families and factor copulas, at points
            of the copula itself and at scores of 5 and -5, agreeing and conflicting;
  scipy     scipy's multivariate t, for Student's copula.

Then the pair families in float32 on a grid of scores from -5 to 5, ours and torchvine's where it is installed: the
largest error of the log density against ours in float64, relative to it above one nat, and how many of 1,681 points are
not finite.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import defaultdict

import torch
from scipy import stats

from copulas import PARAMETERS
from sklar.copulas import FactorCopula, StudentCopula, VineCopula, VineStructure, pair_copula
from sklar.copulas.patterns import all_patterns

PAIRS = (
    ("gaussian", (-0.5,), 0), ("clayton", (2.0,), 0), ("clayton", (1.5,), 90), ("gumbel", (2.0,), 0),
    ("joe", (2.0,), 180), ("frank", (4.0,), 0), ("student", (0.5, 3.0), 0), ("bb1", (0.6, 1.6), 0),
    ("bb7", (1.6, 0.9), 0), ("bb8", (2.5, 0.7), 0), ("tawn", (0.6, 0.8, 2.5), 0), ("gumbel", (3.0,), 270),
)  # fmt: skip
REACH, NODES = 11.0, {1: 4001, 2: 801}  # of the dense grids


def structure(d: int, seed: int) -> VineStructure:
    """A D-vine or a C-vine in random order."""
    order = random.Random(seed).sample(range(d), d)
    return (VineStructure.dvine, VineStructure.cvine)[seed % 2](order)


def normal_error(d: int, seed: int) -> dict[int, list[float]]:
    """Errors of a vine of Gaussian pairs, by hidden variables; for three their stated standard errors too."""
    rng = random.Random(seed)
    rows = [[pair_copula("gaussian", [rng.uniform(-0.8, 0.8)]) for _ in range(d - 1 - t)] for t in range(d - 1)]
    vine = VineCopula(d, structure=structure(d, seed), families=rows, shortcut=False).double()
    r = vine.correlation()
    w = 2 * torch.randn(20, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    errors: dict[int, list[float]] = defaultdict(list)
    for pattern in all_patterns(d)[:-1]:
        found = vine.evaluate(w, pattern.expand(20, d))
        shown = pattern.nonzero().flatten()
        part, x = r[shown][:, shown], w[:, shown]
        expected = 0.5 * (x.square().sum(-1) - torch.logdet(part) - (x @ torch.linalg.inv(part) * x).sum(-1))
        hidden = int(found.hidden[0])
        errors[hidden].append(float((found.log_prob - expected).abs().max()))
        if hidden > 2:
            errors[-hidden].append(float(found.error.max()))
            errors[100 + hidden].append(float(((found.log_prob - expected).abs() / found.error).max()))
    return errors


def points(copula: VineCopula | FactorCopula, seed: int) -> torch.Tensor:
    """Some of the copula's own, and tails."""
    d = copula.dim
    own = copula.rsample((4,), torch.Generator().manual_seed(seed)).double()
    tails = [[5.0] * d, [-5.0] * d, [5.0, -5.0] + [0.0] * (d - 2), [-5.0, 5.0] + [5.0] * (d - 2)]
    return torch.cat([own, torch.tensor(tails, dtype=torch.float64)])


def dense(copula: VineCopula | FactorCopula, w: torch.Tensor, pattern: torch.Tensor) -> torch.Tensor:
    """Log density of the observed by a sum over a grid of the missing, from the density of complete rows."""
    missing = (~pattern).nonzero().flatten().tolist()
    count = NODES[len(missing)]
    axis = torch.linspace(-REACH, REACH, count, dtype=torch.float64)
    grid = torch.cartesian_prod(*[axis] * len(missing)).reshape(-1, len(missing))
    weight = -0.5 * grid.square().sum(-1) + len(missing) * math.log(2 * REACH / (count - 1) / math.sqrt(2 * math.pi))
    result = []
    for row in w:
        x = row.expand(len(grid), -1).clone()
        x[:, missing] = grid
        log_density = torch.cat([copula.log_prob(part) for part in x.split(200_000)])
        result.append(torch.logsumexp(log_density + weight, 0))
    return torch.stack(result)


def vine_error(d: int, seed: int, most: int) -> dict[int, list[float]]:
    """Errors of a vine of mixed families where something is hidden and at most ``most`` are missing, by hidden ones."""
    rng = random.Random(seed)
    rows = [[pair_copula(f, p, r) for f, p, r in rng.choices(PAIRS, k=d - 1 - t)] for t in range(d - 1)]
    vine = VineCopula(d, structure=structure(d, seed), families=rows).double()
    w = points(vine, seed)
    errors: dict[int, list[float]] = defaultdict(list)
    for pattern in all_patterns(d)[:-1]:
        if int((~pattern).sum()) <= most and len(vine.planner.pattern(members(pattern)).hidden):
            found = vine.evaluate(w, pattern.expand(len(w), d))
            errors[int(found.hidden[0])].append(float((found.log_prob - dense(vine, w, pattern)).abs().max()))
    return errors


def members(pattern: torch.Tensor) -> frozenset[int]:
    """The observed variables of a mask."""
    return frozenset(pattern.nonzero().flatten().tolist())


def factor_error(family: str, tau: float) -> float:
    """Largest error of a factor copula of four variables: against a sum over the root, and over a missing one."""
    copula = FactorCopula(4, families=family).double()
    for m in range(4):
        copula.set_pair(m, copula.pair(m).set_tau(tau))
    w = points(copula, 0)
    axis = torch.linspace(-12, 12, 100_001, dtype=torch.float64)
    worst = 0.0
    for pattern in all_patterns(4):
        each = [copula.pair(m).log_prob(w[:, m, None], axis) for m in range(4) if pattern[m]]
        step = math.log(24 / 100_000 / math.sqrt(2 * math.pi))
        expected = torch.logsumexp(torch.stack(each).sum(0) - 0.5 * axis * axis, -1) + step
        worst = max(worst, float((copula.log_prob(w, pattern.expand(len(w), 4)) - expected).abs().max()))
    return worst


def student_error(seed: int) -> float:
    """Largest error of Student's copula of four variables against scipy."""
    generator = torch.Generator().manual_seed(seed)
    copula = StudentCopula(4, degrees=4.0).double()
    x = torch.randn(4, 9, generator=generator, dtype=torch.float64)
    r = torch.corrcoef(x)
    copula.set_correlation(r)
    w = 2 * torch.randn(20, 4, generator=generator, dtype=torch.float64)
    t = torch.tensor(stats.t.ppf(stats.norm.cdf(w), 4.0))
    worst = 0.0
    for pattern in all_patterns(4):
        shown = pattern.nonzero().flatten().tolist()
        if len(shown) > 1:
            joint = stats.multivariate_t(shape=copula.correlation()[shown][:, shown].numpy(), df=4.0)
            expected = joint.logpdf(t[:, shown]) - stats.t.logpdf(t[:, shown], 4.0).sum(-1)
            found = copula.log_prob(w, pattern.expand(20, 4))
            worst = max(worst, float((found - torch.tensor(expected)).abs().max()))
    return worst


def single_precision(family: str) -> str:
    """Errors of a pair family in float32, ours and torchvine's."""
    axis = torch.linspace(-5, 5, 41)
    w = torch.cartesian_prod(axis, axis)
    parameters = PARAMETERS[family]
    exact = pair_copula(family, parameters).log_prob(*w.double().T)

    def error(found: torch.Tensor) -> str:
        finite = torch.isfinite(found)
        worst = ((found - exact).abs() / exact.abs().clamp(min=1))[finite].max()
        return f"{float(worst):.0e} ({int((~finite).sum())} not finite)"

    text = f"{family}, float32: ours {error(pair_copula(family, parameters).log_prob(*w.T))}"
    try:
        import torchvine as tv

        peer = tv.Bicop(getattr(tv.BicopFamily, family), parameters=torch.tensor(parameters).reshape(1, -1))
        return text + f", torchvine {error(torch.log(peer.pdf(torch.special.ndtr(w))))}"
    except (ImportError, AttributeError):
        return text


@torch.no_grad()
def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    for name, sizes in (("normal", (3, 4, 5)), ("dense", (3, 4))):
        errors: dict[int, list[float]] = defaultdict(list)
        for d in sizes:
            for seed in range(options.seeds):
                own = normal_error(d, seed) if name == "normal" else vine_error(d, seed, 1)
                for hidden, values in own.items():
                    errors[hidden] += values
        if name == "dense":
            for hidden, values in vine_error(4, 1, 2).items():
                errors[hidden] += values
        for hidden in sorted(h for h in errors if 0 <= h < 100):
            own_errors = errors[hidden]
            text = f"vine, {name}: {hidden} hidden, {len(own_errors)} patterns, largest error {max(own_errors):.0e}"
            if -hidden in errors and hidden:
                text += f", stated {max(errors[-hidden]):.3f}, at most {max(errors[100 + hidden]):.1f} of the stated"
            print(text, flush=True)
    for family in ("gaussian", "clayton", "gumbel", "frank", "student", "bb7"):
        print(f"factor, {family}: " + ", ".join(f"tau {t}: {factor_error(family, t):.0e}" for t in (0.05, 0.5, 0.9)))
    print(f"student, scipy: {max(student_error(seed) for seed in range(options.seeds)):.0e}")
    for family in ("gaussian", "clayton", "gumbel", "frank", "joe", "bb1", "bb6", "bb7", "bb8"):
        print(single_precision(family))


if __name__ == "__main__":
    main()
