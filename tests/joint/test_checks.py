import numpy as np
import pytest
import torch

import sklar
from sklar.joint import Joint, marginalize

WIDTHS = {"a": 2, "b": 3}
FINE = {"a": np.ones((4, 2)) * np.arange(4)[:, None], "b": np.ones((4, 3)) * np.arange(4)[::-1, None] ** 2}
SEEN = np.ones((4, 2), dtype=bool)


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


CALLS = {
    "log_prob": lambda z, observed: Joint(WIDTHS).log_prob(z, observed),
    "impute": lambda z, observed: Joint(WIDTHS).impute(z, observed),
    "marginalize": lambda z, observed: marginalize(lambda z: z["a"][:, 0], Joint(WIDTHS), 2)(z, observed),
    "calibrate": lambda z, observed: marginalize(lambda z: z["a"], Joint(WIDTHS), 2).calibrate(
        z, np.zeros(4), observed
    ),
}


@pytest.mark.parametrize("call", list(CALLS.values()), ids=list(CALLS))
@pytest.mark.parametrize(
    ("z", "observed", "error", "message"),
    [
        ({**FINE, "b": FINE["b"][:, :2]}, SEEN, ValueError, r"'b': expected shape \(4, 3\), got \(4, 2\)"),
        ({**FINE, "b": FINE["b"][:3]}, SEEN, ValueError, r"'b': expected shape"),
        ({**FINE, "x": FINE["a"]}, SEEN, KeyError, "unknown modality 'x'.*'a', 'b'"),
        ({"a": FINE["a"]}, SEEN, KeyError, "z has no 'b'"),
        ({}, SEEN, ValueError, "no embeddings given"),
        (FINE, changed(SEEN, 2, False), ValueError, "row 2"),
        (FINE, SEEN.astype(int), TypeError, "boolean"),
        (FINE, SEEN[:, :1], ValueError, r"\(4, 2\).*\(4, 1\)"),
        ({**FINE, "a": changed(FINE["a"], (3, 1), np.nan)}, SEEN, ValueError, "'a', row 3: NaN"),
        ({**FINE, "b": changed(FINE["b"], (1, 0), np.inf)}, SEEN, ValueError, "'b', row 1: NaN or infinity"),
    ],
)
def test_what_is_wrong_is_named(call, z, observed, error, message):
    with pytest.raises(error, match=message):
        call(z, observed)


@pytest.mark.parametrize(
    ("z", "observed", "settings", "error", "message"),
    [
        ({**FINE, "b": np.ones(4)}, None, {}, ValueError, "'b': embeddings must be"),
        ({**FINE, "b": FINE["b"][:3]}, None, {}, ValueError, "'b': expected shape"),
        (FINE, changed(SEEN, (slice(1, None), 1), False), {}, ValueError, "'b' is observed in fewer than two rows"),
        (FINE, changed(SEEN, 2, False), {}, ValueError, "row 2"),
        (FINE, SEEN.astype(float), {}, TypeError, "boolean"),
        ({**FINE, "a": changed(FINE["a"], (0, 0), np.nan)}, SEEN, {}, ValueError, "'a', row 0: NaN"),
        (FINE, SEEN, {"copula": "clayton"}, ValueError, "unknown copula 'clayton'.*gaussian"),
        (FINE, SEEN, {"marginal": "kernel"}, ValueError, "unknown marginal 'kernel'.*mixture"),
        (FINE, SEEN, {"coupling": "none"}, ValueError, "unknown coupling 'none'.*paired"),
        (FINE, SEEN, {"components": 0}, ValueError, "components=0"),
        ({}, None, {}, ValueError, "at least one modality"),
    ],
)
def test_fit_names_what_is_wrong(z, observed, settings, error, message):
    with pytest.raises(error, match=message):
        sklar.Joint.fit(z, observed, **settings)


@pytest.mark.parametrize(
    ("z", "pair", "error", "message"),
    [
        (FINE, ("a", "x"), KeyError, "unknown modality 'x'"),
        ({"a": FINE["a"]}, ("a", "b"), KeyError, "unknown modality 'b'"),
        (FINE, ("a", "a"), ValueError, "'a' twice"),
        ({**FINE, "b": FINE["b"][:3]}, ("a", "b"), ValueError, "'a' has 4 rows, 'b' has 3.*pairwise"),
    ],
)
def test_match_names_what_is_wrong(z, pair, error, message):
    with pytest.raises(error, match=message):
        Joint(WIDTHS).match(z, *pair)


def test_modalities_never_seen_together_are_warned_about():
    rng = np.random.default_rng(0)
    observed = np.arange(20)[:, None] % 2 == np.arange(2)
    with pytest.warns(UserWarning, match="'a' and 'b' are observed together in 0 rows"):
        sklar.Joint.fit({"a": rng.normal(size=(20, 2)), "b": rng.normal(size=(20, 2))}, observed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_fit_has_the_dtype_of_the_embeddings_and_is_frozen(dtype):
    z = {name: torch.randn(30, d, dtype=dtype) for name, d in WIDTHS.items()}
    joint = sklar.Joint.fit(z)
    assert joint.log_prob(z).dtype == dtype
    assert not any(parameter.requires_grad for parameter in joint.parameters())
