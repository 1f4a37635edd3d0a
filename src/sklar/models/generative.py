"""What models that draw the missing inputs share: decoders, and the way from draws of embeddings to features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sklar.copulas.patterns import random_subpattern
from sklar.data import Batch, Rows
from sklar.encoders import Decoder
from sklar.models.base import ROWS_AT_ONCE, FusionModel, Source, evaluating, full_precision, tensor
from sklar.models.code import Code
from sklar.models.decoder_noise import noise_factor
from sklar.models.noise import Noise
from sklar.models.reconstruction import Decoders

CALIBRATION_DRAWS = 16  # of the embeddings, in fitting the decoders' noise


class Generative(FusionModel):
    """A model whose draws of the embeddings, one a modality, are decoded into the features of the missing inputs.

    A subclass gives `_draws`. Features are those of `Encoder.describe`: the input itself where it is a vector. How wide
    the decoders' noise is in draws is calibrated on held-out rows, since in training they see what is too easy to say.

    Args:
        inputs: see `FusionModel`.
        settings: see `FusionModel`.
    """

    noise_factor: Tensor

    def __init__(self, inputs: Mapping[str, int | Mapping[str, Any]], **settings: Any) -> None:
        super().__init__(inputs, **settings)
        sizes = [len(self.encoder(name).scaling.mean) for name in self.names]
        self.decoders = Decoders([Decoder(self.dim, size, self.hidden, self.dropout) for size in sizes])
        self.register_buffer("noise_factor", torch.ones(len(sizes)))  # of each decoder's standard deviations, in draws

    def _draws(self, code: Code, observed: Tensor, draws: int, source: Source) -> dict[str, Tensor]:
        """Complete draws of the embeddings, ``{name: (S, B, d)}``; the arguments are those of `outputs`."""
        raise NotImplementedError

    # Training.

    def explained(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Standardised features of all modalities side by side, ``(B, F)``, and which of them are known.

        Args:
            batch: from `check`; nothing is known of a modality that a row lacks.
        """
        each = [self.features(batch, name) for name in self.names]
        return torch.cat([x for x, _ in each], -1), torch.cat([known for _, known in each], -1)

    @torch.no_grad()
    def calibrate(self, rows: Rows, seed: int = 0, subpatterns: int = 4) -> None:
        """`FusionModel.calibrate`, and the decoders' noise: a factor a modality, of the highest likelihood.

        The cells that count are those that a random sub-pattern hides from a held-out row that has them.
        """
        super().calibrate(rows, seed, subpatterns)
        generator, own = torch.Generator().manual_seed(seed), rows.observed.cpu()
        masks = [random_subpattern(own, 0.5, generator) for _ in range(subpatterns)]
        gaps: list[list[Tensor]] = [[] for _ in self.names]
        for part in torch.arange(len(own)).split(ROWS_AT_ONCE):
            batch = self.check(rows[part])
            code, parts = self._code(batch), [mask[part].to(batch.observed.device) for mask in masks]
            for mask in parts:
                self._gaps(batch, code, mask, gaps)
        factors = [noise_factor(torch.cat(each, -1)) if each else 1.0 for each in gaps]
        self.noise_factor.copy_(self.noise_factor.new_tensor(factors))

    def _gaps(self, batch: Batch, code: Code, mask: Tensor, gaps: list[list[Tensor]]) -> None:
        """Truth minus the means of what is drawn where a mask hides it, in standard deviations, added to each list."""
        with evaluating(self), full_precision(batch.observed.device):
            draws = self._draws(code, mask, CALIBRATION_DRAWS, None)
            for m, (name, decoder) in enumerate(zip(self.names, self.decoders.each(), strict=True)):
                hidden = batch.observed[:, m] & ~mask[:, m]
                if bool(hidden.any()):
                    x, known = self.features(batch, name)
                    gap = (x[hidden] - decoder(draws[name][:, hidden])) * torch.exp(-decoder.log_scale)
                    gaps[m].append(gap[:, known[hidden]])

    # Generation.

    @torch.no_grad()
    def impute(
        self, batch: Batch, num_samples: int = 16, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Draws of all embeddings given the observed inputs, ``{name: (S, B, d)}``.

        Args:
            batch: rows.
            num_samples: number of draws ``S``.
            generator: source of the randomness; without one, a fixed quasi-random set shared by all rows.
        """
        return self._impute(self.check(batch), num_samples, generator)

    def _impute(self, batch: Batch, num_samples: int, generator: torch.Generator | None) -> dict[str, Tensor]:
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        with evaluating(self):
            code = self.encode(batch)
        with full_precision(batch.observed.device):
            if generator is None:
                return self._draws(code, batch.observed, num_samples, None)
            each = [self._draws(code, batch.observed, 1, generator) for _ in range(num_samples)]
        return {name: torch.cat([draw[name] for draw in each]) for name in self.names}

    @torch.no_grad()
    def generate(
        self, batch: Batch, num_samples: int = 16, generator: torch.Generator | None = None, noise: bool = False
    ) -> dict[str, Tensor]:
        """Features of the missing modalities, decoded from draws of their embeddings, ``{name: (S, B, F)}``.

        The features are in original units.

        Args:
            batch: rows.
            num_samples: number of draws ``S``.
            generator: source of the randomness; needed with ``noise``.
            noise: add the decoder's own noise, for draws from the predictive distribution rather than its means.

        Returns:
            Observed inputs' features are repeated as they are (NaN where one is unknown).
        """
        if noise and generator is None:
            raise ValueError("the decoder's noise needs a generator")
        batch = self.check(batch)
        return self._decode(batch, self._impute(batch, num_samples, generator), generator if noise else None)

    @torch.no_grad()
    def impute_and_generate(
        self, batch: Batch, num_samples: int, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """`impute`, and `generate` with the decoder's noise from the same draws."""
        batch = self.check(batch)
        draws = self._impute(batch, num_samples, generator)
        return draws, self._decode(batch, draws, generator)

    def _decode(self, batch: Batch, draws: Mapping[str, Tensor], noise: torch.Generator | None) -> dict[str, Tensor]:
        """Features from draws of embeddings, with the decoder's noise where there is a source of it."""
        result = {}
        with evaluating(self):
            for m, (name, decoder) in enumerate(zip(self.names, self.decoders.each(), strict=True)):
                new, encoder = decoder(draws[name]), self.encoder(name)
                if noise is not None:
                    new = new + self.noise_factor[m] * torch.exp(decoder.log_scale) * Noise(noise).normal(
                        tuple(new.shape), 1, new
                    )
                drawn, shown = encoder.scaling.undo(new), batch.observed[:, m]
                if bool(shown.any()):
                    drawn[:, shown] = encoder.describe(tensor(batch, name)[shown])
                result[name] = drawn
        return result
