"""Vines the plain way: one number at a time, from the definition, and on dense grids."""

import math

import numpy as np
import pyvinecopulib as pv
import torch
from reference import derivatives
from scipy import stats

from sklar.copulas import FAMILIES, VineCopula, VineStructure, pair_copula

# Moderate parameters: dependence that is felt, without values that no floating-point number resolves.
INSIDE = {
    "indep": (), "gaussian": (0.6,), "student": (-0.4, 3.7), "clayton": (1.3,), "gumbel": (1.7,), "frank": (-4.0,),
    "joe": (2.2,), "bb1": (0.6, 1.6), "bb6": (1.4, 1.7), "bb7": (1.6, 0.9), "bb8": (2.5, 0.7), "tawn": (0.6, 0.8, 2.5),
}  # fmt: skip
TURNED = [(f, r) for f in FAMILIES for r in ((0, 90, 180, 270) if FAMILIES[f].rotatable else (0,))]


def random_structure(dim, seed):
    """A regular vine from pyvinecopulib's own sampler."""
    structure = pv.RVineStructure.sample(dim, natural_order=False, seeds=[seed, 1, 2])
    array = tuple(
        tuple(int(structure.struct_array(t, e, True)) - 1 for e in range(dim - 1 - t)) for t in range(dim - 1)
    )
    return VineStructure(tuple(int(v) - 1 for v in structure.order), array)


def gaussian_vine(structure, seed, batch=(), strongest=0.8, **settings):
    """Gaussian pairs of random correlations, in float64."""
    vine = VineCopula(
        structure.dim, batch, structure=structure, families="gaussian", shortcut=False, **settings
    ).double()
    generator = np.random.default_rng(seed)
    for k in range(vine.vines):
        for t, row in enumerate(vine.structure.array):
            for e in range(len(row)):
                vine.set_pair(t, e, pair_copula("gaussian", [generator.uniform(-strongest, strongest)]), k)
    return vine


def random_pairs(structure, seed, choices=TURNED):
    """Pair copulas of random families, tree by tree."""
    generator = np.random.default_rng(seed)
    picked = [[choices[i] for i in generator.integers(len(choices), size=len(row))] for row in structure.array]
    return [[pair_copula(family, INSIDE[family], rotation) for family, rotation in row] for row in picked]


def mixed_vine(structure, seed, choices=TURNED, **settings):
    """Pairs of random families, in float64."""
    families = random_pairs(structure, seed, choices)
    return VineCopula(structure.dim, structure=structure, families=families, **settings).double()


def partial_correlation(matrix, first, second, given):
    """Of two variables given others, from the inverse of their correlation matrix."""
    chosen = [first, second, *given]
    inverse = np.linalg.inv(matrix[np.ix_(chosen, chosen)])
    return -inverse[0, 1] / math.sqrt(inverse[0, 0] * inverse[1, 1])


def normal_log_density(matrix, w, shown):
    """Log copula density of a normal distribution's observed part, for one row of scores."""
    chosen = np.flatnonzero(shown)
    if len(chosen) < 2:
        return 0.0
    joint = stats.multivariate_normal.logpdf(w[chosen], cov=matrix[np.ix_(chosen, chosen)])
    return joint - stats.norm.logpdf(w[chosen]).sum()


def turned(family, rotation, u, v, p):
    """``log c``, ``P(V <= v | u)``, ``P(U <= u | v)`` of a rotated copula, from the unrotated reference."""
    if rotation in (90, 180):
        u = 1 - u
    if rotation in (180, 270):
        v = 1 - v
    log_c, h1, h2 = derivatives(family, u, v, p)
    return log_c, 1 - h1 if rotation in (180, 270) else h1, 1 - h2 if rotation in (90, 180) else h2


def log_density(vine, u):
    """Log density at one point ``(M,)`` of the unit cube: Bedford & Cooke's product, each pair from the reference."""
    places = [(edge, vine.pair(t, e)) for t, row in enumerate(vine.structure.edges) for e, edge in enumerate(row)]
    known = {(v, frozenset()): float(x) for v, x in enumerate(u)}
    total = 0.0
    for edge, pair in places:
        given = frozenset(edge.given)
        p = tuple(x.item() for x in pair.values())
        log_c, h1, h2 = turned(pair.family.name, pair.rotation, known[edge.first, given], known[edge.second, given], p)
        total += log_c
        known[edge.second, given | {edge.first}] = h1
        known[edge.first, given | {edge.second}] = h2
    return total


def all_masks(dim):
    """Every set of observed variables but none and all, ``(2^M - 2, M)``."""
    codes = torch.arange(1, 2**dim - 1)
    return ((codes.unsqueeze(-1) >> torch.arange(dim)) & 1).bool()


@torch.no_grad()
def trapezoid(copula, scores, hidden, points=12001, reach=24.0):
    """Log of the full density of one row ``(M,)`` integrated over some of its variables on an even grid."""
    axis = torch.linspace(-reach, reach, points, dtype=torch.float64)
    grids = torch.meshgrid(*[axis] * len(hidden), indexing="ij")
    rows = scores.expand(*grids[0].shape, -1).clone()
    log_normal = torch.zeros_like(grids[0])
    for v, grid in zip(hidden, grids, strict=True):
        rows[..., v] = grid
        log_normal += -0.5 * grid.square() - 0.5 * math.log(2 * math.pi)
    flat = rows.reshape(-1, rows.shape[-1])
    logs = torch.cat([copula.log_prob(part) for part in flat.split(200_000)]) + log_normal.flatten()
    return (torch.logsumexp(logs, 0) + len(hidden) * math.log(2 * reach / (points - 1))).item()
