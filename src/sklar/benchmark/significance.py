"""How far each arm is from the reference, with intervals for other seeds and other persons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from torch import Tensor

from sklar.benchmark.predictions import Said
from sklar.evaluation import Record
from sklar.evaluation.bootstrap import auroc
from sklar.evaluation.crossed import crossed_difference
from sklar.evaluation.delong import delong_of_seeds
from sklar.evaluation.losses import Losses, row_losses
from sklar.evaluation.multiple import holm

Answers = Mapping[str, Said]  # by the test's label, of one trial
REPLICATES = 500


def differences(
    said: Mapping[str, Sequence[Answers]], reference: str, task: str, scored: Sequence[tuple[Tensor, np.ndarray]]
) -> list[Record]:
    """Every arm minus the reference, averaged over the tests: scores of the same rows, paired by seed and by person.

    Args:
        said: of each arm, what its models said, a seed at a time in the same order, the reference's among them.
        reference: an arm.
        task: ``"classification"``, ``"multilabel"`` or ``"regression"``.
        scored: of each seed, the labels of the rows scored, ``(n,)`` or ``(n, L)``, and their persons, ``(n,)``.

    Returns:
        Records ``{model, metric, value, low, high, error, p, p_holm}``: 95% intervals by `crossed_difference`, and
        p-values corrected by Holm for all arms compared in a metric. None where there are fewer than two seeds. Those
        of ``auroc``, which two classes have, also hold ``delong``, ``{low, high, error, p}`` of the same difference by
        `delong_of_seeds`, for other persons alone; None where a seed has too few persons of a class for it.

    Raises:
        ValueError: arms whose rows are not the same.
    """
    first = said[reference]
    if len(first) < 2:
        return []
    for arm in said:
        for own, theirs in zip(said[arm], first, strict=True):
            _same_rows(arm, own, theirs)
    tables = {
        arm: [_scores(task, answers, target) for answers, (target, _) in zip(each, scored, strict=True)]
        for arm, each in said.items()
    }
    rows = [next(iter(answers.values())).rows.numpy() for answers in first]
    groups = [persons[own] for own, (_, persons) in zip(rows, scored, strict=True)]
    records: list[Record] = []
    for metric in tables[reference][0]:
        found = []
        for arm, each in tables.items():
            if arm != reference:
                pairs = [(a[metric], b[metric]) for a, b in zip(each, tables[reference], strict=True)]
                apart = crossed_difference(partial(_gap, pairs), groups, replicates=REPLICATES)
                found.append({"model": arm, "metric": metric, **apart._asdict()})
                if metric == "auroc":
                    found[-1]["delong"] = _delong(pairs, groups)
        corrected = holm(np.array([record["p"] for record in found]))
        records += [record | {"p_holm": float(p)} for record, p in zip(found, corrected, strict=True)]
    return records


class _Area:
    """AUROC of one test, with the interface of `Losses`."""

    def __init__(self, score: np.ndarray, positive: np.ndarray) -> None:
        self.values, self.positive = score, positive

    def score(self, rows: np.ndarray) -> float:
        return auroc(self.values[rows], self.positive[rows])


_Scores = dict[str, list[Losses | _Area]]  # by metric, a test each


def _scores(task: str, answers: Answers, target: Tensor) -> _Scores:
    found: _Scores = {}
    for each in answers.values():
        truth = target[each.rows]
        mean = each.mean.squeeze(-1) if task == "regression" else each.mean
        for metric, losses in row_losses(task, mean, truth).items():
            found.setdefault(metric, []).append(losses)
        if task == "classification" and each.mean.shape[1] == 2:
            found.setdefault("auroc", []).append(_Area(each.mean[:, 1].numpy(), (truth == 1).numpy()))
    return found


def _gap(pairs: Sequence[tuple[list[Losses | _Area], list[Losses | _Area]]], seed: int, rows: np.ndarray) -> float:
    first, second = (np.mean([test.score(rows) for test in tests]) for tests in pairs[seed])
    return float(first - second)


def _delong(
    pairs: Sequence[tuple[list[Losses | _Area], list[Losses | _Area]]], groups: Sequence[np.ndarray]
) -> Record | None:
    """The cross-check of an AUROC difference, see `differences`."""
    areas = [[(a, b) for a, b in zip(*pair, strict=True) if isinstance(a, _Area) and isinstance(b, _Area)]
             for pair in pairs]  # fmt: skip
    positive = [tests[0][0].positive for tests in areas]
    for truth, persons in zip(positive, groups, strict=True):
        if min(len(np.unique(persons[kind])) for kind in (truth, ~truth)) < 2:
            return None
    found = delong_of_seeds([[(a.values, b.values) for a, b in tests] for tests in areas], positive, groups)
    return {name: value for name, value in found._asdict().items() if name != "value"}


def _same_rows(arm: str, first: Answers, second: Answers) -> None:
    rows = {each.rows.numpy().tobytes() for answers in (first, second) for each in answers.values()}
    if list(first) != list(second) or len(rows) > 1:
        raise ValueError(f"{arm} was scored on other rows or tests than the reference: they cannot be paired")
