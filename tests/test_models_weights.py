from __future__ import annotations

import numpy as np
import pytest

from nstfilter.errors import ModelError
from nstfilter.models.weights import read_weights


def test_whole_numbers_are_multiplied_with_their_step(tmp_path):
    whole = np.array([[1, -2], [3, 4]], np.int8)
    np.savez(tmp_path / "w.npz", **{"a": whole, "a.step": np.array([0.5, 2], np.float16)})
    weights = read_weights(tmp_path / "w.npz", {"a": (2, 2)}, "small")
    assert weights["a"].tolist() == [[0.5, -1], [6, 8]]
    assert weights["a"].dtype == np.float32


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"b": np.zeros(2)}, "lack 'a'"),
        ({"a": np.zeros(3)}, r"'a' has shape \(3,\), expected \(2,\)"),
        ({"a": np.array([1, np.nan])}, "'a' holds NaN or infinity"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, arrays, problem):
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(ModelError, match=f"the small model's weights .*{problem}; reinstall nstfilter"):
        read_weights(tmp_path / "w.npz", {"a": (2,)}, "small")


def test_a_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "w.npz").write_bytes(b"PK not really")
    with pytest.raises(ModelError, match="cannot read the small model's weights"):
        read_weights(tmp_path / "w.npz", {}, "small")
