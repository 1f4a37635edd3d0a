"""The training and prediction recipe that all models share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """What is not part of a method's own idea: the common training, offered to every model.

    Attributes:
        second_pass: weight of a second prediction, from a random sub-pattern of what each row has; the first has the
            rest. Zero switches it off.
        drop: probability with which a modality is left out of the second pass.
        consistency: weight of the divergence of the second prediction from the first (held fixed).
        single: weight of a further prediction from one random modality of what each row has, counted as often as it has
            modalities: the method's own head learns what each says alone.
        auxiliary: weight of the heads that see one modality each; with zero they are neither trained nor blended in.
        blend: their share in a prediction, the rest is the method's own head. None: chosen on
            the validation rows with the calibration (`sklar.models.blend.Blend`).
        draws: of the embeddings, over which a prediction is averaged (by models that draw). Few of them make it as
            unsure as the noise of their average; a head on imputed embeddings gains up to some 256.
        early: the generative terms (of models that generate) count ``1 + early * max(0, 1 - 2 t)`` times, ``t`` from 0
            to 1 over the schedule: the embeddings are learned before they are used.
        jitter: standard deviation of noise on the numbers of vectors and tables in training, in units of that which a
            feature has within a class (`sklar.models.jitter.Jitter`).
        lend: a training row borrows the modalities that it lacks from rows of its class, with probabilities up to this
            (`sklar.training.lend.Lender`). Regression has no classes: nothing is lent.
    """

    second_pass: float = 0.5
    drop: float = 0.3
    consistency: float = 0.5
    single: float = 0.3
    auxiliary: float = 0.3
    blend: float | None = None
    draws: int = 64
    early: float = 0.0
    jitter: float = 0.0
    lend: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.second_pass <= 1 and 0 <= self.drop < 1 and (self.blend is None or 0 <= self.blend <= 1)):
            raise ValueError(
                "second_pass and blend must lie in [0, 1], drop in [0, 1), got "
                f"second_pass={self.second_pass}, blend={self.blend}, drop={self.drop}"
            )
        least = min(self.consistency, self.single, self.auxiliary, self.early, self.jitter)
        if self.draws < 1 or least < 0 or not 0 <= self.lend <= 1:
            raise ValueError(
                "draws must be at least 1, consistency, single, auxiliary, early and jitter at least 0, lend in "
                f"[0, 1], got {self}"
            )


NO_RECIPE = Recipe(second_pass=0.0, consistency=0.0, single=0.0, auxiliary=0.0, jitter=0.0, lend=0.0)
