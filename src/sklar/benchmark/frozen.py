"""The frozen setting: a model trained on complete rows meets rows that lack modalities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sklar.copulas.patterns import Patterns, all_patterns
from sklar.data import Batch
from sklar.evaluation import Record, pattern_name, prediction_scores
from sklar.joint import Calibration, Joint, JointMixture, marginalize
from sklar.models import Concat
from sklar.models.code import Encoded

Embeddings = dict[str, Tensor]
Predictor = Callable[[Embeddings], Tensor]
Arm = Callable[[Embeddings, Tensor], Tensor]  # embeddings and a mask (N, M) to probabilities (N, C)

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


def _by_pattern(arm: Callable[[Embeddings, list[str], list[str]], Tensor]) -> Arm:
    """An arm from a function of rows that share one pattern: embeddings, names shown, names hidden."""

    def mixed(z: Embeddings, observed: Tensor) -> Tensor:
        patterns = Patterns(observed, 1)
        order, parts = [], []
        for p, pattern in enumerate(patterns.masks.tolist()):
            rows = (patterns.index == p).nonzero().flatten()
            shown = [name for name, seen in zip(z, pattern, strict=True) if seen]
            order.append(rows)
            parts.append(arm({n: x[rows] for n, x in z.items()}, shown, [name for name in z if name not in shown]))
        return torch.cat(parts)[torch.cat(order).argsort()]

    return mixed


def fill(predict: Predictor, value: Callable[[str], Tensor]) -> Arm:
    """The missing embeddings replaced by one constant vector each."""

    def arm(z: Embeddings, observed: Tensor) -> Tensor:
        columns = zip(z.items(), observed.T, strict=True)
        return predict({name: torch.where(seen[:, None], x, value(name)) for (name, x), seen in columns})

    return arm


def draw(predict: Predictor, joint: Joint | JointMixture, seed: int, num_samples: int = DRAWS) -> Arm:
    """The prediction averaged over draws from a joint."""
    return marginalize(predict, joint, num_samples, seed)


def regress(predict: Predictor, known: Embeddings) -> Arm:
    """The missing embeddings replaced by their ridge regression on the observed ones (penalty by cross-validation)."""
    from sklearn.linear_model import RidgeCV

    fits: dict[tuple[str, ...], Any] = {}

    def arm(z: Embeddings, shown: list[str], hidden: list[str]) -> Tensor:
        if not hidden:
            return predict(z)
        if tuple(shown) not in fits:
            x = torch.cat([known[name] for name in shown], -1)
            y = torch.cat([known[name] for name in hidden], -1)
            fits[tuple(shown)] = RidgeCV(alphas=[0.01, 0.1, 1.0, 10.0, 100.0]).fit(x.numpy(), y.numpy())
        here = torch.cat([z[name] for name in shown], -1)
        guess = torch.as_tensor(fits[tuple(shown)].predict(here.numpy())).to(here)
        parts = guess.split([z[name].shape[1] for name in hidden], -1)
        return predict({**z, **dict(zip(hidden, parts, strict=True))})

    return _by_pattern(arm)


def hot_deck(predict: Predictor, known: Embeddings, neighbours: int) -> Arm:
    """The prediction averaged over the missing embeddings of the nearest training rows in what is observed."""
    scale = {name: x.std(0).clamp(min=1e-6) for name, x in known.items()}

    def arm(z: Embeddings, shown: list[str], hidden: list[str]) -> Tensor:
        if not hidden:
            return predict(z)
        here = torch.cat([z[name] / scale[name] for name in shown], -1)
        there = torch.cat([known[name] / scale[name] for name in shown], -1)
        donors = torch.cdist(here, there).topk(neighbours, largest=False).indices
        rows = len(here)
        completed = {
            name: known[name][donors] if name in hidden else x.unsqueeze(1).expand(-1, neighbours, -1)
            for name, x in z.items()
        }
        flat = predict({name: x.flatten(0, 1) for name, x in completed.items()})
        return flat.unflatten(0, (rows, neighbours)).mean(1)

    return _by_pattern(arm)


def simple_arms(predict: Predictor, known: Embeddings, seed: int) -> dict[str, Arm]:
    """Rules with nothing to choose, by name, from the training rows' embeddings."""
    return {
        "zeros": fill(predict, lambda name: torch.zeros(known[name].shape[1])),
        "mean": fill(predict, lambda name: known[name].mean(0)),
        "marginal": draw(predict, Joint.fit(known, marginal="mixture", copula="independence", seed=seed), seed),
        "regression": regress(predict, known),
    }


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
