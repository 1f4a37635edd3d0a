"""Vectors as the logits of independent binary variables: the logit of a mean probability, and how far two are apart."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def pool_logits(logits: Tensor, observed: Tensor) -> Tensor:
    """Logits of the mean probability over what is there: ``(B, M, W), (B, M) -> (B, W)``; the paper's logit pooling.

    With two, ``log (2 e^(a+b) + e^a + e^b) / (2 + e^a + e^b)``; with one, itself.
    """
    there = observed[..., None]
    logits = torch.where(there, logits, 0.0)  # what the others hold reaches no gradient
    both = torch.stack([logsigmoid(logits), logsigmoid(-logits)])
    yes, no = both.masked_fill(~there, -torch.inf).logsumexp(2)
    return yes - no


def jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    """Between binary variables given by logits, summed over the last axis, in nats: ``(B, W), (B, W) -> (B,)``."""
    total = first.new_zeros(())
    for sign in (1, -1):
        logs = logsigmoid(sign * torch.stack([first, second]))
        total = total + (logs.exp() * (logs - logs.logsumexp(0) + math.log(2))).sum((0, -1)) / 2
    return total
