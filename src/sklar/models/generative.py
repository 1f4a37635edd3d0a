"""What models that draw the missing inputs share: decoders, and the way from draws of embeddings to features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sklar.copulas.patterns import random_subpattern
from sklar.data import Batch, Rows
from sklar.encoders import Decoder
from sklar.models.base import FusionModel, Source, evaluating, full_precision, tensor
from sklar.models.code import Code
from sklar.models.decoder_noise import noise_factor
from sklar.models.noise import Noise
from sklar.models.quantile_map import QuantileMap
from sklar.models.reconstruction import Decoders

ROWS_TO_FIT, SUBPATTERNS, DRAWS_TO_FIT = 512, 4, 8  # from which it is fitted how features are drawn


class Hidden(NamedTuple):
    """Features of a modality that random sub-patterns hid, and what was drawn for them.

    Attributes:
        mean: the decoder's means at draws of the embedding, standardised, ``(S, n, F)``.
        truth: the same features, ``(n, F)``.
        values: in original units.
        known: which of them are known, bool ``(n, F)``.
    """

    mean: Tensor
    truth: Tensor
    values: Tensor
    known: Tensor


class Generative(FusionModel):
    """A model whose draws of the embeddings, one a modality, are decoded into the features of the missing inputs.

    A subclass gives `_draws`. Features are those of `Encoder.describe`: the input itself where it is a vector. How wide
    the decoders' noise is in draws is fitted to held-out rows, since in training decoders see what is too easy to say;
    and draws are brought onto the values that a feature has, see `QuantileMap`.

    Args:
        inputs: see `FusionModel`.
        settings: see `FusionModel`.
    """

    noise_factor: Tensor

    def __init__(self, inputs: Mapping[str, int | Mapping[str, Any]], **settings: Any) -> None:
        super().__init__(inputs, **settings)
        sizes = [len(self.encoder(name).scaling.mean) for name in self.names]
        self.decoders = Decoders([Decoder(self.dim, size, self.hidden, self.dropout) for size in sizes])
        self.mappings = nn.ModuleList(QuantileMap(size) for size in sizes)
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
    def finish(self, rows: Rows, validation: Rows, seed: int) -> None:
        """Fit how features are drawn: the width of the decoders' noise, then each feature's map onto its own values.

        What counts is what random sub-patterns hide from rows that have it: of held-out rows for the width, of these
        and of training rows for the maps; `ROWS_TO_FIT` of either.
        """
        generator = torch.Generator().manual_seed(seed)
        held_out = self._hidden(self.check(validation[_spaced(len(validation))]), generator)
        some = self.some(rows, seed)
        learned = self._hidden(some[_spaced(len(some))], generator)
        for m, (decoder, mapping) in enumerate(zip(self.decoders.each(), self._mappings(), strict=True)):
            scale = torch.exp(decoder.log_scale)
            each = held_out[m]
            self.noise_factor[m] = noise_factor(((each.truth - each.mean) / scale)[:, each.known])
            both = Hidden(*(torch.cat(pair, -2) for pair in zip(each, learned[m], strict=True)))
            noise = Noise(generator).normal(tuple(both.mean.shape), 1, both.mean)
            mapping.fit(both.mean + self.noise_factor[m] * scale * noise, both.values, both.known)

    def _hidden(self, batch: Batch, generator: torch.Generator) -> list[Hidden]:
        """By modality, what `SUBPATTERNS` random sub-patterns a row hide."""
        found: list[list[Hidden]] = [[] for _ in self.names]
        code, own = self._code(batch), batch.observed.cpu()
        for _ in range(SUBPATTERNS):
            mask = random_subpattern(own, 0.5, generator).to(batch.observed.device)
            with evaluating(self), full_precision(batch.observed.device):
                draws = self._draws(code, mask, DRAWS_TO_FIT, None)
                for m, (name, decoder) in enumerate(zip(self.names, self.decoders.each(), strict=True)):
                    hidden = batch.observed[:, m] & ~mask[:, m]
                    x, known = self.features(batch, name)
                    values = x[hidden]
                    if len(values):
                        values = self.encoder(name).describe(tensor(batch, name)[hidden])
                    found[m].append(Hidden(decoder(draws[name][:, hidden]), x[hidden], values, known[hidden]))
        return [Hidden(*(torch.cat(parts, -2) for parts in zip(*each, strict=True))) for each in found]

    def _mappings(self) -> list[QuantileMap]:
        return list(self.mappings)  # type: ignore[arg-type]

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
            noise: add the decoder's own noise, for draws from the predictive distribution rather than its means; a
                feature's draws then have the values that it had in the rows from which that was fitted.

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
                if noise is not None:
                    drawn = self.mappings[m](new, drawn)
                if bool(shown.any()):
                    drawn[:, shown] = encoder.describe(tensor(batch, name)[shown])
                result[name] = drawn
        return result


def _spaced(count: int) -> Tensor:
    """At most `ROWS_TO_FIT` of so many rows, evenly spaced."""
    return torch.linspace(0, count - 1, min(ROWS_TO_FIT, count)).long()
