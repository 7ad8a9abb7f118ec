"""The publish stage: write a month's COG and preview from its slot in the cube."""

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
from s1monthly.model import COG_BLOCK_SIZE, COG_COMPRESSION, CogCompression
from s1monthly.raster.cog import write_cog
from s1monthly.raster.geotiff import cog_tags
from s1monthly.raster.writing import side_file, write_preview
from s1monthly.records.month import Record


def write_pictures(
    record: Record,
    cube: str | Path,
    cog: str | Path | None,
    preview: str | Path | None,
    block_size: int = COG_BLOCK_SIZE,
    threads: int = 1,
    compression: CogCompression = COG_COMPRESSION,
) -> str | None:
    """Write the COG and the preview of a month, both atomically.

    Reads and verifies one band while compressing the one before, so two bands are in memory. Keeps the preview's
    three bands and draws it in another thread.

    Parameters
    ----------
    record : Record
        Record of the month; the cube must match it.
    cube : path
        Zarr store of the tile and direction.
    cog, preview : path or None
        Files to write; None for an unwanted file.
    block_size : int
        Side of the COG's blocks in pixels.
    threads : int
        Threads that read the cube and compress the COG. The bytes do not depend on it.
    compression : {'deflate', 'zstd'}
        Compression of the COG.

    Returns
    -------
    str or None
        SHA-256 of the COG, if one was written.

    Raises
    ------
    CubeError
        If the month cannot be read, or its values do not match the record's digest.
    ProductError
        If a file cannot be written.
    """
    shown = shown_bands(record.polarization.layers)
    shown_values: dict[str, NDArray[np.float32]] = {}
    drawing: list[Future[None]] = []
    checksum = None
    with ExitStack() as stack:
        thread = stack.enter_context(ThreadPoolExecutor(1)) if preview else None

        def bands() -> Iterator[NDArray[np.float32]]:
            for name, values in read_checked(cube, record.key.month, record.digest, threads):
                if thread and name in shown:
                    shown_values[name] = values
                if name in record.bands:  # if the cube has another one, its digest differs
                    yield values
            if thread and preview:  # only after every band is verified
                (co, cross), ratio = (shown_values[name] for name in shown[:2]), shown_values.get(shown[2])
                drawing.append(thread.submit(write_preview, preview, co, cross, ratio, record.grid))

        if cog:
            labels, tags = output_bands(record), processing_tags(record)
            options = block_size, threads, list(record.bands.values()), compression
            made = write_cog(cog, _one_ahead(bands()), record.grid, labels, tags, *options)
            checksum = made.sha256
        elif preview:
            for _ in bands():
                continue
        for drawn in drawing:
            drawn.result()
    return checksum


def remove_stale(record: Record, cog: Path | None, preview: Path | None) -> list[Path]:
    """Remove a month's unwanted COG and preview, which may show outdated values.

    A COG whose digest tag matches the record stays. A preview is always removed, because it has no digest; and with it
    its side file.

    Parameters
    ----------
    record : Record
        Record of the month.
    cog, preview : Path or None
        Path of an unwanted file, which may not exist; None for a wanted file.

    Returns
    -------
    list of Path
        Removed files.

    Raises
    ------
    ProductError
        If a file cannot be removed.
    """
    stale = [path for path in (preview, preview and side_file(preview)) if path and path.exists()]
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


def _one_ahead(values: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Yield the values; a thread computes the next one in the meantime."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, values, None)
        while (value := coming.result()) is not None:
            coming = thread.submit(next, values, None)
            yield value
