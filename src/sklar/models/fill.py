"""What can stand for the embeddings that a row lacks: simple rules, and joints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sklar.copulas import COPULAS
from sklar.copulas.patterns import Patterns
from sklar.joint import Joint, JointMixture

COMPONENTS = (1, 5, 10, 20)  # of the mixture, chosen on held-out rows
PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)  # of the ridge regression, chosen by cross-validation
Widths = dict[str, int]


class Fill(nn.Module):
    """Completes embeddings ``(B, M, d)``; nothing is learned from labels, and no row's answer depends on others.

    Args:
        widths: embedding width by modality, all the same.
    """

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.widths = widths

    def fit(self, z: Tensor, observed: Tensor, seed: int) -> None:
        """Learn from rows ``(n, M, d)``, bool ``(n, M)``, in place; nothing is read where nothing was observed."""
        raise NotImplementedError

    def forward(self, z: Tensor, observed: Tensor, draws: int) -> Tensor:
        """At most ``draws`` completions, ``(S, B, M, d)``; one where the rule has no more to say."""
        raise NotImplementedError


class Mean(Fill):
    """One vector a modality: the mean of the rows that have it, or zero.

    Args:
        widths: see `Fill`.
        zero: zeros instead.
    """

    value: Tensor

    def __init__(self, widths: Widths, zero: bool = False) -> None:
        super().__init__(widths)
        self.zero = zero
        self.register_buffer("value", torch.zeros(len(widths), next(iter(widths.values()))))

    def fit(self, z: Tensor, observed: Tensor, seed: int) -> None:
        """See `Fill.fit`."""
        if not self.zero:
            self.value.copy_(_mean(z, observed))

    def forward(self, z: Tensor, observed: Tensor, draws: int) -> Tensor:
        """See `Fill.forward`."""
        return torch.where(observed.unsqueeze(-1), z, self.value.to(z))[None]


class FromRows(Fill):
    """A rule that keeps the rows it was fitted to: their embeddings are saved with the model."""

    rows: Tensor
    seen: Tensor

    def __init__(self, widths: Widths) -> None:
        super().__init__(widths)
        self.register_buffer("rows", torch.zeros(0, len(widths), next(iter(widths.values()))))
        self.register_buffer("seen", torch.zeros(0, len(widths), dtype=torch.bool))
        self.register_buffer("seed", torch.zeros((), dtype=torch.long))
        self._made: dict[Any, Any] = {}  # what was worked out from the rows

    def fit(self, z: Tensor, observed: Tensor, seed: int) -> None:
        """See `Fill.fit`."""
        self.rows = torch.where(observed.unsqueeze(-1), z, 0.0).to(self.rows)
        self.seen = observed.to(self.rows.device)
        self.seed = torch.tensor(seed)
        self._made = {}

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Make room for as many rows as were saved."""
        self._made = {}
        for name in ("rows", "seen"):
            if f"{prefix}{name}" in state_dict:
                blank = getattr(self, name)
                setattr(self, name, blank.new_zeros(len(state_dict[f"{prefix}{name}"]), *blank.shape[1:]))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _groups(self, z: Tensor, observed: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Rows that share a pattern: their places, what they have, ``(r, M, d)``, and the pattern ``(M,)``."""
        patterns = Patterns(observed, 1)
        for p, pattern in enumerate(patterns.masks):
            places = (patterns.index == p).nonzero().flatten()
            yield places, z[places], pattern


class Marginal(FromRows):
    """Draws from what rows have of each modality, whatever else is observed; the same draws for every row."""

    def forward(self, z: Tensor, observed: Tensor, draws: int) -> Tensor:
        """See `Fill.forward`."""
        generator = torch.Generator().manual_seed(int(self.seed))
        columns = []
        for m, seen in enumerate(self.seen.T):
            able = seen.nonzero().flatten()
            order = torch.randperm(len(able), generator=generator)
            columns.append(self.rows[able[order[torch.arange(draws) % len(able)]], m])
        drawn = torch.stack(columns, 1).to(z)[:, None]
        return torch.where(observed.unsqueeze(-1), z, drawn)


class HotDeck(FromRows):
    """The embeddings of the rows that are nearest in what both have, a modality for itself.

    Distances are mean squares over the coordinates that both have, in standard deviations. A row without neighbours, or
    with fewer than are asked for, borrows those it has in turn; one that shares nothing with any donor gets the mean.

    Args:
        widths: see `Fill`.
        neighbours: how many.

    References:
        Andridge & Little, "A review of hot deck imputation for survey non-response", Int. Stat. Rev. 2010.
    """

    def __init__(self, widths: Widths, neighbours: int = 10) -> None:
        super().__init__(widths)
        self.neighbours = neighbours

    def forward(self, z: Tensor, observed: Tensor, draws: int) -> Tensor:
        """See `Fill.forward`; as many completions as there are neighbours."""
        mean = _mean(self.rows, self.seen)
        spread = _mean((self.rows - mean).square(), self.seen).sqrt().clamp(min=1e-6)
        there = ((self.rows - mean) / spread).to(z)
        completed = torch.where(observed.unsqueeze(-1), z, mean.to(z)).repeat(self.neighbours, 1, 1, 1)
        for places, own, pattern in self._groups(z, observed):
            here = (own - mean.to(z)) / spread.to(z)
            squares = torch.stack([_squares(here[:, m], there[:, m]) for m in pattern.nonzero().flatten()])
            shared = self.seen[:, pattern].T.to(z)[:, None]
            distance = (squares * shared).sum(0) / shared.sum(0)  # NaN where nothing is shared
            for m in (~pattern).nonzero().flatten().tolist():
                able = (self.seen[:, m] & self.seen[:, pattern].any(1)).nonzero().flatten()
                if len(able):
                    nearest = distance[:, able].argsort(dim=-1, stable=True)[:, : self.neighbours]
                    donors = able[nearest[:, torch.arange(self.neighbours) % nearest.shape[1]]]
                    completed[:, places, m] = self.rows[donors, m].to(z).transpose(0, 1)
        return completed


class Regression(FromRows):
    """Ridge regression of each missing embedding on all observed ones, fitted to the rows that have both.

    The penalty is chosen by leave-one-out cross-validation. Where fewer than two rows have both, the mean stands.
    """

    def forward(self, z: Tensor, observed: Tensor, draws: int) -> Tensor:
        """See `Fill.forward`."""
        from sklearn.linear_model import RidgeCV

        completed = torch.where(observed.unsqueeze(-1), z, _mean(self.rows, self.seen).to(z))
        for places, own, pattern in self._groups(z, observed):
            for m in (~pattern).nonzero().flatten().tolist():
                both = self.seen[:, pattern].all(1) & self.seen[:, m]
                if int(both.sum()) < 2:
                    continue
                key = (*pattern.tolist(), m)
                if key not in self._made:
                    x, y = self.rows[both][:, pattern].flatten(1), self.rows[both, m]
                    self._made[key] = RidgeCV(alphas=PENALTIES).fit(x.double().numpy(), y.double().numpy())
                guess = self._made[key].predict(own[:, pattern].flatten(1).double().numpy())
                completed[places, m] = torch.from_numpy(guess).to(z)
        return completed[None]


class Chained(FromRows):
    """Regressions of every coordinate on all others in turn, scikit-learn's `IterativeImputer` (MICE without draws)."""

    def forward(self, z: Tensor, observed: Tensor, draws: int) -> Tensor:
        """See `Fill.forward`."""
        from sklearn.experimental import enable_iterative_imputer  # noqa: F401
        from sklearn.impute import IterativeImputer

        if "imputer" not in self._made:
            imputer = IterativeImputer(random_state=int(self.seed), keep_empty_features=True)
            self._made["imputer"] = imputer.fit(self._blanked(self.rows, self.seen))
        found = torch.from_numpy(self._made["imputer"].transform(self._blanked(z, observed))).to(z)
        return torch.where(observed.unsqueeze(-1), z, found.unflatten(-1, z.shape[1:]))[None]

    @staticmethod
    def _blanked(z: Tensor, observed: Tensor) -> Any:
        return torch.where(observed.unsqueeze(-1), z, torch.nan).flatten(1).double().numpy()


class Drawn(Fill):
    """Draws from a joint of the embeddings given the observed ones, from a fixed quasi-random set.

    Args:
        widths: see `Fill`.
        copula: a name in `sklar.copulas.COPULAS`, with mixtures as marginals; ``"mixture"``: a mixture of Gaussian
            joints, number of components and shrinkage chosen on held-out rows (`JointMixture.fit`); ``"auto"``: of all
            these the one that says held-out rows best (`sklar.joint.auto`).
    """

    joint: Joint | JointMixture | None
    winner: Tensor

    def __init__(self, widths: Widths, copula: str) -> None:
        super().__init__(widths)
        self.copula, self.joint = copula, None
        self.register_buffer("winner", torch.tensor(0))  # of "auto", its place among the copulas

    def fit(self, z: Tensor, observed: Tensor, seed: int) -> None:
        """See `Fill.fit`.

        Raises:
            ValueError: fewer than two rows have some modality.
        """
        named = dict(zip(self.widths, z.double().unbind(1), strict=True))
        if self.copula == "mixture":
            self.joint = JointMixture.fit(named, observed, components=COMPONENTS, seed=seed)
        else:
            self.joint = Joint.fit(named, observed, copula=self.copula, seed=seed)
        if self.copula == "auto" and isinstance(self.joint, Joint):
            report = self.joint.report
            self.winner.fill_(list(COPULAS).index(max(report, key=report.__getitem__)))

    def forward(self, z: Tensor, observed: Tensor, draws: int) -> Tensor:
        """See `Fill.forward`."""
        assert self.joint is not None
        named = dict(zip(self.widths, z.double().unbind(1), strict=True))
        drawn = self.joint.impute(named, observed, noise=self.joint.noise(draws))
        return torch.stack(list(drawn.values()), 2).to(z)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Make the joint that the weights hold, or none, before torch fills it: its size is not among the settings."""
        weights = state_dict.get(f"{prefix}joint.logits")
        self.joint = None
        if weights is not None:
            joints = [Joint(self.widths, coupling="full", components=1) for _ in range(len(weights))]
            self.joint = JointMixture(joints).double().requires_grad_(False)
        elif any(name.startswith(f"{prefix}joint.") for name in state_dict):
            place = int(state_dict.get(f"{prefix}winner", 0))
            copula = list(COPULAS)[place] if self.copula == "auto" else self.copula
            self.joint = Joint(self.widths, copula=copula).double().requires_grad_(False)
        super()._load_from_state_dict(state_dict, prefix, *args)


FILLS: dict[str, Callable[[Widths], Fill]] = {
    "zeros": partial(Mean, zero=True),
    "mean": Mean,
    "marginal": Marginal,
    "regression": Regression,
    "chained": Chained,
    "hot_deck": HotDeck,
    "mixture": partial(Drawn, copula="mixture"),
    **{name: partial(Drawn, copula=name) for name in ("gaussian", "student", "factor", "vine", "auto")},
}


def _squares(here: Tensor, there: Tensor) -> Tensor:
    """Squared distances ``(r, n)``, each by itself: as a matrix product they would depend on the other rows."""
    return torch.cdist(here, there, compute_mode="donot_use_mm_for_euclid_dist").square()


def _mean(z: Tensor, observed: Tensor) -> Tensor:
    """Of the rows that have a modality, ``(n, M, d), (n, M) -> (M, d)``; zero where none has."""
    weight = observed.unsqueeze(-1).to(z)
    return torch.where(observed.unsqueeze(-1), z, 0.0).sum(0) / weight.sum(0).clamp(min=1)
