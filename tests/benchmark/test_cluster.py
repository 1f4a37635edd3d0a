"""Jobs on Ray."""

import pytest

from sklar.benchmark.cluster import on_ray
from sklar.training.schedule import seed_of


@pytest.mark.parametrize("processes", [None, 1])
def test_every_job_comes_back_with_its_result(processes):
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'sklar[cluster]'")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        found = dict(on_ray(seed_of, range(5), processes))
    finally:
        ray.shutdown()
    assert found == {k: seed_of(k) for k in range(5)}


def test_without_ray_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'sklar\[cluster\]'"):
        next(on_ray(seed_of, [1]))
