import pytest
import torch

from sklar.copulas.patterns import Patterns


@pytest.mark.parametrize("width", [1, 5, 62, 63, 200])
def test_masks_of_any_width_are_told_apart(width):
    generator = torch.Generator().manual_seed(0)
    mask = (torch.rand(100, 3, generator=generator) < 0.5).repeat_interleave(-(-width // 3), 1)[:, :width]
    patterns = Patterns(mask, 1)
    assert torch.equal(patterns.masks[patterns.index], mask)
    distinct, counts = torch.unique(mask, dim=0, return_counts=True)
    assert len(patterns.masks) == len(distinct)
    assert sorted(patterns.counts.tolist()) == sorted(counts.tolist())
