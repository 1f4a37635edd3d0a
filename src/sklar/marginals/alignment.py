"""Invertible affine maps that bring embeddings into coordinates that can be paired across modalities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sklar.marginals.em import coordinate_scale
from sklar.numerics import shrinkage_intensity


class Alignment(nn.Module):
    """``e = (z - shift) @ matrix.T`` with its log determinant: standardising, whitening and rotating an embedding.

    The map is fitted, then held fixed (buffers, not parameters): inside a trained model it stays the identity and the
    encoders learn it.

    Args:
        dim: number of coordinates ``d``.
    """

    shift: Tensor
    matrix: Tensor
    inverse: Tensor
    log_abs_det: Tensor  # of the map's Jacobian, in nats, a scalar

    def __init__(self, dim: int) -> None:
        super().__init__()
        self._identity = True  # the map needs no computing
        self.register_buffer("shift", torch.zeros(dim))
        self.register_buffer("matrix", torch.eye(dim))
        self.register_buffer("inverse", torch.eye(dim))
        self.register_buffer("log_abs_det", torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        """Aligned embedding: ``(..., d) -> (..., d)``."""
        return z if self._identity else (z - self.shift) @ self.matrix.T

    def undo(self, e: Tensor) -> Tensor:
        """Back to the original coordinates: ``(..., d) -> (..., d)``."""
        return e if self._identity else e @ self.inverse.T + self.shift

    @torch.no_grad()
    def assign(self, shift: Tensor, matrix: Tensor) -> None:
        """Take over a fitted map; ``matrix (d, d)`` must be invertible."""
        self.shift.copy_(shift)
        self.matrix.copy_(matrix)
        self.inverse.copy_(torch.linalg.inv(matrix.double()))
        self.log_abs_det.copy_(torch.linalg.slogdet(matrix.double()).logabsdet)
        self._identity = False

    def _load_from_state_dict(self, *args: Any, **settings: Any) -> None:
        super()._load_from_state_dict(*args, **settings)
        eye = torch.eye(len(self.shift), dtype=self.matrix.dtype, device=self.matrix.device)
        self._identity = torch.equal(self.matrix, eye) and not bool(self.shift.any())


def whitening(z: Tensor) -> Tensor:
    """Map ``(d, d)`` that makes the rows of ``z (n, d)``, once centred, uncorrelated with unit variance.

    Each coordinate is divided by its scale, then multiplied by the symmetric inverse square root of the correlations,
    which are shrunk towards zero.
    """
    spread = coordinate_scale(z)
    x = (z - z.mean(0)) / spread
    off = ~torch.eye(z.shape[1], dtype=torch.bool, device=z.device)
    correlation = x.T @ x / len(z) * torch.where(off, 1 - shrinkage_intensity(x), 1.0)
    # A dead unit has no variance of its own: the floor on its scale takes the place.
    correlation.fill_diagonal_(1.0)
    values, vectors = torch.linalg.eigh(correlation)
    values = values.clamp(min=1e-8 * float(values.max()))
    return (vectors @ torch.diag(values.rsqrt()) @ vectors.T) / spread


def canonical_alignment(
    embeddings: Sequence[Tensor], observed: Tensor, iterations: int = 100
) -> list[tuple[Tensor, Tensor]]:
    """Maps that pair coordinate j of every modality: whitening, then regularised generalised canonical correlations.

    The start is the MAXVAR solution (Kettenring 1971), which for two modalities is canonical correlation analysis
    (Hotelling 1936). The rotations are then improved to raise the sum of squared paired correlations, by steps that
    cannot lower it (each replaces a modality's rotation by the Procrustes solution for the current gradient).

    Args:
        embeddings: one ``(n, d_m)`` a modality; rows where it is missing are ignored.
        observed: ``(n, M)`` bool.
        iterations: bound on the improvement steps.

    Returns:
        ``(shift, matrix)`` a modality, for `Alignment.assign`.
    """
    shifts = [z[observed[:, m]].mean(0) for m, z in enumerate(embeddings)]
    whitens = [whitening(z[observed[:, m]]) for m, z in enumerate(embeddings)]
    white = [
        torch.where(observed[:, m, None], (z - shift) @ whiten.T, torch.zeros((), dtype=z.dtype))
        for m, (z, shift, whiten) in enumerate(zip(embeddings, shifts, whitens, strict=True))
    ]
    widths = [z.shape[1] for z in white]
    count = len(widths)
    cross: dict[tuple[int, int], Tensor] = {}
    for m in range(count):
        for n in range(count):
            both = int((observed[:, m] & observed[:, n]).sum())
            cross[m, n] = white[m].T @ white[n] / max(both, 1)
    blocks = [
        torch.cat([torch.eye(widths[m], dtype=white[m].dtype) if m == n else cross[m, n] for n in range(count)], dim=1)
        for m in range(count)
    ]
    vectors = torch.linalg.eigh(torch.cat(blocks)).eigenvectors.flip(-1)
    rotations = [torch.linalg.qr(block).Q for block in vectors.split(widths)]
    previous = -1.0
    for _ in range(iterations):
        total = 0.0
        for m in range(count):
            gradient = torch.zeros_like(rotations[m])
            for n in range(count):
                if n != m:
                    shared = min(widths[m], widths[n])
                    image = cross[m, n] @ rotations[n][:, :shared]
                    paired = (rotations[m][:, :shared] * image).sum(0)
                    gradient[:, :shared] += image * paired
                    total += float(paired.square().sum())
            u, _, vt = torch.linalg.svd(gradient)
            rotations[m] = u @ vt
        if total - previous < 1e-9 * max(total, 1.0):
            break
        previous = total
    return [(s, r.T @ w) for s, w, r in zip(shifts, whitens, rotations, strict=True)]
