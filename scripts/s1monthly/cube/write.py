"""Write a month into a cube.

A month is written in two steps. First its chunks are written to a staging folder beside the store, without any lock, so
that several months can be written at once. Then, under the cube's lock and within milliseconds, the slot's status
becomes 1 (being written), the chunks are exchanged with the slot's old ones, and the status becomes 2 (complete).

Bad input, a full disk or a kill before the second step leave the cube exactly as it was, and so does an error in the
second step. A kill in the second step leaves status 1; writing the month again repairs it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.cube.chunks import chunk_form, write_rows, write_shard
from s1monthly.cube.digest import canonical, digest_of
from s1monthly.cube.header import COUNT, MASK, STATUS, Header, existing_header, level_path
from s1monthly.cube.months import Count, Values, slot_digest
from s1monthly.cube.overviews import rounded
from s1monthly.cube.transaction import cube_errors, flush, locked, mark_complete, replace_slot, stage_status, staging
from s1monthly.errors import CubeError
from s1monthly.kernels.halving import halved
from s1monthly.model import Month


def write_month(
    path: str | Path,
    month: Month,
    values: Mapping[str, Values] | Iterable[tuple[str, Values]],
    count: Count,
    recipe: Mapping[str, Any] | None = None,
    threads: int = 1,
    mask: Count | None = None,
) -> str:
    """Write a month into its slot, replace what the slot held, and return its digest as `month_digest` computes it.

    A cube with overviews gets those of the month in the same step.

    Parameters
    ----------
    path : path
        The store, created by `prepare`.
    month : Month
        Month to write.
    values : mapping, or iterable of (band name, array)
        Every band of the cube once, in any order: float32, (rows, columns), NaN for no data. With an iterable, only two
        arrays are in memory: the one that is written and the next. Do not change an array after handing it over.
    count : array
        Number of passes with a valid value, uint8, (rows, columns).
    recipe : mapping, optional
        How the values were made. The month is refused if the cube was started anew with another recipe in the meantime.
    threads : int
        `threads` + 1 chunks are compressed, hashed or flushed at a time; the bytes do not depend on it.
    mask : array, optional
        Classes of pixels, uint8, (rows, columns); needed by a cube with them, and by no other.

    Raises
    ------
    CubeError
        If the month has no slot, a band is missing, unknown or repeated, an array has the wrong shape or type, the cube
        was started anew in the meantime, or the disk reports an error. The slot then stays as it was.
    """
    path = Path(path)
    header = existing_header(path)
    label, shape = f"cube {path}, month {month}", header.geobox.shape
    if recipe is not None and header.description["recipe"] != recipe:
        raise CubeError(
            f"{label}: the cube has another recipe than these values",
            "another run started it anew: give each configuration its own base_dir, and run again",
        )
    header.slot(month)
    whole = {COUNT: count} | ({} if mask is None else {MASK: mask})
    for name, pixels in whole.items():
        _check_array(label, name, pixels, shape, np.dtype("uint8"))
    if (MASK in whole) != header.has_mask:
        raise CubeError(
            f"{label}: {'no classes of pixels for a cube with them' if header.has_mask else 'a cube without classes'}",
            "report this: it is a fault of the software",
        )
    writing = f"writing {month}"
    hashes: dict[str, Future[str]] = {}
    with (
        staging(path, str(month)) as folder,
        ThreadPoolExecutor(threads + 1) as pool,
        ThreadPoolExecutor(1) as stager,
    ):
        flushed = []

        def stage(name: str, array: NDArray[Any]) -> str:
            digest = _stage(header, folder, name, array, pool)
            flushed.append(pool.submit(flush, folder / name))
            if name not in whole:
                for path in _stage_overviews(header, folder, name, array, pool):
                    flushed.append(pool.submit(flush, path))
            return digest

        # the next band is computed while this one is written
        for name, array in values.items() if isinstance(values, Mapping) else values:
            if name in hashes:
                raise CubeError(f"{label}: band {name} was given twice", "give every band once")
            header.check_bands({*header.bands, name}, month)
            _check_array(label, name, array, shape, np.dtype("float32"))
            with cube_errors(path, writing):
                for earlier in hashes.values():
                    earlier.result()
            hashes[name] = stager.submit(stage, name, array)
            del array
        header.check_bands(hashes, month)
        with cube_errors(path, writing):
            hashes |= {name: stager.submit(stage, name, pixels) for name, pixels in whole.items()}
            stage_status(folder)
            digest = digest_of(header, month, {name: result.result() for name, result in hashes.items()})
            flushed.append(pool.submit(flush, folder / STATUS))
            for result in flushed:
                result.result()
            with locked(path):
                now = existing_header(path)
                if (now.description, now.decoding) != (header.description, header.decoding):
                    raise CubeError(
                        f"{label}: the cube was started anew, or given bands, in the meantime", "run the workflow again"
                    )
                replace_slot(path, folder, now.slot_arrays, now.slot(month))
    return digest


def _check_array(label: str, name: str, array: NDArray[Any], shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise CubeError(
            f"{label}: {name} is {array.dtype} of shape {array.shape}",
            f"give {dtype} of shape {shape}, as the cube has it",
        )


def _stage(header: Header, folder: Path, name: str, array: NDArray[Any], pool: Executor) -> str:
    """Write the chunks of one array into the staging folder; return the hash of its values."""
    form = chunk_form(header, name)
    (folder / name / "c").mkdir(parents=True)
    digest = hashlib.sha256()
    running: list[Future[None]] = []
    for row in range(0, array.shape[0], form.chunk[0]):
        block = canonical(array[row : row + form.chunk[0]])
        for job in running:
            job.result()
        running = [pool.submit(digest.update, block.data), *write_rows(folder / name, form, 0, row, block, pool)]
    for job in running:
        job.result()
    return digest.hexdigest()


def _stage_overviews(header: Header, folder: Path, name: str, values: Values, pool: Executor) -> Iterator[Path]:
    """Write the chunks of a band's overviews into the staging folder; yield the folder of each."""
    for factor in header.overviews:
        values = halved(values, pool)
        path = folder / level_path(factor, name)
        (path / "c").mkdir(parents=True)
        write_shard(path, chunk_form(header, level_path(factor, name)), 0, rounded(values), pool)
        yield path


def complete_again(path: str | Path, month: Month, digests: Collection[str]) -> bool:
    """Mark a month as complete again if its status was lost but its values are intact.

    Returns False if the slot holds other values, that is, if their digest is not in `digests`: the digests of its
    record or of what was made from it.

    Raises
    ------
    CubeError
        If the slot cannot be read, or the disk reports an error.
    """
    path = Path(path)
    with cube_errors(path, f"marking {month} as complete"), staging(path, str(month)) as folder, locked(path):
        if slot_digest(path, month) not in digests:
            return False
        stage_status(folder)
        flush(folder / STATUS)
        mark_complete(path, folder, existing_header(path).slot(month))
    return True
