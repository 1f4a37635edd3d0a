"""Any predictor on complete embeddings made one for any missing pattern, by averaging over conditional draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sklar.copulas.patterns import random_subpattern
from sklar.joint.calibration import Calibration
from sklar.joint.checks import check_embeddings
from sklar.joint.joint import Joint
from sklar.joint.mixture import JointMixture

ROWS_AT_ONCE = 2**16  # completed rows handed to the predictor in one call
SUBPATTERNS = 4  # random sub-patterns of each held-out row that the calibration sees


class Prediction(NamedTuple):
    """What a marginalised predictor says.

    Attributes:
        mean: average over the conditional draws, calibrated if that was fitted, ``(B, ...)``.
        spread: standard deviation of the (uncalibrated) predictions over the draws, same shape: how much the answer
            still depends on what is missing. Zero for complete rows.
    """

    mean: Tensor
    spread: Tensor


class Marginalized:
    """See `marginalize`, which makes it."""

    def __init__(
        self,
        predict: Callable[[dict[str, Tensor]], Any],
        joint: Joint | JointMixture,
        num_samples: int = 64,
        seed: int = 0,
    ) -> None:
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        self.function = predict
        self.joint = joint
        self.noise = joint.noise(num_samples, seed)
        self.calibration: Calibration | None = None

    def __call__(self, z: Mapping[str, Any], observed: Any | None = None) -> Tensor:
        """The mean prediction ``(B, ...)``: see `predict`."""
        return self.predict(z, observed).mean

    @torch.no_grad()
    def predict(self, z: Mapping[str, Any], observed: Any | None = None) -> Prediction:
        """Mean and spread of the predictions over the draws of what is missing.

        Args:
            z: embeddings ``{name: (B, d_m)}``; the content of missing ones never matters.
            observed: bool ``(B, M)``; None means that every row is complete.

        Raises:
            KeyError, ValueError, TypeError: see `check_embeddings`; ValueError also when the predictor does not return
                one prediction a row.
        """
        values, mask = self._check(z, observed)
        mean, spread = self._raw(values, mask)
        return Prediction(mean if self.calibration is None else self.calibration(mean, mask), spread)

    @torch.no_grad()
    def calibrate(self, z: Mapping[str, Any], y: Any, observed: Any | None = None, seed: int = 0) -> Marginalized:
        """Fit the calibration ``exp(a + b log n_observed)`` on rows that neither predictor nor joint was fitted on.

        Each row is used under its own pattern and under random sub-patterns of it.

        Args:
            z: held-out embeddings.
            y: class indices ``(B,)``.
            observed: bool ``(B, M)``; None means that every row is complete.
            seed: of the sub-patterns.

        Returns:
            Itself, calibrated.
        """
        values, mask = self._check(z, observed)
        generator = torch.Generator().manual_seed(seed)
        masks = [mask] + [random_subpattern(mask.cpu(), 0.5, generator).to(mask.device) for _ in range(SUBPATTERNS)]
        raw = torch.cat([self._raw(values, each)[0] for each in masks])
        target = torch.as_tensor(y, device=raw.device).repeat(len(masks))
        self.calibration = Calibration().to(raw).fit(raw, torch.cat(masks), target)
        return self

    def _check(self, z: Mapping[str, Any], observed: Any | None) -> tuple[list[Tensor], Tensor]:
        anchor = self.joint.anchor
        return check_embeddings(z, observed, self.joint.widths, anchor.dtype, anchor.device)

    def _raw(self, values: list[Tensor], mask: Tensor) -> tuple[Tensor, Tensor]:
        """Uncalibrated mean and spread. Complete rows need one evaluation instead of many."""
        mean: Tensor | None = None
        spread: Tensor | None = None
        complete = mask.all(-1)
        for rows, noise in (
            (complete.nonzero().flatten(), self.noise[:1]),
            ((~complete).nonzero().flatten(), self.noise),
        ):
            for part in rows.split(max(1, ROWS_AT_ONCE // len(noise))):
                if not len(part):
                    continue
                z = {name: value[part] for name, value in zip(self.joint.names, values, strict=True)}
                drawn = self.joint.impute(z, mask[part], noise=noise)
                output = self._call({name: draws.flatten(0, 1) for name, draws in drawn.items()})
                draws = output.unflatten(0, (len(noise), len(part)))
                if mean is None or spread is None:
                    mean = draws.new_empty(len(mask), *draws.shape[2:])
                    spread = torch.empty_like(mean)
                mean[part] = draws.mean(0)
                spread[part] = draws.std(0, correction=0)
        if mean is None or spread is None:
            raise ValueError("no rows to predict")
        return mean, spread

    def _call(self, z: dict[str, Tensor]) -> Tensor:
        rows = len(next(iter(z.values())))
        output = torch.as_tensor(self.function(z)).to(self.joint.anchor)
        if output.ndim == 0 or len(output) != rows:
            raise ValueError(f"the predictor must return one prediction a row: {rows} in, {tuple(output.shape)} out")
        return output


def marginalize(
    predict: Callable[[dict[str, Tensor]], Any],
    joint: Joint | JointMixture,
    num_samples: int = 64,
    seed: int = 0,
) -> Marginalized:
    """Make a predictor on complete embeddings work under any missing pattern, without retraining it.

    Args:
        predict: any callable from complete embeddings ``{name: (n, d_m)}`` (tensors) to one prediction a row:
            class probabilities ``(n, C)``, the positive class's ``(n,)``, or values. Torch or numpy.
        joint: the embeddings' joint distribution, fitted best on rows that the encoders were not trained on.
        num_samples: conditional draws to average over, a fixed quasi-random set: a row's prediction is the same in
            any batch.
        seed: of that set.

    Returns:
        A `Marginalized`: call it for the mean, ``.predict`` for mean and spread, ``.calibrate`` on held-out rows.

    Example:
        >>> import numpy as np, sklar, torch
        >>> rng = np.random.default_rng(0)
        >>> a = rng.normal(size=(500, 2)); b = a + 0.5 * rng.normal(size=(500, 2))
        >>> joint = sklar.Joint.fit({"a": a, "b": b})
        >>> classifier = lambda z: torch.sigmoid(3 * (z["a"] + z["b"])[:, 0])
        >>> predictor = sklar.marginalize(classifier, joint)
        >>> only_a = np.array([[True, False]])
        >>> probability, spread = predictor.predict({"a": [[1.0, 0.0]]}, only_a)
        >>> bool(probability > 0.9), bool(spread > 0)
        (True, True)
    """
    return Marginalized(predict, joint, num_samples, seed)
