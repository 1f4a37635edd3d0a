"""Inverses of many small matrices and of their Cholesky factors, with gradients that cost a few products."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sklar.numerics.elementwise import Quick


class _Whitening(Quick):
    """``W = L^-1`` and ``log det L`` of ``A = L L'``.

    A change ``dA`` changes ``L`` by ``L Phi(W dA W')``, where ``Phi`` keeps the lower triangle and half the diagonal
    (Murray, arXiv 1602.07527, equation 8), hence ``W`` by ``-Phi(W dA W') W`` and ``log det L`` by half the trace of
    ``W dA W'``. torch's own gradient of the two steps solves triangular systems again, one small matrix at a time.
    """

    @staticmethod
    def forward(matrix: Tensor) -> tuple[Tensor, Tensor]:
        factor = torch.linalg.cholesky(matrix)
        eye = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device).expand_as(factor)
        log_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return torch.linalg.solve_triangular(factor, eye, upper=False), log_det

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(output[0])

    @staticmethod
    def backward(ctx: Any, of_inverse: Tensor, of_log_det: Tensor) -> Tensor:
        (inverse,) = ctx.saved_tensors
        pull = -(of_inverse @ inverse.mT).tril()
        diagonal = 0.5 * (pull.diagonal(dim1=-2, dim2=-1) + of_log_det.unsqueeze(-1))
        inner = pull.tril(-1) + torch.diag_embed(diagonal)
        gradient = inverse.mT @ inner @ inverse
        return 0.5 * (gradient + gradient.mT)


def whiten(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Inverse Cholesky factors ``L^-1`` of positive definite ``A = L L'``, ``(..., n, n)``, and ``log det L``.

    ``L^-1 x`` is white for ``x ~ N(0, A)``, and ``A^-1 = L^-T L^-1``.

    Raises:
        torch.linalg.LinAlgError: a matrix is not positive definite.
    """
    inverse: Tensor
    log_det: Tensor
    inverse, log_det = _Whitening.apply(matrix)
    return inverse, log_det


class _Inverse(Quick):
    """``A^-1`` and ``log det L`` of ``A = L L'``: their changes are ``-A^-1 dA A^-1`` and ``tr(A^-1 dA) / 2``."""

    @staticmethod
    def forward(matrix: Tensor) -> tuple[Tensor, Tensor]:
        factor = torch.linalg.cholesky(matrix)
        return torch.cholesky_inverse(factor), factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(output[0])

    @staticmethod
    def backward(ctx: Any, of_inverse: Tensor, of_log_det: Tensor) -> Tensor:
        (inverse,) = ctx.saved_tensors
        gradient = inverse @ of_inverse @ inverse
        return 0.5 * (of_log_det[..., None, None] * inverse - gradient - gradient.mT)


def invert(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Inverses of positive definite ``A = L L'``, ``(..., n, n)``, and ``log det L``.

    Raises:
        torch.linalg.LinAlgError: a matrix is not positive definite.
    """
    inverse: Tensor
    log_det: Tensor
    inverse, log_det = _Inverse.apply(matrix)
    return inverse, log_det
