"""Quadrature rules."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor


@cache
def _golub_welsch(kind: str, points: int) -> tuple[Tensor, Tensor]:
    k = torch.arange(1, points, dtype=torch.float64)
    beta = k / torch.sqrt(4 * k * k - 1) if kind == "legendre" else torch.sqrt(k)
    nodes, vectors = torch.linalg.eigh(torch.diag(beta, 1) + torch.diag(beta, -1))
    return nodes, vectors[0].square()


def gauss_legendre(
    points: int, lower: float = 0.0, upper: float = 1.0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Nodes and weights on an interval, exact for polynomials of degree ``2 points - 1``: two tensors ``(points,)``.

    Golub & Welsch 1969: eigenvalues of the Jacobi matrix.
    """
    nodes, weights = _golub_welsch("legendre", points)
    return (lower + (upper - lower) * 0.5 * (nodes + 1)).to(dtype), ((upper - lower) * weights).to(dtype)


def gauss_hermite(points: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Nodes and weights for the mean of a function of a standard normal, exact for degree ``2 points - 1``."""
    nodes, weights = _golub_welsch("hermite", points)
    return nodes.to(dtype), weights.to(dtype)


@cache
def _tanh_sinh(level: int) -> tuple[Tensor, Tensor, Tensor]:
    t = torch.arange(-4.0 * level, 4.0 * level + 1, dtype=torch.float64) / level
    s = 0.5 * math.pi * torch.sinh(t)
    weights = 0.5 * math.pi * torch.cosh(t) / torch.cosh(s).square() * 0.5 / level
    return torch.sigmoid(2 * s), torch.sigmoid(-2 * s), weights


def tanh_sinh(level: int = 16) -> tuple[Tensor, Tensor, Tensor]:
    """Nodes, one minus the nodes and weights on (0, 1) in float64, for integrands with singular end points.

    Takahasi & Mori 1974; ``8 level + 1`` points.
    """
    return _tanh_sinh(level)
