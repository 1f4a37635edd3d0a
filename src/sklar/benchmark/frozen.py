"""The frozen setting: a model trained on complete rows meets rows that lack modalities."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from sklar.copulas.patterns import all_patterns
from sklar.data import Batch
from sklar.evaluation import Record, pattern_name, prediction_scores
from sklar.joint import Calibration, Joint, JointMixture, marginalize
from sklar.models import Concat
from sklar.models.code import Encoded
from sklar.models.fill import FILLS, Fill, HotDeck, Widths

Embeddings = dict[str, Tensor]
Predictor = Callable[[Embeddings], Tensor]
Arm = Callable[[Embeddings, Tensor], Tensor]  # embeddings and a mask (N, M) to probabilities (N, C)

SIMPLE = ("zeros", "mean", "marginal", "regression")  # rules with nothing to choose
NEIGHBOURS = (5, 10, 20)  # of the hot deck, chosen on validation rows
COMPONENTS = (1, 3)  # of the copula's marginals, chosen on validation rows
DRAWS = 64


@torch.no_grad()
def embeddings(model: Concat, batch: Batch) -> Embeddings:
    """The encoders' outputs on complete rows, ``{name: (N, d)}``."""
    code = model.encode(model.check(batch))
    return {name: each.mean for name, each in zip(model.names, code, strict=True)}


def classifier(model: Concat) -> Predictor:
    """The model's head as a function of complete embeddings to class probabilities."""

    @torch.no_grad()
    def predict(z: Embeddings) -> Tensor:
        code = [Encoded(z[name], z[name]) for name in model.names]
        present = torch.ones(len(code[0].mean), len(code), dtype=torch.bool)
        return torch.softmax(model.outputs(code, present, 1, None)[0], -1)

    return predict


def fill(predict: Predictor, known: Embeddings, rule: Callable[[Widths], Fill], seed: int) -> Arm:
    """The prediction averaged over a rule's completions.

    Args:
        predict: from complete embeddings.
        known: embeddings of the training rows, to which the rule is fitted.
        rule: see `sklar.models.fill`.
        seed: of its draws.
    """
    each = rule({name: x.shape[1] for name, x in known.items()})
    z = torch.stack(list(known.values()), 1)
    each.fit(z, torch.ones(z.shape[:2], dtype=torch.bool), seed)

    def arm(z: Embeddings, observed: Tensor) -> Tensor:
        completed = each(torch.stack(list(z.values()), 1), observed, DRAWS)
        return torch.stack([predict(dict(zip(z, one.unbind(1), strict=True))) for one in completed]).mean(0)

    return arm


def draw(predict: Predictor, joint: Joint | JointMixture, seed: int, num_samples: int = DRAWS) -> Arm:
    """The prediction averaged over draws from a joint."""
    return marginalize(predict, joint, num_samples, seed)


def hot_deck(predict: Predictor, known: Embeddings, neighbours: int) -> Arm:
    """The arm of `HotDeck`."""
    return fill(predict, known, partial(HotDeck, neighbours=neighbours), 0)


def simple_arms(predict: Predictor, known: Embeddings, seed: int) -> dict[str, Arm]:
    """Rules with nothing to choose, by name, from the training rows' embeddings."""
    return {name: fill(predict, known, FILLS[name], seed) for name in SIMPLE}


def _best(candidates: list[Arm], z: Embeddings, target: Tensor) -> Arm:
    """The arm with the lowest log-loss on held-out rows, averaged over all incomplete patterns."""

    def loss(arm: Arm) -> float:
        patterns = all_patterns(len(z))[:-1]
        answers = [arm(z, pattern.expand(len(target), -1)) for pattern in patterns]
        return sum(prediction_scores(answer, target)["log_loss"] for answer in answers)

    return min(candidates, key=loss)


def calibrated(arm: Arm, z: Embeddings, observed: Tensor, target: Tensor) -> tuple[Arm, float]:
    """An arm with the calibration fitted on held-out rows, and its log-loss on them.

    Args:
        arm: uncalibrated.
        z: held-out embeddings, ``(N, d)`` each.
        observed: bool ``(N, M)``.
        target: class index ``(N,)``.
    """
    raw = arm(z, observed)
    calibration = Calibration().fit(raw, observed, target)
    loss = prediction_scores(calibration(raw, observed), target)["log_loss"]
    return lambda z, observed: calibration(arm(z, observed), observed), loss


def frozen_arms(model: Concat, train: Batch, validation: Batch, seed: int) -> dict[str, Arm]:
    """What can be done about missing embeddings of a frozen model, by name; fitted on the training rows.

    Args:
        model: trained on complete rows.
        train: those rows.
        validation: held-out rows, on which the hot deck's neighbours and the copula's components are chosen.
        seed: of starts and draws.
    """
    if validation.target is None:
        raise ValueError("the validation rows need targets")
    known, predict = embeddings(model, train), classifier(model)
    held_out, target = embeddings(model, validation), validation.target
    decks = [hot_deck(predict, known, count) for count in NEIGHBOURS]
    copulas = [draw(predict, Joint.fit(known, components=count, seed=seed), seed) for count in COMPONENTS]
    return {
        **simple_arms(predict, known, seed),
        "hot_deck": _best(decks, held_out, target),
        "copula": _best(copulas, held_out, target),
        "mixture": draw(predict, JointMixture.fit(known, seed=seed), seed),
    }


@torch.no_grad()
def evaluate_frozen(model: Concat, arms: dict[str, Arm], validation: Batch, test: Batch) -> list[Record]:
    """Every arm under every pattern, each calibrated alike on the validation rows under all patterns.

    Returns:
        Records ``{model, pattern, accuracy, log_loss, brier, ece, energy_score}``; nothing here decodes inputs, so the
        energy score is None.
    """
    if validation.target is None or test.target is None:
        raise ValueError("evaluation needs labelled rows")
    held_out, unseen = embeddings(model, validation), embeddings(model, test)
    patterns = all_patterns(len(model.names))
    masks = patterns.repeat_interleave(len(validation), dim=0)
    every = {name: x.repeat(len(patterns), 1) for name, x in held_out.items()}
    records = []
    for name, arm in arms.items():
        final, _ = calibrated(arm, every, masks, validation.target.repeat(len(patterns)))
        for pattern in patterns:
            probabilities = final(unseen, pattern.expand(len(test), -1))
            scores = prediction_scores(probabilities, test.target)
            where = {"model": name, "pattern": pattern_name(model.names, pattern)}
            records.append({**where, **scores, "energy_score": None})
    return records
