import pytest
import torch

from sklar.copulas.whitening import invert, whiten


def matrices():
    root = torch.randn(3, 2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return root @ root.mT


def test_inverse_factor_and_determinant():
    matrix = matrices()
    inverse, log_det = whiten(matrix)
    assert torch.allclose(inverse, torch.linalg.inv(torch.linalg.cholesky(matrix)), atol=1e-10)
    assert torch.allclose(2 * log_det, torch.linalg.slogdet(matrix).logabsdet)
    again, half = invert(matrix)
    assert torch.allclose(again, torch.linalg.inv(matrix), atol=1e-10)
    assert torch.equal(half, log_det)


@pytest.mark.parametrize("function", [whiten, invert])
def test_their_gradients_are_right_also_the_second(function):
    matrix = matrices()[0].requires_grad_()

    def symmetric(x):
        return function(0.5 * (x + x.mT))

    assert torch.autograd.gradcheck(symmetric, (matrix,))
    assert torch.autograd.gradgradcheck(symmetric, (matrix,))
