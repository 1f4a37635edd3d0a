import numpy as np
import pytest
import torch

from sklar.marginals.alignment import Alignment, canonical_alignment, whitening


def test_undo_and_log_determinant():
    generator = torch.Generator().manual_seed(0)
    alignment = Alignment(3).double()
    alignment.assign(torch.randn(3, generator=generator), torch.randn(3, 3, generator=generator).double())
    z = torch.randn(10, 3, dtype=torch.float64, generator=generator)
    assert torch.allclose(alignment.undo(alignment(z)), z, atol=1e-12)
    jacobian = torch.autograd.functional.jacobian(alignment, z[0])
    assert torch.allclose(alignment.log_abs_det, jacobian.det().abs().log())


def test_whitening_leaves_no_correlation():
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(4, 4, dtype=torch.float64, generator=generator) * torch.tensor([1e6, 1.0, 1.0, 1e-3])[:, None]
    z = torch.randn(1_000_000, 4, dtype=torch.float64, generator=generator) @ root.T + torch.tensor([5e5, 5, 5, 5e-4])
    white = (z - z.mean(0)) @ whitening(z).T
    assert torch.allclose(white.T @ white / len(z), torch.eye(4).double(), atol=1e-3)


@pytest.mark.parametrize("widths", [(4, 4), (3, 5)])
def test_two_modalities_get_their_canonical_correlations(widths):
    rng = np.random.default_rng(0)
    n, k = 5000, min(widths)
    a, b = (rng.normal(size=(n, d)) for d in widths)
    b[:, :k] = 0.8 * a[:, :k] * np.linspace(1, 0.3, k) + b[:, :k]
    # Rotated and rescaled; a worse conditioned map would show the regularisation.
    a, b = (x @ np.linalg.qr(rng.normal(size=(x.shape[1],) * 2))[0] * rng.uniform(0.1, 10, x.shape[1]) for x in (a, b))
    # Hotelling (1936): singular values of the cross product of orthonormal bases of the two centred column spaces.
    bases = [np.linalg.qr(x - x.mean(0))[0] for x in (a, b)]
    expected = np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)[:k]
    embeddings = [torch.from_numpy(x) for x in (a, b)]
    maps = canonical_alignment(embeddings, torch.ones(n, 2, dtype=torch.bool))
    e = [((z - shift) @ matrix.T)[:, :k].numpy() for z, (shift, matrix) in zip(embeddings, maps, strict=True)]
    found = np.corrcoef(e[0].T, e[1].T)[:k, k:]
    assert np.allclose(np.sort(np.abs(found.diagonal()))[::-1], expected, atol=0.01)
    assert np.abs(found - np.diag(found.diagonal())).max() < 0.02


def test_a_loaded_map_is_used():
    fitted, loaded, fresh = (Alignment(2) for _ in range(3))
    fitted.assign(torch.tensor([1.0, 2.0]), torch.tensor([[2.0, 1.0], [0.0, 1.0]]))
    loaded.load_state_dict(fitted.state_dict())
    z = torch.tensor([[3.0, 4.0]])
    assert torch.equal(loaded(z), torch.tensor([[6.0, 2.0]]))
    assert torch.equal(loaded.undo(loaded(z)), z)
    loaded.load_state_dict(fresh.state_dict())
    assert torch.equal(loaded(z), z)
