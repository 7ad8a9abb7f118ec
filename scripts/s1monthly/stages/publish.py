"""The pictures of a month, read back from its slot of the cube: its COG and its preview."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s1monthly.catalog.item import output_bands, processing_tags
from s1monthly.cube.months import read_checked
from s1monthly.errors import ProductError
from s1monthly.kernels.preview import shown_bands
from s1monthly.raster.cog import write_cog
from s1monthly.raster.writing import cog_tags, write_preview
from s1monthly.records.month import Record, verified


def write_pictures(
    record: Record,
    cube: str | Path,
    cog: str | Path | None,
    preview: str | Path | None,
    block_size: int = 512,
    threads: int = 1,
) -> str | None:
    """Write the COG and the preview of a month, each whole or not at all, two bands in memory at a time.

    A band is read and verified while the one before is compressed. The preview, whose three bands are kept, is drawn
    meanwhile.

    Parameters
    ----------
    record : Record
        Of the month; what the cube holds must be what it says.
    cube : path
    cog, preview : path or None
        None where it is not wanted.
    block_size : int
        Of the COG, pixels.
    threads : int
        Threads that compress the COG; the bytes do not depend on it.

    Returns
    -------
    str or None
        SHA-256 of the COG, where there is one.

    Raises
    ------
    CubeError
        If the month cannot be read, or its values are not those of the record's digest.
    ProductError
        If a band has more or fewer pixels than the record says, or a file cannot be written.
    """
    shown = shown_bands(record.polarization.layers)
    kept: dict[str, NDArray[np.float32]] = {}
    drawing: list[Future[None]] = []
    checksum = None
    with ExitStack() as stack:
        aside = stack.enter_context(ThreadPoolExecutor(1)) if preview else None

        def bands() -> Iterator[NDArray[np.float32]]:
            for name, values in _checked(record, cube, threads):
                if name in shown:
                    kept[name] = values
                yield values
            if aside and preview:  # not before every band is known to be right
                co, cross, ratio = (kept[name] for name in shown)
                drawing.append(aside.submit(write_preview, preview, co, cross, ratio, record.grid))

        if cog:
            labels, tags = output_bands(record), processing_tags(record)
            known = list(record.bands.values())
            made = write_cog(cog, _one_ahead(bands()), record.grid, labels, tags, block_size, threads, known)
            checksum = made.sha256
        elif preview:
            for _ in bands():
                continue
        for drawn in drawing:
            drawn.result()
    return checksum


def remove_stale(record: Record, cog: Path | None, preview: Path | None) -> list[Path]:
    """Remove pictures of a month that are no longer wanted, and may be of values that it had before.

    A COG that names the digest of the record's values stays. A preview does not say of what values it is.

    Parameters
    ----------
    record : Record
    cog, preview : Path or None
        Where one that is not wanted would lie; None for one that is wanted.

    Returns
    -------
    list of Path
        What was removed.

    Raises
    ------
    ProductError
        If one may not be removed.
    """
    stale = [path for path in (preview,) if path and path.exists()]
    if cog and cog.exists() and cog_tags(cog).get("DIGEST") != record.digest:
        stale.append(cog)
    for path in stale:
        try:
            path.unlink()
        except OSError as error:
            raise ProductError(
                f"{path}: no longer wanted (output.formats), and cannot be removed ({error})",
                "remove it, and run again",
            ) from error
    return stale


def _checked(record: Record, cube: str | Path, threads: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Read the bands of a month; fail after the last where one value is another than when the record was written.

    A band that lost or gained pixels is told at once, and by its name.
    """
    for name, values in read_checked(cube, record.key.month, record.digest, threads):
        if name not in record.bands or np.count_nonzero(np.isfinite(values)) != record.bands[name].valid:
            yield from verified(record, [(name, values)])
        yield name, values


def _one_ahead(values: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Give some values; the next is made in another thread while one is worked on."""
    with ThreadPoolExecutor(1) as aside:
        coming = aside.submit(next, values, None)
        while (value := coming.result()) is not None:
            coming = aside.submit(next, values, None)
            yield value
