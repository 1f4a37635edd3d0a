"""Functions of the same tensors computed once within a scope."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")


class _Scope(threading.local):
    results: dict[Any, Any] | None = None


_scope = _Scope()


@contextmanager
def remembering() -> Iterator[None]:
    """Inside, a `remembered` function of the very same tensor objects is computed once.

    For a density and its h-functions, which share their arguments' tails. The results are forgotten at the end.
    """
    outer, _scope.results = _scope.results, {}
    try:
        yield
    finally:
        _scope.results = outer


def remembered(function: Callable[..., Result]) -> Callable[..., Result]:
    """A function of tensors whose results `remembering` keeps."""

    @wraps(function)
    def call(*tensors: Tensor) -> Result:
        results = None if torch.compiler.is_compiling() else _scope.results
        if results is None:
            return function(*tensors)
        key = (function, torch.is_grad_enabled(), *map(id, tensors))
        if key not in results:
            results[key] = (function(*tensors), tensors)  # the tensors stay alive, so that their ids stay theirs
        result: Result = results[key][0]
        return result

    return call
