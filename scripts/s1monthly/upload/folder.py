"""What the folder of a tile and direction publishes: complete months, static layers, and its tables."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from s1monthly.audit.tree_files import SIDE, TileFolder
from s1monthly.catalog.document import item_digest, read_document
from s1monthly.catalog.items_table import (
    as_read,
    for_root,
    item_name,
    items_of,
    joined,
    names_of,
    read_items,
    selected,
    write_items,
)
from s1monthly.catalog.table import NO_DATA, UNUSABLE, Row, read_catalog, write_catalog
from s1monthly.cube.header import ATTRIBUTE, Header, Status, read_header
from s1monthly.errors import ProductError
from s1monthly.layout import MONTH_PATTERN, is_cog
from s1monthly.model import Month, month_ranges
from s1monthly.records.seal import read_summary
from s1monthly.upload.cube_objects import (
    DATA,
    ITEMS,
    METADATA_NAME,
    STATIC_ITEMS,
    TABLES,
    cube_uploads,
    file_upload,
    files_below,
    frame,
    lost_chunks,
    month_of_object,
    slots_in_work,
    static_uploads,
)
from s1monthly.upload.documents import absolute_file, absolute_items, in_file, written
from s1monthly.upload.manifest import Manifest, manifest_path
from s1monthly.upload.storage import GEOJSON, media_type
from s1monthly.upload.storage_errors import UploadError
from s1monthly.upload.transfer import BASE_URL, Plan, Upload

FRAME = "frame"
"""Fact in manifests: see `cube_objects.frame`."""

_OF_MONTH = re.compile(rf"(?:(?:cog|preview|months)/)?[^/]*?(?P<month>{MONTH_PATTERN})[^/]*")


class FolderPlan:
    """Makes the plan of a folder, given its manifest.

    Attributes
    ----------
    published : list of Month
        Complete months, after the plan was made.
    left_out : dict of Month to str
        Months of the local catalog that are not complete, and why.
    """

    def __init__(self, folder: TileFolder, base_url: str = "", prune: bool = False) -> None:
        self._folder, self._base_url, self._prune = folder, base_url, prune
        self._name = folder.path.name
        self._cube = f"{self._name}/{folder.cube.relative_to(folder.path).as_posix()}"
        self.published: list[Month] = []
        self.left_out: dict[Month, str] = {}
        self._wanted: set[str] = set()
        self._kept: set[Month] = set()
        self._header: Header | None = None

    def __call__(self, manifest: Manifest) -> Plan:
        """Return the plan.

        Raises
        ------
        S1MonthlyError
            If the local catalog or cube cannot be read, or a published table.
        """
        folder, known = self._folder, manifest.known
        rows = {Month.parse(row["month"]): row for row in read_catalog(folder.place("tile_catalog"))}
        header = self._header = read_header(folder.cube)
        same_frame = header is not None and manifest.facts.get(FRAME) == frame(header)
        static = list(self._static())
        lacking = {upload.file for upload in static if upload.phase == STATIC_ITEMS and not _has_assets(upload.file)}
        self.left_out, complete = {}, {}
        for month, row in rows.items():
            if row["status"] in (NO_DATA, UNUSABLE):
                continue
            fault = self._fault(month, row, header, lacking) or self._damage(month, header, manifest, same_frame)
            if fault:
                self.left_out[month] = fault
            else:
                complete[month] = row
        self.published = sorted(complete)
        uploads = [upload for upload in static if upload.file not in lacking]
        if header:
            uploads += cube_uploads(header, self._cube, self.published, known, same_frame)
        store = folder.place("static_store")
        uploads += static_uploads(store, f"{self._name}/{store.relative_to(folder.path).as_posix()}", known)
        for key, entry in files_below(folder.place("reference").parent):
            uploads.append(file_upload(f"{self._name}/reference/{key}", entry, DATA))
        for month in self.published:
            uploads += self._month(month, manifest)
        uploads += self._tables(rows, complete, manifest)
        if header and (elsewhere := sorted(self._kept - rows.keys())):
            self._refuse_another_cube(header, same_frame, elsewhere, manifest)
        self._wanted = {upload.path for upload in uploads}
        facts = {BASE_URL: self._base_url} | ({FRAME: frame(header)} if header else {})
        return Plan(uploads, partial(slots_in_work, self._cube), facts)

    def removable(self, manifest: Manifest) -> list[str]:
        """Return the published objects that the tree no longer has, once the plan was made."""
        lost_cube = f"{self._cube}/" if self._kept and not self._header else None
        return sorted(
            path
            for path in manifest.known - self._wanted
            if self._month_of(path) not in self._kept and not (lost_cube and path.startswith(lost_cube))
        )

    def _month_of(self, path: str) -> Month | None:
        inner = path.removeprefix(f"{self._name}/")
        match = _OF_MONTH.fullmatch(inner)
        if match:
            return Month.parse(match["month"])
        return month_of_object(self._header, self._cube, path) if self._header else None

    def _fault(self, month: Month, row: Row, header: Header | None, lacking: Collection[str | None]) -> str:
        """Say why a month is not complete; empty if it is."""
        folder = self._folder
        if month in folder.hidden:
            return "a file may not be read"
        summary = read_summary(folder.place("record", month))
        if summary is None:
            return "its record is missing or altered"
        if header is None or header.status(month) is not Status.COMPLETE:
            return "the cube lacks it, or it is being written"
        try:
            item = read_document(folder.place("item", month))
            assets = item["assets"]
            hrefs = [one["href"] for one in (*assets.values(), *item["links"])]
        except (ProductError, LookupError, TypeError):
            return "its Item is missing or damaged"
        if not summary.digest == item_digest(item) == row["digest"]:
            return "record, Item and catalog are not of the same values"
        if any(map(is_cog, assets)) and not row["cog_path"]:
            return "its COG is older than its record"
        within = [folder.path / href for href in hrefs if ":" not in href and not href.startswith("..")]
        missing = [path for path in within if str(path) in lacking or not path.exists()]
        return f"{missing[0].name} is missing" if missing else ""

    def _damage(self, month: Month, header: Header | None, manifest: Manifest, same_frame: bool) -> str:
        """Say that chunks of a published month were lost; empty if none was, or if the month was made again."""
        record = self._folder.place("record", month)
        entry = manifest.files.get(f"{self._name}/months/{record.name}")
        if header is None or not same_frame or entry is None or entry.mtime_ns != record.stat().st_mtime_ns:
            return ""
        lost = lost_chunks(header, self._cube, header.slot(month), manifest.files)
        return f"chunks that were published are lost: {len(lost)}; run catalog_validate" if lost else ""

    def _refuse_another_cube(
        self, header: Header, same_frame: bool, elsewhere: Sequence[Month], manifest: Manifest
    ) -> None:
        """Stop if the cube would replace one with published months that the tree does not know, or would mix recipes.

        Raises
        ------
        ProductError
            Names the months.
        """
        found = manifest.storage.get(f"{self._cube}/{METADATA_NAME}")
        there = json.loads(found[0])["attributes"][ATTRIBUTE] if found else {}
        if not same_frame or elsewhere[-1] > header.last or there.get("recipe") != header.recipe:
            raise ProductError(
                f"{month_ranges(elsewhere)}, published there, are of another cube, which this one would replace",
                "publish each tree at an address of its own; or give those months up: --prune",
            )

    def _static(self) -> Iterator[Upload]:
        folder = self._folder.place("static_item").parent
        for key, entry in files_below(folder):
            path = f"{self._name}/{folder.name}/{key}"
            if key.endswith(".tif"):
                yield file_upload(path, entry, DATA)
            elif key.endswith(".json"):
                yield self._document(path, entry.path, STATIC_ITEMS)

    def _month(self, month: Month, manifest: Manifest) -> Iterator[Upload]:
        """Yield the uploads of a month's files."""
        for kind, file in self._folder.found(month).items():
            path = f"{self._name}/{file.relative_to(self._folder.path).as_posix()}"
            if kind == "item":
                yield self._document(path, str(file), ITEMS, manifest)
                continue
            for one, local in ((path, file), (path + SIDE, Path(f"{file}{SIDE}"))):
                if one == path or (kind == "preview" and local.exists()):
                    found = local.stat()
                    yield Upload(one, DATA, media_type(one), str(local), None, found.st_size, found.st_mtime_ns)

    def _document(self, path: str, file: str, phase: int, manifest: Manifest | None = None) -> Upload:
        found, base_url = Path(file).stat(), self._base_url
        made = partial(absolute_file, file, path, base_url) if base_url else None
        compare = manifest is None or manifest.facts.get(BASE_URL, "") != base_url
        return Upload(path, phase, GEOJSON, file, made, found.st_size, found.st_mtime_ns, compare)

    def _tables(self, rows: Mapping[Month, Row], complete: Mapping[Month, Row], manifest: Manifest) -> Iterator[Upload]:
        """Yield the tables of the folder: rows of complete months, those kept as published, those without data."""
        folder, layout = self._folder, self._folder.layout.of(self._folder.owner)
        kept, kept_items = self._as_published(complete, manifest)
        self._kept = {*kept}
        without = {month: row for month, row in rows.items() if row["status"] in (NO_DATA, UNUSABLE)}
        listed = without | kept | dict(complete)
        local = _local_items(list(complete.values()), folder.path, layout.tile_items)
        names = Path(layout.tile_items).name, Path(layout.tile_catalog).name
        if listed == dict(rows) and not kept and not self._base_url and local is not None:
            contents: tuple[bytes, ...] = tuple((folder.path / name).read_bytes() for name in names)
        else:
            mine = as_read(items_of(complete.values(), folder.path)) if local is None else local
            table = joined([mine, kept_items] if kept_items else [mine])
            table = table.take(pc.sort_indices(table["id"]))
            if self._base_url:
                table = absolute_items(for_root(table, self._name), self._base_url)
            contents = (
                written(partial(write_items, table=table), ".parquet"),
                written(partial(write_catalog, rows=listed.values()), ".parquet"),
            )
        for name, content in zip(names, contents, strict=True):
            yield Upload(f"{self._name}/{name}", TABLES, media_type(name), content=content)

    def _as_published(
        self, complete: Collection[Month], manifest: Manifest
    ) -> tuple[dict[Month, Row], pa.Table | None]:
        """Return rows and Items of months that stay as they were published."""
        of_items = {
            Month.parse(match["month"])
            for path in manifest.known
            if (match := re.fullmatch(rf"{self._name}/{self._name}_(?P<month>{MONTH_PATTERN})\.json", path))
        }
        others = {month for month in of_items if month not in complete}
        if self._prune:
            others = {month for month in others if not self._is_gone(month)}
        found = published_tables(manifest.storage, self._name) if others else None
        if found is None:
            return {}, None
        rows = {Month.parse(row["month"]): row for row in found[0] if row["item_path"]}
        kept = {month: row for month, row in rows.items() if month in others}
        for month in kept.keys() & self.left_out.keys():
            self.left_out[month] += "; stays as it was published"
        return kept, selected(found[1], map(item_name, kept.values()))

    def _is_gone(self, month: Month) -> bool:
        """Return True if nothing of a month is left in the tree."""
        in_cube = self._header is not None and self._header.status(month) is Status.COMPLETE
        files = self._folder.files
        return not (in_cube or month in files["record"] or month in files["item"])


