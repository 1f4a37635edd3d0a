"""How a model's own head and its auxiliary heads share a prediction."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklar.models.outcome import Outcome

SHARES = tuple(eighths / 8 for eighths in range(9))  # among which is chosen


class Blend(nn.Module):
    """A share of the auxiliary heads in every prediction: given, or chosen on held-out rows and half until then.

    Args:
        share: in [0, 1]; None to choose it.
    """

    share: Tensor

    def __init__(self, share: float | None) -> None:
        super().__init__()
        self.given = share
        if share is None:
            self.register_buffer("share", torch.tensor(0.5))  # saved with the weights

    def forward(self, outcome: Outcome, head: Tensor, heads: Tensor) -> Tensor:
        """The blended summary ``(B, ...)``.

        Args:
            outcome: whose summaries these are.
            head: of the model's own head.
            heads: of the auxiliary heads.
        """
        return outcome.blend(head, heads, float(self.share) if self.given is None else self.given)

    @torch.no_grad()
    def choose(self, outcome: Outcome, head: Tensor, heads: Tensor, observed: Tensor, target: Tensor) -> None:
        """Of `SHARES`, in place, the one whose calibrated predictions of held-out rows have the highest likelihood.

        Args:
            outcome: its calibration is fitted anew for each share; that of the last one remains.
            head: summaries of the model's own head ``(B, ...)``.
            heads: of the auxiliary heads.
            observed: bool ``(B, M)``.
            target: of the rows.
        """
        if self.given is None:
            found = [_fitness(outcome, outcome.blend(head, heads, share), observed, target) for share in SHARES]
            self.share.fill_(SHARES[found.index(max(found))])


def _fitness(outcome: Outcome, summary: Tensor, observed: Tensor, target: Tensor) -> float:
    """Log-likelihood of targets in nats, summed, under a summary calibrated with the same rows."""
    outcome.calibrate(summary, observed, target)
    calibrated = outcome.calibrated(summary, observed)
    return float(outcome.log_likelihood(calibrated, target).double().sum())
