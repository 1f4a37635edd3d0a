import numpy as np
import pytest

from sklar.clinical.counts import check_counts, pattern_counts

OBSERVED = np.array([[1, 1], [1, 0], [1, 0], [1, 1], [1, 1], [0, 1], [1, 1], [1, 1]], dtype=bool)


def test_patterns_are_counted():
    found = pattern_counts(["x", "y"], OBSERVED)
    assert found == {"% without x": 12.5, "% without y": 25.0, "patterns": 3, "% complete": 62.5}


def test_percentages_are_compared_at_one_decimal_half_up():
    note = check_counts("it", {"% x": 1.55, "n": 7}, {"% x": 1.6}, judged=True)
    assert note == {"judged": True, "found": {"% x": 1.6, "n": 7}, "published": {"% x": 1.6}}


def test_a_difference_is_an_error_in_the_full_release_only():
    published = {"% x": 1.5, "n": 7}
    with pytest.raises(ValueError, match=r"it has .*% x: 1.6 here, 1.5 published; n: 8 here, 7 published"):
        check_counts("it", {"% x": 1.55, "n": 8}, published, judged=True)
    assert check_counts("it", {"% x": 1.55, "n": 8}, published, judged=False)["judged"] is False
