"""Check for missing or truncated chunk files of a month, by name and length, without decoding any."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s1monthly.kernels.bands import bands
from s1monthly.model import Polarization

_BLOSC_HEADER = 16
"""Bytes of the header of a Blosc chunk; the last four are the chunk's length (README_CHUNK_FORMAT)."""


def lost_chunks(
    store: Path, slot: int, names: tuple[str, ...], polarization: Polarization, count: NDArray[np.uint8]
) -> list[str]:
    """Return one line for each band of a month with missing or truncated chunks.

    Every core band has a value wherever the count is above 0, so the chunk must exist. Textures may lack a value beside
    empty pixels; if more than half of a chunk's pixels are valid, some have valid neighbours, so the chunk must exist.

    Parameters
    ----------
    slot : int
        Position of the month on the axis.
    count : array (rows, columns), uint8
        Count of passes of the month.
    """
    core, valid = {band.name for band in bands(*polarization.layers)}, count > 0

    @cache
    def needed(rows: int, columns: int, share: float) -> list[str]:
        return list(_needed(valid, rows, columns, share))

    faults = {name: _fault_of(store / name, slot, needed, 0.0 if name in core else 0.5) for name in names}
    return [f"{name}: {fault}" for name, fault in faults.items() if fault]


def _fault_of(array: Path, slot: int, needed: Callable[[int, int, float], list[str]], share: float) -> str | None:
    try:
        metadata = json.loads((array / "zarr.json").read_text(encoding="utf-8"))
        rows, columns = metadata["chunk_grid"]["configuration"]["chunk_shape"][1:]
        blosc = metadata["codecs"][-1]["name"] == "blosc"
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        return f"its zarr.json cannot be read ({type(error).__name__})"
    places, folder = needed(rows, columns, share), f"{array}/c/{slot}"
    lost = [place for place in places if not _is_whole(f"{folder}/{place}", blosc)]
    return f"{len(lost)} of {len(places)} chunks missing or cut short ({lost[0]})" if lost else None


def _needed(valid: NDArray[np.bool_], rows: int, columns: int, share: float) -> Iterator[str]:
    """Yield the names of the chunks whose share of valid pixels exceeds `share`."""
    for row, top in enumerate(range(0, valid.shape[0], rows)):
        for column, left in enumerate(range(0, valid.shape[1], columns)):
            pixels = valid[top : top + rows, left : left + columns]
            if np.count_nonzero(pixels) > share * pixels.size:
                yield f"{row}/{column}"


def _is_whole(path: str, blosc: bool) -> bool:
    try:
        size = os.stat(path).st_size
        if not blosc or size < _BLOSC_HEADER:
            return size > 0 and not blosc
        with open(path, "rb") as stream:
            return size == int.from_bytes(stream.read(_BLOSC_HEADER)[-4:], "little")
    except OSError:
        return False
