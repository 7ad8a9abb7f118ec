"""Readers of a cube that know nothing of its writers: xarray and zarr, consolidated and not; and the product's own."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask.array  # noqa: F401  xarray's first read would load it, in every process that is forked from here
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from s1monthly.cube import months as cube
from s1monthly.cube.overviews import rounded
from s1monthly.errors import CubeError
from s1monthly.kernels.halving import halved

Months = dict[str, dict[str, NDArray[Any]]]
"""Month -> band or count -> values, for the months that are complete."""
Known = dict[str, list[dict[str, str]]]
"""Month -> the versions of its values that were ever written, as `fingerprint` gives them."""

UNTOUCHED = "2020-05"
"""Month that no change writes but those that write all."""


def by_xarray(path: Path, consolidated: bool) -> Months:
    """Open with xarray, and read every month whose status is 2."""
    with xr.open_zarr(path, consolidated=consolidated, chunks=None) as dataset:
        labels = [str(time)[:7] for time in dataset.time.values]
        bands = [name for name, array in dataset.data_vars.items() if array.dims == ("time", "y", "x")]
        complete = [slot for slot, status in enumerate(dataset.status.values) if status == 2]
        return {labels[slot]: {str(name): dataset[name][slot].values for name in bands} for slot in complete}


def by_zarr(path: Path, consolidated: bool) -> Months:
    """Open with zarr, and read every month whose status is 2."""
    group = zarr.open_group(path, mode="r", use_consolidated=consolidated)
    arrays = dict(group.arrays())
    labels = [str(day)[:7] for day in np.asarray(arrays["time"]).astype("datetime64[D]")]
    complete = [slot for slot, status in enumerate(np.asarray(arrays["status"])) if status == 2]
    bands = {name: array for name, array in arrays.items() if array.ndim == 3}
    return {labels[slot]: {name: np.asarray(array[slot]) for name, array in bands.items()} for slot in complete}


def by_cube(path: Path) -> Months:
    """Read the complete months with the product's own functions."""
    return {
        str(month): dict(cube.read_bands(path, month)) | {"count": cube.read_count(path, month)}
        for month in cube.state(path).complete
    }


def check_overviews(path: Path) -> None:
    """Demand that the overviews of every complete month are those of its values."""
    state = cube.state(path)
    for month, band in itertools.product(state.complete, state.bands):
        found, pool = cube.read_month(path, month, band), ThreadPoolExecutor(1)
        for factor in state.overviews:
            found = halved(found, pool)
            stored = cube.read_overview(path, month, band, factor)
            assert np.array_equal(stored, rounded(found), equal_nan=True), f"{month}: overview {factor} of {band}"


READERS: dict[str, Callable[[Path], Months]] = {
    "xarray": lambda path: by_xarray(path, True),
    "zarr": lambda path: by_zarr(path, True),
    "cube": by_cube,
    "xarray, unconsolidated": lambda path: by_xarray(path, False),
    "zarr, unconsolidated": lambda path: by_zarr(path, False),
}


def fingerprint(values: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """Digest of each array's bytes."""
    return {name: hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest() for name, array in values.items()}


def check(found: Months, known: Known, where: str) -> None:
    """Demand that each month has, in all its arrays, one of the versions that were written."""
    for month, values in found.items():
        prints = fingerprint(values).items()
        right = any(prints <= version.items() for version in known.get(month, []))
        assert right, f"{where}: {month} is complete and wrong, {sorted(values)}"


def look(path: Path, known: Known, unconsolidated: bool = True) -> set[str]:
    """Read a store at rest in every way, and return its complete months, on which all must agree."""
    seen = set()
    for name, read in READERS.items():
        if unconsolidated or "unconsolidated" not in name:
            found = read(path)
            check(found, known, name)
            seen.add(frozenset(found))
    check_overviews(path)
    assert len(seen) == 1, f"readers disagree on what is complete: {seen}"
    return set(seen.pop())


def identity(path: Path) -> tuple[Any, ...] | None:
    """What changes whenever the store does: the root, and the file of each status; None where there is no store."""
    try:
        files = [path / "zarr.json", *sorted((path / "status" / "c").glob("*"))]
        found = [file.stat() for file in files]
    except FileNotFoundError:
        return None
    return tuple((file.name, state.st_ino, state.st_mtime_ns) for file, state in zip(files, found, strict=True))


def watch(path: Path, known: Known, change: str, absent: Collection[str], stop: Path, tally: Path) -> None:
    """Open and read the store again and again, each time in another way, until a file `stop` is there.

    Where the store stayed as it was meanwhile, every complete month must be right. Where it did not, it must open all
    the same: a single file tells all of a consolidated store. Without it, arrays can be opened before and after the
    store's exchange, and not fit each other; then it must open at the next try.
    """
    polls = 0
    for name in itertools.cycle(READERS):
        before = identity(path)
        try:
            found = READERS[name](path)
        except (OSError, ValueError, KeyError, CubeError) as error:
            after = identity(path)
            moved = before != after
            gone = change in absent and (moved or before is None)
            mixed = moved and "unconsolidated" in name
            retried = moved and name == "cube" and isinstance(error, CubeError)
            one_by_one = change == "lengthen, poorly" and "unconsolidated" in name
            assert gone or mixed or retried or one_by_one, f"{change}: {name} could not read: {error!r}"
            found = {}
        else:
            if before == identity(path):
                check(found, known, f"{change}, {name}")
            elif change in ("write", "overwrite", "lengthen", "lengthen, poorly"):
                assert UNTOUCHED in found, f"{change}, {name}: {UNTOUCHED} was lost"
                check({UNTOUCHED: found[UNTOUCHED]}, known, f"{change}, {name}, meanwhile")
        polls += 1
        if stop.exists():
            break
    tally.write_text(str(polls))
