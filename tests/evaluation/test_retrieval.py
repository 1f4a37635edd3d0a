"""Retrieval and effective rank, by hand and by closed forms."""

import numpy as np
import pytest
import torch

from sklar.evaluation.retrieval import cosine_scores, effective_rank, retrieval_scores


def test_ranks_by_hand():
    scores = torch.tensor([[3.0, 1.0, 2.0], [5.0, 4.0, 0.0], [0.0, 7.0, 6.0]])
    # rows: 1, 2, 2; columns: own 3 of (3, 5, 0) is second, 4 of (1, 4, 7) second, 6 of (2, 0, 6) first
    ranks = np.array([1, 2, 2, 2, 2, 1])
    found = retrieval_scores(scores)
    assert found["recall_1"] == pytest.approx((ranks == 1).mean())
    assert found["recall_5"] == found["recall_10"] == 1.0
    assert found["mrr"] == pytest.approx((1 / ranks).mean())


def test_a_constant_score_is_chance():
    found = retrieval_scores(torch.zeros(99, 99))
    assert found["recall_10"] == 0.0
    assert found["mrr"] == pytest.approx(1 / 50)


def test_it_agrees_with_scipys_ranks():
    from scipy.stats import rankdata

    scores = torch.randn(40, 40, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    ranks = [rankdata(-row)[i] for table in (scores, scores.T) for i, row in enumerate(table.numpy())]
    found = retrieval_scores(scores)
    assert found["mrr"] == pytest.approx(np.mean(1 / np.array(ranks)))
    assert found["recall_5"] == pytest.approx(np.mean(np.array(ranks) <= 5))


@pytest.mark.parametrize("wrong", [torch.zeros(3, 4), torch.zeros(1, 1), torch.full((2, 2), torch.nan)])
def test_tables_that_rank_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="retrieval needs"):
        retrieval_scores(wrong)


def test_cosines():
    first, second = torch.tensor([[2.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 3.0]])
    assert torch.allclose(cosine_scores(first, second), torch.tensor([[0.0], [0.5**0.5]], dtype=torch.float64))


def test_effective_rank():
    g = torch.Generator().manual_seed(0)
    even = torch.linalg.qr(torch.randn(50, 4, generator=g, dtype=torch.float64) - 0).Q
    even = torch.linalg.qr(even - even.mean(0)).Q
    assert effective_rank(even - even.mean(0)) == pytest.approx(4, abs=1e-6)
    line = torch.arange(9.0)[:, None] * torch.tensor([1.0, 2.0, 3.0])
    assert effective_rank(line + 5) == pytest.approx(1)
    assert effective_rank(torch.ones(5, 3)) == 0.0
    p = np.array([9.0, 1.0]) / 10
    two = torch.cat([torch.tensor([[3.0, 0], [-3, 0]]), torch.tensor([[0, 1.0], [0, -1]])])
    assert effective_rank(two) == pytest.approx(np.exp(-(p * np.log(p)).sum()))
    with pytest.raises(ValueError, match="at least two rows"):
        effective_rank(torch.zeros(1, 3))
