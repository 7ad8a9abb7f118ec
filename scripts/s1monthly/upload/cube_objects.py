"""What a cube publishes: chunks of complete months first, then metadata, its root, and the months' statuses last.

A month that is replaced has status 1 in the published cube until all its chunks are there, as in the cube itself. A
chunk that only held the fill value has no file; if an older one was published, a chunk of fill values is put over it,
because nothing is deleted. If slots mean something else than before (an axis that begins earlier, other chunks), every
slot of a month that is not complete is emptied in this way.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from s1monthly.cube.header import STATUS, Header, Status
from s1monthly.cube.layout import COORDINATES
from s1monthly.model import Month
from s1monthly.upload.manifest import Entry
from s1monthly.upload.storage import CHUNK, media_type
from s1monthly.upload.transfer import Upload

DATA, METADATA, ROOT, STATUSES, STATIC_ITEMS, ITEMS, TABLES = range(1, 8)
"""Phases of an upload, in order."""

METADATA_NAME = "zarr.json"
_OF_SLOT = re.compile(r"(?P<array>.+)/c/(?P<slot>\d+)(?:/.+)?")


def files_below(folder: str | Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield relative path and entry of every file below a folder; hidden ones, and a missing folder, have none."""
    pending = [("", str(folder))]
    while pending:
        above, path = pending.pop()
        try:
            found = os.scandir(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        with found:
            for entry in found:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    pending.append((f"{above}{entry.name}/", entry.path))
                else:
                    yield f"{above}{entry.name}", entry


def file_upload(path: str, entry: os.DirEntry[str], phase: int, kind: str = "") -> Upload:
    """Return the upload of a local file as it is."""
    found = entry.stat()
    return Upload(path, phase, kind or media_type(path), entry.path, None, found.st_size, found.st_mtime_ns)


def frame(header: Header) -> str:
    """Return a digest of what decides where a month lies in a cube, and how its chunks are decoded."""
    facts = [str(header.first), header.description["grid"], header.decoding]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def cube_uploads(
    header: Header, path: str, complete: Collection[Month], published: Collection[str], same_frame: bool
) -> list[Upload]:
    """Return everything that is to lie in a published cube, but for months that stay as they were published.

    Parameters
    ----------
    path : str
        Of the cube below the prefix.
    complete : collection of Month
        Months to publish.
    published : collection of str
        Objects that exist, or may exist.
    same_frame : bool
        True if slots of the published cube mean the same as those of the local one.
    """
    uploads = [*_metadata(header, path)]
    slots = sorted(map(header.slot, complete))
    for name in header.slot_arrays:
        local = f"{header.path}/{name}/c"
        for slot in slots:
            for key, entry in files_below(f"{local}/{slot}"):
                uploads.append(file_upload(f"{path}/{name}/c/{slot}/{key}", entry, DATA, CHUNK))
    for slot in slots:
        uploads.append(_status(path, slot, Status.COMPLETE, STATUSES))
    there = {upload.path for upload in uploads}
    arrays = {f"{path}/{name}" for name in header.slot_arrays}
    for one, slot in _slot_objects(path, published):
        if one in there or (same_frame and slot not in slots):
            continue
        array = one[: one.index("/c/")]
        if array == f"{path}/{STATUS}":
            uploads.append(_status(path, slot, Status.EMPTY, STATUSES))
        elif array in arrays:
            name = array.removeprefix(f"{path}/")
            uploads.append(Upload(one, DATA, CHUNK, content=fill_chunk(json.dumps(header.arrays[name]))))
    return uploads


def month_of_object(header: Header, path: str, one: str) -> Month | None:
    """Return the month of a chunk or status in a published cube; None for another object, or outside the axis."""
    for _, slot in _slot_objects(path, [one]):
        return header.first.shift(slot) if slot < header.slots else None
    return None


def slots_in_work(path: str, changed: Collection[Upload]) -> list[Upload]:
    """Return status 1 for every slot of which a chunk is about to be written."""
    slots = {slot for _, slot in _slot_objects(path, [upload.path for upload in changed if upload.phase == DATA])}
    return [_status(path, slot, Status.BEING_WRITTEN, 0) for slot in sorted(slots)]


def lost_chunks(header: Header, path: str, slot: int, published: Mapping[str, Entry]) -> list[str]:
    """Return the published chunks of a slot whose file is gone; chunks of fill values never had one."""
    mine = (one for one, number in _slot_objects(path, published) if number == slot and published[one].mtime_ns)
    return [one for one in mine if not (header.path / one.removeprefix(f"{path}/")).exists()]


def _status(path: str, slot: int, status: Status, phase: int) -> Upload:
    return Upload(f"{path}/{STATUS}/c/{slot}", phase, CHUNK, content=bytes([status]))


def _slot_objects(path: str, objects: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Yield the chunks and statuses of months among some objects, each with its slot."""
    for one in objects:
        match = _OF_SLOT.fullmatch(one.removeprefix(f"{path}/")) if one.startswith(f"{path}/") else None
        if match and match["array"].rpartition("/")[2] not in COORDINATES:
            yield one, int(match["slot"])


def _metadata(header: Header, path: str) -> Iterator[Upload]:
    """Yield metadata and coordinates."""
    for name in header.arrays:
        if name.rpartition("/")[2] in COORDINATES:
            for key, entry in files_below(header.path / name / "c"):
                yield file_upload(f"{path}/{name}/c/{key}", entry, METADATA)
    for node in [METADATA_NAME, *(f"{name}/{METADATA_NAME}" for name in header.arrays)]:
        file = header.path / node
        found, phase = file.stat(), ROOT if node == METADATA_NAME else METADATA
        yield Upload(f"{path}/{node}", phase, media_type(node), str(file), None, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=64)
def fill_chunk(metadata: str) -> bytes:
    """Return a chunk of an array that holds only the fill value.

    Parameters
    ----------
    metadata : str
        Content of the array's ``zarr.json``.
    """
    import zarr  # here, since it takes 0.2 s and is seldom needed

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, METADATA_NAME).write_text(metadata, "utf-8")
        with zarr.config.set({"array.write_empty_chunks": True}):
            array = zarr.open_array(folder, mode="r+")
            shape = array.shards or array.chunks
            array[tuple(slice(0, side) for side in shape)] = array.fill_value
        return Path(folder, "c", *(["0"] * array.ndim)).read_bytes()


def static_uploads(store: Path, path: str, published: Collection[str]) -> list[Upload]:
    """Return everything that is to lie in a published store of static layers."""
    uploads = []
    for key, entry in files_below(store):
        phase = DATA if not key.endswith(METADATA_NAME) else ROOT if key == METADATA_NAME else METADATA
        uploads.append(file_upload(f"{path}/{key}", entry, phase, CHUNK if phase == DATA else ""))
    there = {upload.path for upload in uploads}
    for one in published:
        array, chunk, _ = one.removeprefix(f"{path}/").partition("/c/")
        if one.startswith(f"{path}/") and one not in there and chunk and (store / array / METADATA_NAME).exists():
            content = fill_chunk((store / array / METADATA_NAME).read_text("utf-8"))
            uploads.append(Upload(one, DATA, CHUNK, content=content))
    return uploads
