"""Sklar's theorem: marginals and a copula make a joint distribution of the embeddings of all modalities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

import torch
from torch import Tensor, nn

from sklar.copulas import COPULAS
from sklar.joint.checks import check_embeddings, check_pair, check_rows_to_fit
from sklar.marginals import MARGINALS
from sklar.marginals.alignment import Alignment, canonical_alignment, whitening
from sklar.marginals.em import coordinate_scale
from sklar.marginals.together import Marginals
from sklar.numerics import quasi_normal

if TYPE_CHECKING:
    from sklar.joint.mixture import JointMixture

PAIRS_AT_ONCE = 2**22  # scores held in memory by one step of a pairwise match
PAIRED_ONLY = ("vine",)  # copulas that know no full coupling
PAIRED = (*PAIRED_ONLY, "factor")  # copulas whose natural coupling is paired


class Joint(nn.Module):
    """``p(z_1, ..., z_M) = prod_m f_m(z_m) * c(scores of all)``: a proper density whose marginals are exactly ``f_m``.

    Every pattern is answered: `log_prob` of a subset is its true marginal density, and `impute` draws the rest from
    the true conditional. Embeddings are ``{name: (B, d_m)}``, tensors or numpy arrays; results are tensors.

    Args:
        widths: embedding width ``d_m`` by modality name; the order of the names is the order of the mask's columns.
        marginal: ``"independent"`` (a 1-D mixture a coordinate), ``"mixture"`` (multivariate, Rosenblatt scores) or
            ``"normal"`` (a coordinate).
        copula: a name in `sklar.copulas.COPULAS`.
        coupling: ``"full"``, one copula over all scores of all modalities (with identity blocks within a modality
            whose marginal holds that dependence already), or ``"paired"``, a copula a coordinate, joining coordinate
            ``j`` of the modalities that have one. Default the copula's natural one: paired for a vine or a factor
            copula, and for Student's with a multivariate marginal; full for the others.
        components: components of each mixture.
        correlation: where the copula starts.
        options: further arguments of the copula, for instance ``{"structure": "cvine", "families": "frank"}``.

    References:
        Sklar (1959); Fan & Henry, "Vector copulas", arXiv 2009.06558.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        marginal: str = "independent",
        copula: str = "gaussian",
        coupling: str | None = None,
        components: int = 3,
        correlation: float = 0.0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if not widths:
            raise ValueError("a joint needs at least one modality")
        self.widths = dict(widths)
        family = MARGINALS[_choice("marginal", marginal, tuple(MARGINALS))]
        kind = COPULAS[_choice("copula", copula, tuple(COPULAS))]
        self.coupling = natural_coupling(copula, marginal) if coupling is None else coupling
        _choice("coupling", self.coupling, ("full", "paired"))
        if self.coupling == "full" and copula in PAIRED_ONLY:
            raise ValueError(f'copula {copula!r} couples coordinates in pairs only: use coupling="paired"')
        self.report: dict[str, float] = {}
        sizes = tuple(self.widths.values())
        self.alignments = nn.ModuleList(Alignment(d) for d in sizes)
        self.marginals = Marginals([family(d, components) for d in sizes])
        start = dict(options or {}) | ({"correlation": correlation} if correlation else {})
        if self.coupling == "full":
            self.copula = kind(sum(sizes), (), None if family.coordinatewise else sizes, **start)
        else:
            self.copula = kind(len(sizes), (max(sizes),), **start)
        exists = torch.arange(max(sizes))[:, None] < torch.tensor(sizes)
        self.exists: Tensor
        self.register_buffer("exists", exists, persistent=False)

    @property
    def names(self) -> list[str]:
        """Modality names, in the order of the mask's columns."""
        return list(self.widths)

    @property
    def anchor(self) -> Tensor:
        """A tensor with the dtype and the device of the joint."""
        return self.copula.anchor

    @overload
    @classmethod
    def fit(  # type: ignore[overload-overlap]
        cls,
        z: Mapping[str, Any],
        observed: Any | None = None,
        marginal: str = "independent",
        *,
        copula: Literal["auto"],
        coupling: str | None = None,
        components: int = 3,
        seed: int = 0,
    ) -> Joint | JointMixture: ...

    @overload
    @classmethod
    def fit(
        cls,
        z: Mapping[str, Any],
        observed: Any | None = None,
        marginal: str = "independent",
        copula: str = "gaussian",
        coupling: str | None = None,
        components: int = 3,
        seed: int = 0,
    ) -> Joint: ...

    @classmethod
    def fit(
        cls,
        z: Mapping[str, Any],
        observed: Any | None = None,
        marginal: str = "independent",
        copula: str = "gaussian",
        coupling: str | None = None,
        components: int = 3,
        seed: int = 0,
    ) -> Joint | JointMixture:
        """A joint fitted to given embeddings by maximum likelihood: marginals first, then the copula of their scores.

        Rows may lack modalities. A paired coupling is aligned first, by regularised generalised canonical
        correlations. The result is frozen (no parameter asks for gradients) and has the dtype of the first embedding,
        float32 at least.

        Args:
            z: embeddings ``{name: (n, d_m)}``, numpy or torch.
            observed: bool ``(n, M)``; None means that every row is complete.
            marginal: see `Joint`.
            copula: see `Joint`; or ``"auto"``: the copula, or the `JointMixture`, that on held-out rows best says
                missing parts from observed ones. ``report`` then holds each candidate's score in nats a row.
            coupling: see `Joint`.
            components: components of each mixture.
            seed: of the k-means++ start of multivariate mixtures, and of the held-out rows.

        Raises:
            KeyError, ValueError, TypeError: for unknown names, wrong shapes, NaN in an observed embedding, rows with
                nothing observed, a modality seen in fewer than two rows.
        """
        if copula == "auto":
            from sklar.joint.auto import fit_best  # which needs this class

            return fit_best(z, observed, marginal, coupling, components, seed)
        values, mask, widths, dtype = check_rows_to_fit(z, observed)
        joint = cls(widths, marginal, copula, coupling, components).double().to(mask.device)
        joint._fit(values, mask, torch.Generator().manual_seed(seed))
        return joint.to(dtype).requires_grad_(False)

    def _fit(self, values: list[Tensor], mask: Tensor, generator: torch.Generator) -> None:
        if self.coupling == "paired":
            maps = canonical_alignment(values, mask)
        elif self.marginals.coordinatewise:
            maps = [(v[o].mean(0), torch.diag(1 / coordinate_scale(v[o]))) for v, o in zip(values, mask.T, strict=True)]
        else:
            maps = [(v[o].mean(0), whitening(v[o])) for v, o in zip(values, mask.T, strict=True)]
        for (alignment, marginal, map_), value, rows in zip(self._rooms(maps), values, mask.T, strict=True):
            alignment.assign(*map_)
            marginal.fit(alignment(value[rows]), generator)
        with torch.no_grad():
            self.copula.fit(self._scores(values, mask), self._score_mask(mask))

    def _rooms(self, maps: list[tuple[Tensor, Tensor]]) -> Iterator[tuple[Any, Any, tuple[Tensor, Tensor]]]:
        return zip(self.alignments, self.marginals, maps, strict=True)

    def log_prob(self, z: Mapping[str, Any], observed: Any | None = None) -> Tensor:
        """Log density of what is observed, in nats: ``{name: (B, d_m)}``, ``(B, M) -> (B,)``.

        Raises:
            KeyError, ValueError, TypeError: see `check_embeddings`.
        """
        values, mask = self._check(z, observed)
        density, scores = self._independent_part(values, mask)
        return density + self._coupling_log_prob(scores, self._score_mask(mask))

    def _independent_part(self, values: list[Tensor], mask: Tensor) -> tuple[Tensor, Tensor]:
        """Log density of what is observed without the copula, ``(B,)``, and the scores in the copula's layout."""
        aligned = self._align(values)
        volume = torch.stack([alignment.log_abs_det for alignment in self.alignments])  # type: ignore[misc]
        density = torch.where(mask, self.marginals.log_prob(aligned) + volume, 0.0).sum(-1)
        return density, self._join(self.marginals.to_scores(aligned), mask)

    def impute(
        self,
        z: Mapping[str, Any],
        observed: Any,
        num_samples: int = 1,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Draws of the missing embeddings given the observed ones.

        Args:
            z: embeddings ``{name: (B, d_m)}``; what stands in a missing row never matters.
            observed: bool ``(B, M)``.
            num_samples: number of draws ``S``.
            generator: source of the randomness.
            noise: instead of ``generator``: standard normals that broadcast to ``(S, B, *event)``, as from `noise`.

        Returns:
            ``{name: (S, B, d_m)}``, observed embeddings repeated bit for bit. Gradients reach parameters and the
            observed embeddings.

        Raises:
            KeyError, ValueError, TypeError: see `check_embeddings`.
        """
        values, mask = self._check(z, observed)
        scores = self._scores(values, mask)
        if noise is None:
            shape = (num_samples, *scores.shape)
            noise = torch.randn(shape, generator=generator, dtype=scores.dtype, device=scores.device)
        completed = self.copula.impute(scores, self._score_mask(mask), noise=noise)
        drawn = self.marginals.from_scores(self._split(completed), ~mask)
        new = [alignment.undo(w) for alignment, w in zip(self.alignments, drawn, strict=True)]  # type: ignore[operator]
        chosen = torch.where(self._cells(mask), torch.cat(values, -1), torch.cat(new, -1))
        return dict(zip(self.names, chosen.split(list(self.widths.values()), -1), strict=True))

    def rsample(self, num_samples: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Draws of all embeddings, reparameterised: ``{name: (S, d_m)}``."""
        scores = self._split(self.copula.rsample((num_samples,), generator))
        return {
            name: alignment.undo(marginal.from_scores(w))  # type: ignore[operator]
            for name, alignment, marginal, w in zip(self.names, self.alignments, self.marginals, scores, strict=True)
        }

    def noise(self, num_samples: int, seed: int = 0) -> Tensor:
        """A fixed quasi-random set for `impute`, ``(S, 1, *event)``: the same draws for every row of any batch."""
        return quasi_normal(num_samples, (1, *self.copula.event_shape), seed, self.anchor.dtype).to(self.anchor.device)

    def match(self, z: Mapping[str, Any], i: str, j: str, pairwise: bool = False) -> Tensor:
        """How much better two embeddings fit together than apart, ``log p(z_i, z_j) - log p(z_i) - log p(z_j)``, nats.

        The log copula density between the two modalities: the score for alignment and retrieval, with mean equal to
        their mutual information on matching rows.

        Args:
            z: embeddings, at least of ``i`` and ``j``.
            i: a modality.
            j: another modality.
            pairwise: compare every row of ``i`` with every row of ``j``.

        Returns:
            ``(B,)``, or ``(B_i, B_j)`` with rows of ``i`` first when ``pairwise``.

        Raises:
            KeyError: an unknown modality. ValueError: twice the same one.
        """
        check_pair(z, self.widths, i, j)
        parts = []
        for name in (i, j):
            mask = torch.zeros(len(z[name]), len(self.names), dtype=torch.bool, device=self.anchor.device)
            mask[:, self.names.index(name)] = True
            values, mask = self._check({name: z[name]}, mask)
            scores = self._scores(values, mask)
            parts.append((scores, self._score_mask(mask[:1]), self._coupling_log_prob(scores, self._score_mask(mask))))
        (first, first_mask, first_own), (second, second_mask, second_own) = parts
        both = first_mask | second_mask
        if not pairwise:
            if len(first) != len(second):
                raise ValueError(f"{i!r} has {len(first)} rows, {j!r} has {len(second)}; or ask for pairwise=True")
            return self._coupling_log_prob(first + second, both) - first_own - second_own
        step = max(1, PAIRS_AT_ONCE // max(1, second.numel()))
        rows = [self._coupling_log_prob(part.unsqueeze(1) + second, both.unsqueeze(0)) for part in first.split(step)]
        return torch.cat(rows) - first_own[:, None] - second_own

    def _check(self, z: Mapping[str, Any], observed: Any | None) -> tuple[list[Tensor], Tensor]:
        return check_embeddings(z, observed, self.widths, self.anchor.dtype, self.anchor.device)

    def _scores(self, values: list[Tensor], mask: Tensor) -> Tensor:
        """Scores in the copula's layout, zero where missing."""
        return self._join(self.marginals.to_scores(self._align(values)), mask)

    def _align(self, values: list[Tensor]) -> list[Tensor]:
        return [alignment(value) for alignment, value in zip(self.alignments, values, strict=True)]

    def _join(self, scores: list[Tensor], mask: Tensor) -> Tensor:
        """Scores a modality in the copula's layout: ``(B, D)`` (full) or ``(B, d, M)`` (paired, padded with zeros)."""
        shown = torch.where(self._cells(mask), torch.cat(scores, -1), 0.0)
        if self.coupling == "full":
            return shown
        sizes, width = list(self.widths.values()), max(self.widths.values())
        if min(sizes) == width:
            return shown.unflatten(-1, (len(sizes), width)).mT
        return torch.stack([nn.functional.pad(w, (0, width - w.shape[-1])) for w in shown.split(sizes, -1)], dim=-1)

    def _cells(self, mask: Tensor) -> Tensor:
        """The mask of modalities ``(B, M)`` as one of all coordinates, ``(B, D)``."""
        sizes = torch.tensor(list(self.widths.values()), device=mask.device)
        return mask.repeat_interleave(sizes, dim=-1)

    def _split(self, scores: Tensor) -> list[Tensor]:
        """Inverse of `_join`."""
        sizes = list(self.widths.values())
        if self.coupling == "full":
            return list(scores.split(sizes, dim=-1))
        return [scores[..., :d, m] for m, d in enumerate(sizes)]

    def _score_mask(self, mask: Tensor) -> Tensor:
        """The mask of modalities ``(B, M)`` as one of scores, in the copula's layout."""
        if self.coupling == "full":
            return self._cells(mask)
        if bool(self.exists.all()):
            return mask.unsqueeze(-2)
        return mask.unsqueeze(-2) & self.exists

    def _coupling_log_prob(self, scores: Tensor, mask: Tensor) -> Tensor:
        """Log copula density, summed over the coordinates where there is a copula for each."""
        values = self.copula.log_prob(scores, mask)
        return values if self.coupling == "full" else values.sum(-1)


def natural_coupling(copula: str, marginal: str) -> str:
    """The coupling that suits a copula: ``"full"`` or ``"paired"``.

    Student's copula has no variables that are independent within a modality, so that a marginal which holds the
    dependence within already leaves it the paired one.
    """
    within = marginal in MARGINALS and not MARGINALS[marginal].coordinatewise
    return "paired" if copula in PAIRED or (copula == "student" and within) else "full"


def _choice(what: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}; choose one of {list(known)}")
    return value
