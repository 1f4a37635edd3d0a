"""Losses that draw embeddings together, against torch.distributions and plain formulas."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from sklar.models.alignment import Alignment
from sklar.models.code import Encoded

NAMES = ["a", "b", "c"]
OBSERVED = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0]], dtype=torch.bool)
SHARES = [[(0, 1), (0, 2), (1, 2)], [(0, 2)], []]  # pairs that each row has


@pytest.fixture
def code():
    generator = torch.Generator().manual_seed(0)
    return [Encoded(*torch.randn(2, 3, 4, generator=generator)) for _ in NAMES]


def over_pairs(each):
    return torch.stack(
        [
            torch.stack([each(i, j)[row] for i, j in pairs]).mean() if pairs else torch.zeros(())
            for row, pairs in enumerate(SHARES)
        ]
    )


def test_cosine_is_one_minus_the_cosine(code):
    def plain(i, j):
        x, y = code[i].mean, code[j].mean
        return 1 - (x * y).sum(-1) / (x.norm(dim=-1) * y.norm(dim=-1))

    torch.testing.assert_close(Alignment("cosine", NAMES, 4)(code, OBSERVED), over_pairs(plain))


@pytest.mark.parametrize("points", [False, True])
def test_kl_is_the_symmetrised_divergence_of_normals(code, points):
    def normal(m):
        return Normal(code[m].mean, torch.ones(()) if points else code[m].log_scale.exp())

    def plain(i, j):
        both = kl_divergence(normal(i), normal(j)) + kl_divergence(normal(j), normal(i))
        return 0.5 * both.sum(-1)

    torch.testing.assert_close(Alignment("kl", NAMES, 4, points)(code, OBSERVED), over_pairs(plain))


def test_copula_is_minus_the_density_whose_marginals_do_not_move_the_embeddings(code):
    aligner = Alignment("copula", NAMES, 4)
    z = [each.mean.clone().requires_grad_() for each in code]
    named = dict(zip(NAMES, z, strict=True))
    joint = aligner.joint
    loss = aligner([Encoded(value, torch.zeros_like(value)) for value in z], OBSERVED)
    torch.testing.assert_close(loss, -joint.log_prob(named, OBSERVED))
    apart = torch.where(OBSERVED, joint.marginals.log_prob(z), 0.0).sum()
    dependence = joint.log_prob(named, OBSERVED).sum() - apart
    wanted = torch.autograd.grad(-dependence, z, retain_graph=True)
    for found, expected in zip(torch.autograd.grad(loss.sum(), z, retain_graph=True), wanted, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    weights = [p for p in joint.marginals.parameters() if p.requires_grad]
    wanted = torch.autograd.grad(-apart, weights, allow_unused=True)
    found = torch.autograd.grad(loss.sum(), weights, allow_unused=True)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_infonce_is_the_cross_entropy_of_the_own_partner(code):
    generator = torch.Generator().manual_seed(1)
    more = [Encoded(*torch.randn(2, 6, 4, generator=generator)) for _ in NAMES]
    observed = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 1, 1], [0, 1, 1], [1, 0, 0], [1, 0, 1]], dtype=torch.bool)
    aligner = Alignment("infonce", NAMES, 4)
    with torch.no_grad():
        aligner.log_temperature.fill_(-1.0)
    found = aligner(more, observed)
    for row in range(6):
        terms = []
        for i, j in ((0, 1), (0, 2), (1, 2)):
            if observed[row, i] and observed[row, j]:
                among = [k for k in range(6) if observed[k, i] and observed[k, j]]
                for one, other in ((i, j), (j, i)):
                    cosine = torch.stack([
                        torch.cosine_similarity(more[one].mean[row], more[other].mean[k], dim=0) for k in among
                    ])  # fmt: skip
                    own = torch.tensor(among.index(row))
                    terms.append(torch.nn.functional.cross_entropy(cosine / torch.e**-1, own))
        expected = torch.stack(terms).mean() if terms else torch.zeros(())
        assert found[row].item() == pytest.approx(expected.item(), abs=1e-5), row
