"""A few numbers that stand for many counts, without anything to train."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag


def random_signs(rows: int, columns: int, seed: int = 0) -> Tensor:
    """Plus and minus ``1 / sqrt(columns)``: ``(rows, columns)``. Keeps distances as Johnson and Lindenstrauss say.

    References:
        Achlioptas, "Database-friendly random projections", JCSS 2003.
    """
    bits = torch.randint(2, (rows, columns), generator=torch.Generator().manual_seed(seed))
    return (2.0 * bits - 1.0) / columns**0.5


def log_count_sketch(tokens: Tensor, signs: Tensor) -> Tensor:
    """``sum_v log(1 + n_v) signs_v`` over the tokens ``v`` of a row, without a column a token.

    Args:
        tokens: indices ``(B, n)``, -1 for padding.
        signs: ``(V, K)``.

    Returns:
        ``(B, K)``.
    """
    order = tokens.sort(1).values
    count = torch.searchsorted(order, order, right=True) - torch.searchsorted(order, order)
    share = (torch.log1p(count) / count).to(signs)  # each of a token's n occurrences carries one n-th
    weight = torch.where(order >= 0, share, 0.0)
    return embedding_bag(order.clamp(min=0), signs, per_sample_weights=weight, mode="sum")
