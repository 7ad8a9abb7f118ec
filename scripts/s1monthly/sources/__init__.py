"""Sources of granules and how to open one; `contract` defines what they all promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from s1monthly.errors import SourceError
from s1monthly.sources.contract import Found, Source

__all__ = ["Found", "Source", "open_source"]


def _asf(**options: Any) -> Source:
    from s1monthly.sources.asf.source import AsfSource

    return AsfSource(**options)


def _local(**options: Any) -> Source:
    from s1monthly.sources.local import LocalSource

    return LocalSource(**options)


def _simulated(**options: Any) -> Source:
    from s1monthly.sources.simulated.source import SimulatedSource

    return SimulatedSource(**options)


_KINDS: Mapping[str, Callable[..., Source]] = {"asf": _asf, "local": _local, "simulated": _simulated}


def open_source(kind: str, **options: Any) -> Source:
    """Open a source of granules.

    Parameters
    ----------
    kind : str
        ``asf``, ``local`` or ``simulated``.
    options
        Arguments of `s1monthly.sources.asf.source.AsfSource`, `s1monthly.sources.local.LocalSource` or
        `s1monthly.sources.simulated.source.SimulatedSource`.

    Raises
    ------
    SourceError
        If there is no such source.
    """
    if kind not in _KINDS:
        raise SourceError(f"source.kind {kind}: there is no such source", f"use {', '.join(_KINDS)}")
    return _KINDS[kind](**options)
