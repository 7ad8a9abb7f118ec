"""The publish stage: write a month's COGs and preview from its slot in the cube."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.catalog.lineage import output_bands, processing_tags
from s1monthly.cube.months import read_checked
from s1monthly.errors import ProductError
from s1monthly.kernels.preview import shown_bands
from s1monthly.layout import DERIVED_PATTERN, Layout, is_cog, is_derived
from s1monthly.model import COG_BLOCK_SIZE, COG_COMPRESSION, CogCompression
from s1monthly.raster.cog import write_cog
from s1monthly.raster.geotiff import cog_tags
from s1monthly.raster.writing import side_file, write_preview, writing
from s1monthly.records.month import Record
from s1monthly.stages.derived import quality_bands, write_derived


def write_pictures(
    record: Record,
    cube: str | Path,
    pictures: Mapping[str, str | Path],
    block_size: int = COG_BLOCK_SIZE,
    threads: int = 1,
    compression: CogCompression = COG_COMPRESSION,
) -> dict[str, str]:
    """Write the COGs and the preview of a month: all of them, or none if the cube does not fit the record.

    Reads and verifies one band while compressing the one before, so two bands are in memory. Keeps the preview's
    three bands and draws it in another thread.

    Parameters
    ----------
    record : Record
        Record of the month; the cube must match it.
    cube : path
        Zarr store of the tile and direction.
    pictures : mapping of str to path
        Files to write: ``preview``; ``cog`` or the names of bands, each for a COG of its own; and further COGs, see
        `derived`.
    block_size : int
        Side of the COG's blocks in pixels.
    threads : int
        Threads that read the cube and compress the COG. The bytes do not depend on it.
    compression : {'deflate', 'zstd'}
        Compression of the COGs.

    Returns
    -------
    dict of str to str
        SHA-256 of each COG, by the keys of `pictures`.

    Raises
    ------
    CubeError
        If the month cannot be read, or its values do not match the record's digest.
    ProductError
        If a file cannot be written.
    """
    shown, preview = shown_bands(record.polarization.layers), pictures.get("preview")
    shown_values: dict[str, NDArray[Any]] = {}
    further = list(filter(is_derived, pictures))
    drawing: dict[str, Future[Any]] = {}
    checksums: dict[str, str] = {}
    with ExitStack() as stack:
        thread = stack.enter_context(ThreadPoolExecutor(1)) if preview or further else None

        def bands() -> Iterator[NDArray[np.float32]]:
            for name, values in read_checked(cube, record.key.month, record.digest, threads):
                if thread and name in shown:
                    shown_values[name] = values
                if name in record.bands:  # if the cube has another one, its digest differs
                    yield values
            if not thread:
                return
            if preview:  # only after every band is verified
                (co, cross), ratio = (shown_values[name] for name in shown[:2]), shown_values.get(shown[2])
                drawing["preview"] = thread.submit(write_preview, preview, co, cross, ratio, record.grid)
            extra = quality_bands(cube, record.key.month) if "quality" in further else {}
            for kind in further:
                given = pictures[kind], record, kind, shown_values | extra, *options, compression
                drawing[kind] = thread.submit(write_derived, *given)

        described, tags = output_bands(record), processing_tags(record)
        options = block_size, threads
        if "cog" in pictures:
            known = list(record.bands.values())
            made = write_cog(
                pictures["cog"], _one_ahead(bands()), record.grid, described, tags, *options, known, compression
            )
            checksums["cog"] = made.sha256
        elif any(map(is_cog, pictures)):
            for band, values in zip(described, _one_ahead(bands()), strict=True):
                path = stack.enter_context(writing(pictures[band.name]))  # put in place when all bands are verified
                known = [record.bands[band.name]]
                made = write_cog(path, [values], record.grid, [band], tags, *options, known, compression)
                checksums[band.name] = made.sha256
        elif thread:
            for _ in bands():
                continue
        results = {kind: drawn.result() for kind, drawn in drawing.items()}
        checksums |= {kind: results[kind] for kind in further}
    return checksums


def remove_stale(record: Record, place: Layout, wanted: Collection[str]) -> list[Path]:
    """Remove a month's unwanted COGs, preview and assessment, which may show outdated values.

    A COG whose digest tag matches the record stays, unless others take its place (output.cog_layout). A preview is
    always removed, because it has no digest; and with it its side file.

    Parameters
    ----------
    record : Record
        Record of the month.
    place : Layout
        Layout of the month.
    wanted : collection of str
        Wanted files, as in `write_pictures`.

    Returns
    -------
    list of Path
        Removed files.

    Raises
    ------
    ProductError
        If a file cannot be removed.
    """
    preview = Path(place.preview)
    stale = [] if "preview" in wanted else [path for path in (preview, side_file(preview)) if path.exists()]
    replaced = any(map(is_cog, wanted))
    for kind, path in (place.existing_cogs() | place.existing_cogs(DERIVED_PATTERN)).items():
        other = is_cog(kind) and replaced
        if kind not in wanted and (other or cog_tags(path).get("DIGEST") != record.digest):
            stale.append(path)
    assessment = Path(place.ceos_ard)
    stale += [assessment] if "ceos_ard" not in wanted and assessment.exists() else []
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
