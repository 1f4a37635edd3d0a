"""What is held, what is dropped, what is found again."""

import numpy as np

from sklar.encoders.feature_cache import MIB, FeatureCache


def test_the_least_recently_used_is_dropped_from_memory():
    width = MIB // 4 // 2  # two vectors a MiB
    cache = FeatureCache(1, None, width)
    vectors = {key: np.full(width, i, np.float32) for i, key in enumerate("abc")}
    cache.put("a", vectors["a"])
    cache.put("b", vectors["b"])
    assert cache.get("a") is vectors["a"]
    cache.put("c", vectors["c"])
    assert cache.get("b") is None
    assert cache.get("a") is vectors["a"]
    assert cache.get("c") is vectors["c"]
    assert cache.bytes == MIB
    cache.put("c", vectors["c"])
    assert cache.bytes == MIB


def test_files_of_another_kind_are_not_used(tmp_path):
    cache = FeatureCache(0, str(tmp_path), 3)
    for key, content in {
        "aa": np.zeros(3, np.float32), "bb": np.zeros(4, np.float32), "cc": np.zeros(3),
        "dd": np.float32([1, 2, np.nan]), "ee": np.array([None] * 3),
    }.items():  # fmt: skip
        (tmp_path / key).mkdir()
        np.save(tmp_path / key / f"{key}.npy", content, allow_pickle=True)
    (tmp_path / "ff").mkdir()
    (tmp_path / "ff/ff.npy").write_bytes(b"")
    found = {key: cache.get(key) is not None for key in ("aa", "bb", "cc", "dd", "ee", "ff", "gg")}
    assert found == {"aa": True} | dict.fromkeys(("bb", "cc", "dd", "ee", "ff", "gg"), False)
