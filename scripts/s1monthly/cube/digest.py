"""The digest of a month: a hash of its values that does not depend on chunks, compression or position on the axis."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.cube.header import Header
from s1monthly.kernels.bands import NODATA
from s1monthly.model import Month

_NAN_BITS = 0x7FC00000
_ROWS = 1024
"""Rows hashed at a time."""


def canonical(block: NDArray[Any]) -> NDArray[Any]:
    """Convert values to the bytes that are hashed: little-endian, C order, one bit pattern for NaN (0x7FC00000).

    Takes float32 or uint8, and returns the input itself if nothing had to be changed, else a copy.
    """
    same = np.ascontiguousarray(block, block.dtype.newbyteorder("<"))
    if same.dtype.kind == "f":
        absent = np.isnan(same)
        if np.count_nonzero(absent) != np.count_nonzero(same.view("<u4") == _NAN_BITS):
            same = np.where(absent, np.float32(NODATA), same)
    return same


def hash_values(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's `canonical` values, row by row, hexadecimal."""
    digest = hashlib.sha256()
    for row in range(0, array.shape[0], _ROWS):
        digest.update(canonical(array[row : row + _ROWS]).data)
    return digest.hexdigest()


def digest_of(header: Header, month: Month, hashes: Mapping[str, str]) -> str:
    """Combine the hashes of a month's arrays into its digest; see `cube.months.month_digest`.

    Parameters
    ----------
    hashes : mapping of str to str
        Band name or ``count`` -> `hash_values` of its values.
    """
    content = {key: header.description[key] for key in ("tile", "direction", "grid")}
    content |= {"month": str(month), "sha256": {name: hashes[name] for name in header.data_arrays}}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
