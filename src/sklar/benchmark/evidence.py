"""Beside its predictions: what a trained model's draws of missing inputs and its embeddings are worth."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import torch
from torch import Tensor

from sklar.data import Batch
from sklar.evaluation import Record, pattern_name
from sklar.evaluation.imputation import imputation_scores
from sklar.evaluation.metrics import energy_score
from sklar.evaluation.retrieval import cosine_scores, effective_rank, retrieval_scores
from sklar.marginals.alignment import canonical_alignment
from sklar.models import FusionModel
from sklar.models.base import evaluating, tensor

DRAWS = 99  # of missing inputs: a hundred places for the truth to stand
ROWS = 100  # evenly spaced among the complete ones, of which missing inputs are drawn


@torch.no_grad()
def imputation(model: FusionModel, complete: Batch, patterns: Tensor, seed: int, learned: Batch) -> Iterator[Record]:
    """Scores of the draws of what each pattern lacks, in standard deviations of the rows scored.

    Args:
        model: trained; of one that does not generate nothing is said.
        complete: rows that have every modality; `ROWS` of them are used.
        patterns: bool ``(P, M)``; a complete one is left out.
        seed: of the draws.
        learned: training rows, from `FusionModel.some`.

    Yields:
        ``{setting: "imputation", pattern, number, energy, ..., energy_ratio}``, see `imputation_scores`; the last is
        the energy score divided by that of marginal draws, where each missing modality is some training row's. Rows of
        which a feature is unknown are left out.
    """
    if not model.generates:
        return
    places = torch.linspace(0, len(complete) - 1, min(ROWS, len(complete))).long()
    rows = model.check(complete[places])
    truth = {name: model.encoder(name).describe(tensor(rows, name)) for name in model.names}
    known = torch.stack([~value.isnan().any(-1) for value in truth.values()]).all(0)
    rows, truth = rows[known], {name: value[known] for name, value in truth.items()}
    if len(rows) < 2:
        return
    scale = {name: value.std(0).where(value.std(0) > 1e-6, 1.0) for name, value in truth.items()}
    pools = {name: _pool(model, learned, name) for name in model.names}
    for pattern in patterns[~patterns.all(-1)]:
        hidden = [name for name, shown in zip(model.names, pattern.tolist(), strict=True) if not shown]
        generator = torch.Generator().manual_seed(seed)
        drawn = model.generate(rows.see(pattern), DRAWS, generator, noise=True)
        draws, wanted = (torch.cat([each[n] / scale[n] for n in hidden], -1) for each in (drawn, truth))
        where = {"setting": "imputation", "pattern": pattern_name(model.names, pattern), "number": len(rows)}
        record: Record = {**where, **imputation_scores(draws, wanted)}
        if all(len(pools[n]) for n in hidden):
            generator = torch.Generator().manual_seed(seed + 1)  # the same draws whatever the model
            some = {n: torch.randint(len(pools[n]), (DRAWS, len(rows)), generator=generator) for n in hidden}
            marginal = torch.cat([pools[n][some[n]] / scale[n] for n in hidden], -1)
            record["energy_ratio"] = record["energy"] / energy_score(marginal, wanted)
        yield record


def _pool(model: FusionModel, learned: Batch, name: str) -> Tensor:
    """Features of the training rows that have a modality and know all of it, ``(n, F)``."""
    shown = learned.observed[:, model.names.index(name)]
    if not bool(shown.any()):
        return torch.empty(0, len(model.encoder(name).scaling.mean))
    found = model.encoder(name).describe(tensor(learned, name)[shown])
    return found[~found.isnan().any(-1)]


@torch.no_grad()
def alignment(model: FusionModel, complete: Batch, learned: Batch) -> Iterator[Record]:
    """Retrieval between every two modalities' embeddings, and the embeddings' effective ranks.

    Args:
        model: trained; of one without embeddings nothing is said.
        complete: rows that have every modality.
        learned: training rows, from `FusionModel.some`.

    Yields:
        ``{setting: "alignment", pattern: "i~j", number, cosine_recall_1, ..., aligned_recall_1, ..., match_recall_1,
        ...}``: by the cosine of embeddings, by their cosine after a linear map each that was fitted to the training
        rows' embeddings (`canonical_alignment`), and by the joint of the embeddings where the model has one
        (`FusionModel.embedding_joint`); ``{setting: "embeddings", pattern, number, effective_rank}``.
    """
    if model.card.needs.startswith("nothing") or len(complete) < 2:
        return
    with evaluating(model):
        rows = model.check(complete)
        z = {name: each.mean for name, each in zip(model.names, model.encode(rows), strict=True)}
        known = [each.mean.double() for each in model.encode(learned)]
    maps = dict(zip(model.names, canonical_alignment(known, learned.observed), strict=True))
    straight = {name: (value.double() - maps[name][0]) @ maps[name][1].T for name, value in z.items()}
    joint = model.embedding_joint()
    for i, j in combinations(model.names, 2):
        record: Record = {"setting": "alignment", "pattern": f"{i}~{j}", "number": len(rows)}
        tables = {"cosine": cosine_scores(z[i], z[j]), "aligned": cosine_scores(straight[i], straight[j])}
        if joint is not None:
            like = joint.anchor
            tables["match"] = joint.match({i: z[i].to(like), j: z[j].to(like)}, i, j, pairwise=True)
        for kind, table in tables.items():
            record |= {f"{kind}_{name}": value for name, value in retrieval_scores(table).items()}
        yield record
    for name, value in z.items():
        where = {"setting": "embeddings", "pattern": name, "number": len(rows)}
        yield {**where, "effective_rank": effective_rank(value)}
