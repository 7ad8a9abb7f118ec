"""What the root of a published tree holds: catalogs and Collections of all folders that are published there.

They are made of the tables of the published folders, not of local ones: so they name nothing that is not there, and
publishers of several trees or machines may share a place.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

from s1monthly.catalog.collection import stac_documents
from s1monthly.catalog.coverage import coverage_page
from s1monthly.catalog.document import read_document
from s1monthly.catalog.geopackage import write_geopackage
from s1monthly.catalog.item import ROOT_ID
from s1monthly.catalog.items_table import for_root, joined, write_items
from s1monthly.catalog.table import row_key, with_global_paths, write_catalog
from s1monthly.catalog.update import published_at
from s1monthly.errors import ProductError
from s1monthly.layout import Layout, parse_folder
from s1monthly.model import Stack
from s1monthly.upload.cube_objects import DATA, ITEMS, file_upload, files_below
from s1monthly.upload.documents import absolute, absolute_file, absolute_items, document_text, in_file, written
from s1monthly.upload.folder import published_tables
from s1monthly.upload.manifest import Manifest, manifest_names
from s1monthly.upload.storage import GEOJSON, MEDIA_TYPES, Storage, media_type
from s1monthly.upload.storage_errors import UploadError
from s1monthly.upload.transfer import BASE_URL, Plan, Upload

_CHANGE_ITEM = re.compile(r"change/[^/]+_change\.json")

ROOT_TABLES, COLLECTIONS, PARENT, CATALOG = range(ITEMS + 1, ITEMS + 5)
"""Phases after those of a folder: a reader begins with what is put last."""


class RootPlan:
    """Makes the plan of the root, given its manifest.

    Attributes
    ----------
    months : int
        Months that are published, of all folders, after the plan was made.
    folders : int
        Folders that are published.
    """

    def __init__(self, layout: Layout, base_url: str, without: Collection[str] = (), workers: int = 16) -> None:
        self._layout, self._base_url, self._without, self._workers = layout, base_url, without, workers
        self.months = self.folders = 0
        self._wanted: set[str] = set()

    def __call__(self, manifest: Manifest) -> Plan:
        """Return the plan.

        Raises
        ------
        S1MonthlyError
            If a published table cannot be read or is damaged.
        """
        names = [name for name in manifest_names(manifest.storage) if parse_folder(name) and name not in self._without]
        with ThreadPoolExecutor(self._workers) as pool:
            read = list(pool.map(partial(published_tables, manifest.storage), names))
            statics = list(pool.map(partial(_static_items, manifest.storage), names))
        found = {name: tables for name, tables in zip(names, read, strict=True) if tables}
        rows = sorted((row for name in found for row in with_global_paths(found[name][0], name)), key=row_key)
        self.months, self.folders = sum(bool(row["item_path"]) for row in rows), len(found)
        items = joined([for_root(tables[1], name) for name, tables in found.items()])
        if self._base_url:
            items = absolute_items(items, self._base_url)
        uploads = [*self._changes(manifest)]
        changes = {upload.path for upload in uploads} | {*filter(_CHANGE_ITEM.fullmatch, manifest.files)}
        maps = [f"./{path}" for path in sorted({*filter(_CHANGE_ITEM.fullmatch, changes), *chain(*statics)})]
        tables = {
            self._layout.items: partial(write_items, table=items),
            self._layout.catalog: partial(write_catalog, rows=rows),
        }
        if Path(self._layout.geopackage).exists():
            tables[self._layout.geopackage] = partial(write_geopackage, rows=rows)
        for file, write in tables.items():
            path = self._path(file)
            uploads.append(Upload(path, ROOT_TABLES, media_type(path), content=written(write, Path(path).suffix)))
        page = coverage_page(rows).encode()
        uploads.append(Upload(self._path(self._layout.coverage), ROOT_TABLES, MEDIA_TYPES[".html"], content=page))
        stacks = {Stack.parse(direction) for name in found if (direction := (parse_folder(name) or ("", ""))[1])}
        documents = stac_documents(rows, self._base_url or published_at(self._layout), stacks, maps)
        phases = {self._path(self._layout.stac_root): CATALOG, self._path(self._layout.collection): PARENT}
        for path, document in documents.items():
            content = document_text(absolute(document, path, self._base_url) if self._base_url else document)
            uploads.append(Upload(path, phases.get(path, COLLECTIONS), MEDIA_TYPES[".json"], content=content))
        self._wanted = {upload.path for upload in uploads}
        return Plan(uploads, facts={BASE_URL: self._base_url})

    def removable(self, manifest: Manifest) -> list[str]:
        """Return the published objects at the root that the tree no longer has, once the plan was made."""
        return sorted(manifest.known - self._wanted)

    def _path(self, file: str) -> str:
        return Path(file).relative_to(self._layout.base_dir).as_posix()

    def _changes(self, manifest: Manifest) -> Iterator[Upload]:
        """Yield maps of changes that have both COG and Item."""
        folder = Path(self._layout.changes)
        found = dict(files_below(folder))
        compare = manifest.facts.get(BASE_URL, "") != self._base_url
        for key, entry in found.items():
            path = f"{folder.name}/{key}"
            item = str(Path(path).with_suffix(".json"))
            if not _CHANGE_ITEM.fullmatch(item) or not {
                Path(key).with_suffix(end).name for end in (".tif", ".json")
            } <= {*found}:
                continue
            if key.endswith(".tif"):
                yield file_upload(path, entry, DATA)
            elif path == item:
                made = partial(absolute_file, entry.path, path, self._base_url) if self._base_url else None
                status = entry.stat()
                yield Upload(path, ITEMS, GEOJSON, entry.path, made, status.st_size, status.st_mtime_ns, compare)


def _static_items(storage: Storage, name: str) -> list[str]:
    """Return the published Items of the static layers of a folder."""
    return [path for path, _ in storage.list(f"{name}/static") if path.endswith(".json")]


def refuse_foreign(storage: Storage) -> None:
    """Stop if somebody else's STAC catalog lies at a place where nothing was published yet.

    Raises
    ------
    UploadError
        Names the catalog. Also if the storage cannot be read.
    """
    if manifest_names(storage):
        return
    name = Path(Layout("").stac_root).name
    found = storage.get(name)
    if found is None:
        return
    try:
        ours = in_file(found[0], read_document).get("id") == ROOT_ID
    except ProductError:
        ours = False
    if not ours:
        raise UploadError(
            f"{storage.url}/{name}: the catalog of something else", "give another prefix; it would be written over"
        )
