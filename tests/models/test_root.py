"""A root of several joints: started apart, on the clusters of the embeddings."""

import pytest
import torch

from sklar.joint import Joint, JointMixture
from sklar.models.root import make_root, start_root


@pytest.mark.parametrize("marginal", ["normal", "independent", "mixture"])
def test_the_joints_start_on_the_clusters(marginal):
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(300) % 3
    centres = 8 * torch.randn(3, 2, 2, generator=generator)
    z = {name: centres[label, m] + 0.3 * torch.randn(300, 2, generator=generator) for m, name in enumerate("ab")}
    observed = torch.ones(300, 2).bool()
    observed[::7, 1] = False
    z["b"][::7] = torch.nan
    z["b"].nan_to_num_(0.0)
    root = make_root(3, lambda: Joint({"a": 2, "b": 2}, marginal, components=2))
    start_root(root, z, observed, generator)
    assert isinstance(root, JointMixture)
    assert torch.allclose(root.logits.exp(), torch.full((3,), 1 / 3), atol=0.01)
    found = root.responsibilities(z, observed).argmax(-1)
    assert all(len(found[label == k].unique()) == 1 for k in range(3))  # each cluster has a joint of its own
    assert len(found.unique()) == 3


def test_one_joint_is_no_mixture_and_none_is_refused():
    assert isinstance(make_root(1, lambda: Joint({"a": 2})), Joint)
    with pytest.raises(ValueError, match="root=0"):
        make_root(0, lambda: Joint({"a": 2}))
