"""What `VariationalCopula` learns from: points in place of draws, draws that hold the encoders still."""

from __future__ import annotations

import torch
from torch.distributions import MultivariateNormal

from sklar.data import Batch
from sklar.models import make_model
from sklar.models.code import Encoded

WIDTHS = {"a": 3, "b": 4}
OBSERVED = torch.tensor([[1, 1], [1, 0], [0, 1], [1, 1]], dtype=torch.bool)


def the_model(**settings):
    torch.manual_seed(0)
    return make_model("variational_copula", inputs=WIDTHS, classes=3, dim=2, hidden=8, **settings)


def test_points_are_judged_by_the_multivariate_normal_of_what_is_observed():
    model = the_model(stochastic=False, weight=0.5, correlation=0.6)
    generator = torch.Generator().manual_seed(1)
    batch = model.check(
        Batch({name: torch.randn(4, width, generator=generator) for name, width in WIDTHS.items()}, OBSERVED, None)
    )
    z = torch.randn(4, 2, 2, generator=generator)  # rows, coordinates, modalities
    code = [Encoded(each, torch.zeros_like(each)) for each in z.unbind(-1)]
    found = model.regularizer(batch, code, None)["density"]
    correlation = torch.tensor([[1.0, 0.6], [0.6, 1.0]])
    for row, there in enumerate(OBSERVED):
        law = MultivariateNormal(torch.zeros(int(there.sum())), correlation[there][:, there])
        torch.testing.assert_close(found[row], -0.5 * law.log_prob(z[row][:, there]).sum(), atol=1e-5, rtol=1e-5)


def test_without_gradient_what_is_drawn_teaches_the_joint_and_not_the_encoders():
    for gradient in (True, False):
        model = the_model(gradient=gradient)
        code = [Encoded(torch.ones(4, 2, requires_grad=True), torch.zeros(4, 2)) for _ in WIDTHS]
        drawn = model._draws(code, OBSERVED, 3, torch.Generator().manual_seed(2))
        (slope,) = torch.autograd.grad(drawn["b"][:, 1].sum(), code[0].mean, retain_graph=True)  # row 1 lacks b
        # A Gaussian copula that starts at 0.8, standard marginals: E[z_b | z_a] = 0.8 z_a, in each of three draws.
        torch.testing.assert_close(slope[1], torch.full((2,), 2.4 if gradient else 0.0), atol=1e-4, rtol=1e-4)
        (own,) = torch.autograd.grad(drawn["b"][:, 0].sum(), code[1].mean, retain_graph=True)
        torch.testing.assert_close(own[0], torch.full((2,), 3.0))
        learned = torch.autograd.grad(drawn["b"][:, 1].sum(), list(model.joint.copula.parameters()))
        assert all(bool(each.abs().sum() > 0) for each in learned)
