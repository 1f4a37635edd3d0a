"""Calibration of predicted probabilities that knows how much was observed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

RIDGE = 0.02
FLOOR = 1e-12  # a smaller probability says no more than this one, in either floating-point type


class Calibration(nn.Module):
    """Log probabilities multiplied by ``exp(a + b log n)``, ``n`` the number of observed modalities, and renormalised.

    A prediction from one view of many is usually over-confident in another degree than one from all of them: ``a`` is
    temperature scaling (Guo et al. 2017), ``b`` lets it grow or shrink with what is known. With ``classes`` an offset a
    class is added to the scaled log probabilities: where classes are rare, a scale alone moves their rate. Starts as
    the identity.

    Args:
        classes: number of classes ``C`` if each is to have an offset.
    """

    a: Tensor
    b: Tensor
    offset: Tensor

    def __init__(self, classes: int | None = None) -> None:
        super().__init__()
        self.register_buffer("a", torch.zeros(()))
        self.register_buffer("b", torch.zeros(()))
        if classes is None:
            self.register_buffer("offset", torch.zeros(()), persistent=False)
        else:
            self.register_buffer("offset", torch.zeros(classes))

    def forward(self, probabilities: Tensor, observed: Tensor) -> Tensor:
        """Calibrated probabilities.

        Args:
            probabilities: ``(N, C)`` over classes, or ``(N,)`` of the positive class.
            observed: bool ``(N, M)``.
        """
        if probabilities.ndim == 1:
            return self(torch.stack([1 - probabilities, probabilities], dim=-1), observed)[:, 1]
        return torch.softmax(self._scale(probabilities, observed, self.a, self.b, self.offset), dim=-1)

    @staticmethod
    def _scale(probabilities: Tensor, observed: Tensor, a: Tensor, b: Tensor, offset: Tensor) -> Tensor:
        power = torch.exp(a + b * torch.log(observed.sum(-1).to(probabilities.dtype)))
        return torch.log(probabilities.clamp(min=FLOOR)) * power.unsqueeze(-1) + offset

    def fit(self, probabilities: Tensor, observed: Tensor, target: Tensor) -> Calibration:
        """Fit to held-out rows by log-loss with a small ridge, in place; returns itself.

        Args:
            probabilities: uncalibrated, ``(N, C)`` or ``(N,)``.
            observed: bool ``(N, M)``.
            target: class index ``(N,)``, or 0 and 1 of the positive class.

        Raises:
            ValueError: the values are not probabilities, or a target is outside the classes.
        """
        if probabilities.ndim == 1:
            probabilities = torch.stack([1 - probabilities, probabilities], dim=-1)
        p = probabilities.detach().double()
        if not bool(((p > -1e-6) & (p < 1 + 1e-6)).all()) or not bool(((p.sum(-1) - 1).abs() < 1e-3).all()):
            raise ValueError("calibration needs probabilities: values in [0, 1], rows that sum to 1 (not logits)")
        target = torch.as_tensor(target, device=p.device).long()
        if target.shape != p.shape[:1] or bool(((target < 0) | (target >= p.shape[1])).any()):
            raise ValueError(f"calibration needs one class index below {p.shape[1]} a row, got {tuple(target.shape)}")
        count = 2 + (self.offset.numel() if self.offset.ndim else 0)
        parameters = torch.zeros(count, dtype=torch.float64, device=p.device, requires_grad=True)
        optimizer = torch.optim.LBFGS([parameters], max_iter=100, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            offset = parameters[2:] if self.offset.ndim else parameters.new_zeros(())
            scaled = self._scale(p, observed, parameters[0], parameters[1], offset)
            loss = nn.functional.cross_entropy(scaled, target)
            loss = loss + RIDGE * parameters.square().sum()
            loss.backward()
            return loss

        with torch.enable_grad():
            optimizer.step(closure)
        self.a.copy_(parameters[0].detach())
        self.b.copy_(parameters[1].detach())
        if self.offset.ndim:
            self.offset.copy_(parameters[2:].detach())
        return self

    def extra_repr(self) -> str:
        """The two numbers, for printing."""
        return f"a={float(self.a):.3f}, b={float(self.b):.3f}"
