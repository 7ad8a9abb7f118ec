"""Sources of granules and how to open one; `contract` defines what they all promise."""

from __future__ import annotations

from typing import Any

from s1monthly.errors import SourceError
from s1monthly.sources.contract import Source

__all__ = ["Source", "open_source"]


def open_source(kind: str, **options: Any) -> Source:
    """Open a source of granules.

    Parameters
    ----------
    kind : str
        ``asf``, ``local``, ``grd`` or ``simulated``.
    options
        Arguments of `s1monthly.sources.asf.source.AsfSource`, `s1monthly.sources.local.LocalSource`,
        `s1monthly.sources.grd.source.GrdSource` or `s1monthly.sources.simulated.source.SimulatedSource`.

    Raises
    ------
    SourceError
        If there is no such source.
    """
    if kind == "asf":
        from s1monthly.sources.asf.source import AsfSource

        return AsfSource(**options)
    if kind == "local":
        from s1monthly.sources.local import LocalSource

        return LocalSource(**options)
    if kind == "grd":
        from s1monthly.sources.grd.source import GrdSource

        return GrdSource(**options)
    if kind == "simulated":
        from s1monthly.sources.simulated.source import SimulatedSource

        return SimulatedSource(**options)
    raise SourceError(f"source.kind {kind}: there is no such source", "give one that config/README.md lists")
