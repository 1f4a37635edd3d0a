"""The frozen setting: a model trained on complete rows meets rows that lack modalities."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sklar.copulas.patterns import all_patterns
from sklar.data import Batch
from sklar.evaluation import Record, pattern_name, prediction_scores
from sklar.joint import Calibration, Joint, marginalize
from sklar.models import Concat

Embeddings = dict[str, Tensor]
Arm = Callable[[Embeddings, Tensor], Tensor]  # embeddings and one pattern (M,) to probabilities (N, C)

NEIGHBOURS = (5, 10, 20)  # of the hot deck, chosen on validation rows
COMPONENTS = (1, 3)  # of the copula's marginals, chosen on validation rows
DRAWS = 64


@torch.no_grad()
def embeddings(model: Concat, batch: Batch) -> Embeddings:
    """The encoders' outputs on complete rows, ``{name: (N, d)}``."""
    code = model.encode(model.check(batch))
    return {name: mean for name, (mean, _) in zip(model.names, code, strict=True)}


def classifier(model: Concat) -> Callable[[Embeddings], Tensor]:
    """The model's head as a function of complete embeddings to class probabilities."""

    @torch.no_grad()
    def predict(z: Embeddings) -> Tensor:
        code = [(z[name], z[name]) for name in model.names]
        present = torch.ones(len(code[0][0]), len(code), dtype=torch.bool)
        return torch.softmax(model.outputs(code, present, 1, None)[0], -1)

    return predict


def _split(z: Embeddings, pattern: Tensor) -> tuple[list[str], list[str]]:
    shown = [name for name, seen in zip(z, pattern.tolist(), strict=True) if seen]
    return shown, [name for name in z if name not in shown]


def _fill(predict: Callable[[Embeddings], Tensor], value: Callable[[str], Tensor]) -> Arm:
    """The missing embeddings replaced by one constant vector each."""

    def arm(z: Embeddings, pattern: Tensor) -> Tensor:
        _, hidden = _split(z, pattern)
        return predict({name: value(name).expand_as(x) if name in hidden else x for name, x in z.items()})

    return arm


def _draw(predict: Callable[[Embeddings], Tensor], joint: Joint, seed: int) -> Arm:
    """The prediction averaged over draws from a joint."""
    averaged = marginalize(predict, joint, DRAWS, seed)
    return lambda z, pattern: averaged(z, pattern.expand(len(next(iter(z.values()))), -1))


def _regress(predict: Callable[[Embeddings], Tensor], known: Embeddings) -> Arm:
    """The missing embeddings replaced by their ridge regression on the observed ones (penalty by cross-validation)."""
    from sklearn.linear_model import RidgeCV

    def arm(z: Embeddings, pattern: Tensor) -> Tensor:
        shown, hidden = _split(z, pattern)
        if not hidden:
            return predict(z)
        x = torch.cat([known[name] for name in shown], -1)
        y = torch.cat([known[name] for name in hidden], -1)
        fitted = RidgeCV(alphas=[0.01, 0.1, 1.0, 10.0, 100.0]).fit(x.numpy(), y.numpy())
        guess = torch.as_tensor(fitted.predict(torch.cat([z[name] for name in shown], -1).numpy())).to(x)
        parts = guess.split([z[name].shape[1] for name in hidden], -1)
        return predict({**z, **dict(zip(hidden, parts, strict=True))})

    return arm


def _hot_deck(predict: Callable[[Embeddings], Tensor], known: Embeddings, neighbours: int) -> Arm:
    """The prediction averaged over the missing embeddings of the nearest training rows in what is observed."""
    scale = {name: x.std(0).clamp(min=1e-6) for name, x in known.items()}

    def arm(z: Embeddings, pattern: Tensor) -> Tensor:
        shown, hidden = _split(z, pattern)
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

    return arm


def _best(candidates: list[Arm], z: Embeddings, target: Tensor) -> Arm:
    """The arm with the lowest log-loss on held-out rows, averaged over all incomplete patterns."""

    def loss(arm: Arm) -> float:
        patterns = all_patterns(len(z))[:-1]
        return sum(prediction_scores(arm(z, pattern), target)["log_loss"] for pattern in patterns)

    return min(candidates, key=loss)


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
    decks = [_hot_deck(predict, known, count) for count in NEIGHBOURS]
    copulas = [_draw(predict, Joint.fit(known, components=count, seed=seed), seed) for count in COMPONENTS]
    return {
        "zeros": _fill(predict, lambda name: torch.zeros(known[name].shape[1])),
        "mean": _fill(predict, lambda name: known[name].mean(0)),
        "marginal": _draw(predict, Joint.fit(known, marginal="mixture", copula="independence", seed=seed), seed),
        "regression": _regress(predict, known),
        "hot_deck": _best(decks, held_out, target),
        "copula": _best(copulas, held_out, target),
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
    records = []
    for name, arm in arms.items():
        raw = torch.cat([arm(held_out, pattern) for pattern in patterns])
        calibration = Calibration().fit(raw, masks, validation.target.repeat(len(patterns)))
        for pattern in patterns:
            probabilities = calibration(arm(unseen, pattern), pattern.expand(len(test), -1))
            scores = prediction_scores(probabilities, test.target)
            where = {"model": name, "pattern": pattern_name(model.names, pattern)}
            records.append({**where, **scores, "energy_score": None})
    return records
