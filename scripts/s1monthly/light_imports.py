"""Keeps libraries from loading others that they take where they can, and do without: 0.1 to 0.3 s of every job."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_NOT_FOR = {"boto3": ("rasterio", "open"), "scipy.linalg": ("numba.np.arraymath", "_HAVE_BLAS")}
"""Who need not load a module (for S3 sessions; for matrix products), and a name of it that tells it is imported."""


class _Hiding:
    """First in Python's list of finders: says that a module is not there; to other threads too, while one imports."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        importer, last = _NOT_FOR.get(name, ("", ""))
        loading = sys.modules.get(importer)
        if name in self.names or (loading is not None and not hasattr(loading, last)):
            raise ModuleNotFoundError(f"{name} is left alone here", name=name)


_HIDING = _Hiding()


def install() -> None:
    """Hide what rasterio and numba need not load, while they are imported; it is there for everybody else."""
    if _HIDING not in sys.meta_path:
        sys.meta_path.insert(0, _HIDING)


@contextmanager
def without(name: str) -> Iterator[None]:
    """Hide a module from whoever would load it meanwhile; one that is loaded already stays."""
    _HIDING.names.add(name)
    try:
        yield
    finally:
        _HIDING.names.discard(name)
