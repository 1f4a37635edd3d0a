"""The joint distribution of a table's columns: chosen on held-out cells, calibrated on them, asked for missing ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import starmap

import torch
from torch import Tensor

from sklar.estimators.columns import Columns
from sklar.estimators.normals import Cells, Normals, fit_normals, left_out_cells, log_density, missing_cells
from sklar.estimators.stretch import Stretch
from sklar.joint import JointMixture
from sklar.marginals.univariate import mixture_quantile, mixture_score
from sklar.numerics import gauss_hermite

FOLDS = 5
FEWEST = 20  # rows for anything to be compared
MOST = 2000  # rows by which candidates are compared and calibrated
ROWS_A_COMPONENT = 10
COMPONENTS = (1, 2, 3)
PRIOR = (2.0, 0.5, 8.0)  # rows of independent columns; the first is where the comparison begins
FEW_ROWS_PRIOR = 8.0
NODES = 15  # of the quadrature for a mean


@dataclass(frozen=True)
class Candidate:
    """What is compared: bent or straight columns, number of components, prior rows."""

    bend: bool
    components: int
    prior: float

    def __str__(self) -> str:
        marginal = "power" if self.bend else "normal"
        return f"{marginal} marginals, {self.components} component(s), {self.prior:g} prior rows"


@dataclass
class TableModel:
    """Columns, the normals that tie them, and the correction of their spread.

    Attributes:
        columns: maps of the columns to nearly normal ones.
        normals: their distribution.
        stretch: of predicted scores.
        report: held-out log density of a cell given the others, by candidate, nats.
    """

    columns: Columns
    normals: Normals
    stretch: Stretch
    report: dict[str, float] = field(default_factory=dict)

    def missing(self, x: Tensor, mask: Tensor) -> Cells:
        """The missing cells' distributions in bent units."""
        return missing_cells(self.normals, self.columns.bend(x), mask)

    def means(self, cells: Cells) -> Tensor:
        """Mean of each cell in the columns' units, ``(N,)``."""
        nodes, weights = gauss_hermite(NODES)
        w = cells.mean.unsqueeze(-1) + cells.log_scale.exp().unsqueeze(-1) * nodes.double()
        maps = Columns(*(value[:, None, None] for value in self.columns.take(cells.column)))
        return (cells.log_weights.exp() * (maps.straighten(w) * weights.double()).sum(-1)).sum(-1)

    def bent_quantiles(self, cells: Cells, score: Tensor) -> Tensor:
        """Quantiles of the cells in bent units, corrected, at normal scores ``(..., N)``."""
        return mixture_quantile(self.stretch(score, cells.column), cells.log_weights, cells.mean, cells.log_scale)

    def draws(self, joint: JointMixture, x: Tensor, mask: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """All missing cells drawn together, in bent units, ``(S, N)``, in the order of `missing`.

        Args:
            joint: `Normals.joint` of the normals.
            x: values ``(n, D)``; anything where nothing is shown.
            mask: bool ``(n, D)``.
            count: number of draws ``S``.
            generator: source of the randomness.
        """
        cells = self.missing(x, mask)
        w = torch.where(mask, self.columns.bend(x), 0.0)
        drawn = torch.empty(count, *w.shape, dtype=w.dtype)
        some = mask.any(-1)
        if bool(some.any()):
            z = dict(zip(joint.names, w[some].split(1, -1), strict=True))
            drawn[:, some] = torch.cat(list(joint.impute(z, mask[some], count, generator).values()), -1)
        if bool((~some).any()):
            free = torch.cat(list(joint.rsample(count * int((~some).sum()), generator).values()), -1)
            drawn[:, ~some] = free.unflatten(0, (count, -1))
        score = mixture_score(drawn[:, cells.row, cells.column], cells.log_weights, cells.mean, cells.log_scale)
        return self.bent_quantiles(cells, score)

    def log_prob(self, joint: JointMixture, x: Tensor, mask: Tensor) -> Tensor:
        """Log density of what each row shows, nats, ``(n,)``; zero where it shows nothing."""
        w, density = torch.where(mask, self.columns.bend(x), 0.0), torch.zeros(len(x), dtype=x.dtype)
        some = mask.any(-1)
        if bool(some.any()):
            z = dict(zip(joint.names, w[some].split(1, -1), strict=True))
            density[some] = joint.log_prob(z, mask[some])
        return density + torch.where(mask, self.columns.log_slope(x), 0.0).sum(-1)


def fit_table(
    x: Tensor,
    mask: Tensor,
    discrete: Tensor,
    groups: Sequence[Sequence[int]],
    marginal: str,
    components: int | None,
    seed: int,
) -> TableModel:
    """The candidate that best says held-out cells from the rest of their rows, fitted to all rows, then calibrated.

    Rows are held out by fifths. Compared on the first fifth, one after another: the marginals, the prior rows,
    the number of components. The winner's scores on all fifths calibrate its spread. The maps of the columns, two or
    three numbers each, are fitted once, to all rows. With fewer than `FEWEST` rows nothing is compared or calibrated.

    Args:
        x: values ``(n, D)``, each column with two different ones at least; anything where nothing is shown.
        mask: bool ``(n, D)``; every row shows something.
        discrete: bool ``(D,)``.
        groups: a partition of the columns; a held-out cell's own group does not help to say it.
        marginal: ``"power"``, ``"normal"`` or ``"auto"``.
        components: number of normals; None to compare `COMPONENTS`.
        seed: of the folds and the k-means starts.
    """
    bends = {"auto": (True, False), "power": (True,), "normal": (False,)}[marginal]
    maps = {bend: Columns.fit(x, mask, bend, discrete) for bend in bends}
    few = len(x) < FEWEST
    numbers = [number for number in COMPONENTS if number == 1 or ROWS_A_COMPONENT * number <= len(x)]
    if components is not None:
        numbers = [min(components, len(x))]
    best = Candidate(bends[-1] if few else bends[0], numbers[0], FEW_ROWS_PRIOR if few else PRIOR[0])
    stretch, report = Stretch.none(x.shape[1]), {}
    if not few:
        held_out = _HeldOut(x, mask, groups, maps, seed)
        best = held_out.best([Candidate(bend, best.components, best.prior) for bend in bends])
        best = held_out.best([Candidate(best.bend, best.components, prior) for prior in PRIOR])
        best = held_out.best([Candidate(best.bend, number, best.prior) for number in numbers])
        stretch, report = (
            held_out.stretch(best, discrete),
            {str(key): float(value) for key, value in held_out.density.items()},
        )
    columns = maps[best.bend]
    normals = fit_normals(columns.bend(x), mask, best.components, best.prior, torch.Generator().manual_seed(seed))
    return TableModel(columns, normals, stretch, report)


class _HeldOut:
    """Candidates asked for the cells of rows that they were not fitted to."""

    def __init__(
        self, x: Tensor, mask: Tensor, groups: Sequence[Sequence[int]], maps: dict[bool, Columns], seed: int
    ) -> None:
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:MOST]
        self.x, self.mask, self.groups, self.maps, self.seed = x[order], mask[order], groups, maps, seed
        self.fold = torch.arange(len(order)) % FOLDS
        self.density: dict[Candidate, float] = {}
        self.scores: dict[Candidate, tuple[Tensor, Tensor]] = {}

    def ask(self, candidate: Candidate, fold: int) -> tuple[float, tuple[Tensor, Tensor]]:
        """Mean log density of a cell in nats, and the cells' scores and columns."""
        columns, rest, rows = self.maps[candidate.bend], self.fold != fold, self.fold == fold
        generator = torch.Generator().manual_seed(self.seed)
        w = columns.bend(self.x)
        normals = fit_normals(w[rest], self.mask[rest], candidate.components, candidate.prior, generator)
        cells = left_out_cells(normals, w[rows], self.mask[rows], self.groups)
        value = w[rows][cells.row, cells.column]
        slope = columns.log_slope(self.x[rows])[cells.row, cells.column] + columns.scale.log()[cells.column]
        density = log_density(cells, value) + slope
        return float(density.mean()), (
            mixture_score(value, cells.log_weights, cells.mean, cells.log_scale),
            cells.column,
        )

    def best(self, candidates: list[Candidate]) -> Candidate:
        """The one with the highest held-out density on the first fold."""
        for candidate in candidates:
            if candidate not in self.density:
                self.density[candidate], self.scores[candidate] = self.ask(candidate, 0)
        return max(candidates, key=lambda candidate: self.density[candidate])

    def stretch(self, candidate: Candidate, discrete: Tensor) -> Stretch:
        """The correction of its spread, from all folds."""
        parts = [self.scores[candidate], *(self.ask(candidate, fold)[1] for fold in range(1, FOLDS))]
        score, column = starmap(torch.cat, ([part] for part in zip(*parts, strict=True)))
        return Stretch.fit(score, column, discrete)