def published_tables(storage: Any, name: str) -> tuple[list[Row], pa.Table] | None:
    """Return rows and Items of a folder as they are published; None if they are not.

    Raises
    ------
    UploadError
        If they are damaged, or the storage cannot be read.
    """
    catalog, items = (storage.get(f"{name}/{table}.parquet") for table in ("catalog", "items"))
    if catalog is None or items is None:
        return None
    try:
        return in_file(catalog[0], read_catalog), in_file(items[0], read_items)
    except ProductError:
        raise UploadError(
            f"{storage.url}/{name}: its catalog.parquet or items.parquet is damaged",
            f"delete both there and {manifest_path(name)}, then publish that folder again",
        ) from None


def _local_items(rows: list[Row], folder: Path, path: str) -> pa.Table | None:
    """Return the Items of some rows from the local table; None if that lacks one."""
    try:
        table = selected(read_items(path), names_of(rows))
    except ProductError:
        return None
    return table if sorted(table["id"].to_pylist()) == sorted(names_of(rows)) else None


def _has_assets(file: str | None) -> bool:
    """Return True if the assets of a local Item exist."""
    try:
        assets = read_document(file or "")["assets"].values()
        return all(Path(file or "").parent.joinpath(asset["href"]).exists() for asset in assets)
    except (ProductError, LookupError, TypeError, AttributeError):
        return False
