"""Publish an output tree: folder after folder, then catalogs and Collections; then remove what is to be removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from s1monthly.audit.report import count_of
from s1monthly.audit.tree_files import TileFolder, list_tree
from s1monthly.errors import CubeError, FileError, ProductError
from s1monthly.layout import Layout
from s1monthly.upload.folder import FolderPlan
from s1monthly.upload.manifest import FOLDER, ROOT, Manifest, manifest_names, manifest_path
from s1monthly.upload.notes import Notes, changes_fingerprint, folder_fingerprint
from s1monthly.upload.root import RootPlan, refuse_foreign
from s1monthly.upload.storage import Storage
from s1monthly.upload.storage_errors import ConflictError, UploadError
from s1monthly.upload.transfer import ATTEMPTS, Done, publish
from s1monthly.workflow.run_lock import RunLockError, hold

QUIET_SECONDS = 30.0
"""Seconds between two lines of progress."""


@dataclass(frozen=True)
class Options:
    """How a tree is published.

    Attributes
    ----------
    base_url : str
        Address of the published tree, for absolute links; empty for relative ones.
    workers : int
        Objects put at once.
    held : collection of str
        Folders that the calling run works on itself, and has finished.
    prune : collection of str, or None
        Delete published objects that the tree no longer has: of folders that it has and, if they are named here, of
        those that it no longer has. None: delete nothing.
    verify : bool
        Compare the manifests with what lies there, by names and sizes, first.
    preview : bool
        True if the storage only pretends, see `preview.Preview`.
    """

    base_url: str = ""
    workers: int = 16
    held: Collection[str] = ()
    prune: Collection[str] | None = None
    verify: bool = False
    preview: bool = False

    @property
    def use_notes(self) -> bool:
        """Whether folders that were noted as published are passed by."""
        return not (self.verify or self.preview) and self.prune is None


@dataclass
class Published:
    """What was published.

    Attributes
    ----------
    months, folders : int
        Months and folders that lie there now.
    files, bytes : int
        Objects put, and their bytes.
    removed : list of str
        Objects deleted.
    left_out : dict of str to dict
        Reason -> folder -> months that are not complete.
    passed_over : dict of str to str
        Folder -> why it was not published.
    seconds : float
    """

    url: str
    months: int = 0
    folders: int = 0
    files: int = 0
    bytes: int = 0
    removed: list[str] = field(default_factory=list)
    left_out: dict[str, dict[str, str]] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def count(self, done: Done) -> None:
        """Add what was put."""
        self.files, self.bytes = self.files + done.files, self.bytes + done.bytes

    def lines(self, *, preview: bool = False) -> Iterator[str]:
        """Yield what was left out and passed over, and a summary; of a preview, as something still to be done."""
        for name, months in sorted(self.left_out.items()):
            for month, why in sorted(months.items()):
                yield f"{name} {month}: left out: {why}"
        for name, why in sorted(self.passed_over.items()):
            yield f"{name}: passed over: {why}"
        to_be = "to be " * preview
        done = f"{count_of(self.files, 'file')} {to_be}put, {self.bytes / 1e6:.1f} MB" if self.files else "nothing new"
        done += f"; {count_of(len(self.removed), 'object')} {to_be}removed" if self.removed else ""
        there = f"{count_of(self.months, 'month')} of {count_of(self.folders, 'folder')}"
        yield f"{to_be}published: {there} at {self.url} ({done}; {self.seconds:.0f} s)"


def publish_tree(base_dir: str | Path, storage: Storage, options: Options, tell: Callable[[str], None]) -> Published:
    """Publish an output tree, as far as it is complete.

    Folders that a run works on are passed over.

    Parameters
    ----------
    base_dir : path
        Root of the output tree.
    tell : callable
        Is given lines of progress, and the name of each object that is removed.

    Raises
    ------
    UploadError
        If the storage refuses. What was published stays, and the next call continues.
    ProductError
        If there is no output tree.
    """
    began, base = time.monotonic(), Path(base_dir)
    if not base.is_dir():
        raise ProductError(f"{base}: there is no such folder", "give the root of the output tree")
    refuse_foreign(storage)
    tree, result = list_tree(base), Published(storage.url)
    if not (tree.folders or Path(Layout(str(base)).catalog).exists()):
        raise ProductError(f"{base}: no output tree, it holds no month", "give the root of the output tree")
    there = {folder.path.name for folder in tree.folders} | tree.unknown_folders
    lost = {name for name in options.prune or () if name not in there}
    _refuse_unknown(storage, lost)
    states = storage.states(FOLDER)
    notes = Notes(base, storage.url, options.use_notes)
    plans: dict[str, FolderPlan | RootPlan] = {}
    for folder in tree.folders:
        name = folder.path.name
        with _passing_over(result, name), _held(folder, options.held):
            now = folder_fingerprint(folder, options.base_url)
            noted = notes.known(name, states.get(manifest_path(name)), now)
            if noted is None:
                plans[name] = plan = FolderPlan(folder, options.base_url, options.prune is not None)
                manifest, done = _publish(storage, name, plan, options, tell)
                result.count(done)
                noted = {"left_out": {str(month): why for month, why in plan.left_out.items()}}
                states[manifest.path] = manifest.state.e_tag
                notes.note(name, manifest.state.e_tag, now, **noted)
            if noted["left_out"]:
                result.left_out[name] = noted["left_out"]
    for path in tree.renamed:
        result.passed_over[path.name] = "it holds another tile and direction than its name says"
    layout = Layout(str(base))
    others = {path: state for path, state in states.items() if path != manifest_path(ROOT)}
    gpkg = Path(layout.geopackage).exists()
    now = changes_fingerprint(Path(layout.changes), options.base_url, sorted(others.items()), gpkg)
    noted = notes.known(ROOT, states.get(manifest_path(ROOT)), now)
    if noted is None:
        plans[ROOT] = root = RootPlan(layout, options.base_url, lost, options.workers)
        manifest, done = _publish(storage, ROOT, root, options, tell)
        result.count(done)
        noted = {"months": root.months, "folders": root.folders}
        notes.note(ROOT, manifest.state.e_tag, now, **noted)
    result.months, result.folders = noted["months"], noted["folders"]
    notes.write()
    if options.prune is not None:
        for name, one in plans.items():
            result.removed += prune(storage, name, one.removable, tell)
        for name in sorted(lost):
            result.removed += prune(storage, name, lambda manifest: sorted(manifest.known), tell)
            storage.delete([manifest_path(name)])
    result.seconds = time.monotonic() - began
    return result


def _publish(
    storage: Storage, name: str, plan: FolderPlan | RootPlan, options: Options, tell: Callable[[str], None]
) -> tuple[Manifest, Done]:
    if options.verify:
        verify(storage, name, tell)
    last = time.monotonic()

    def progress(done: Done, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > QUIET_SECONDS:
            last = time.monotonic()
            tell(f"{name}: {done.files} of {total} files, {done.bytes / 1e6:.0f} MB")

    return publish(storage, name, plan, options.workers, progress)


def verify(storage: Storage, name: str, tell: Callable[[str], None]) -> None:
    """Compare a manifest with what lies there; what is missing, or has another size, is put again.

    Raises
    ------
    UploadError
        If the storage refuses, or another publisher is at work.
    """
    manifest = Manifest.read(storage, name)
    there = storage.list(name if name != ROOT else "")
    sizes = {path: size for path, size in there if path in manifest.files}
    wrong = sorted(path for path, entry in manifest.files.items() if sizes.get(path) != entry.size)
    for path in wrong:
        tell(f"{path}: {'has another size' if path in sizes else 'missing'} at {storage.url}; put again")
    if wrong:
        try:
            manifest.begin(wrong)
        except ConflictError:
            raise UploadError(f"{storage.url}/{manifest.path}: another publisher is at work", "run again") from None


def prune(
    storage: Storage, name: str, removable: Callable[[Manifest], list[str]], tell: Callable[[str], None]
) -> list[str]:
    """Delete published objects of a folder and return their paths.

    Raises
    ------
    UploadError
        If the storage refuses; the next call continues.
    """
    for _ in range(ATTEMPTS):
        manifest = Manifest.read(storage, name)
        paths = removable(manifest)
        if not paths:
            return []
        with suppress(ConflictError):
            manifest.begin(paths)
            for group in _from_names_to_data(paths):
                for path in group:
                    tell(f"removed: {storage.url}/{path}")
                storage.delete(group)
            manifest.strike(paths)
            return paths
    raise UploadError(f"{storage.url}/{manifest_path(name)}: other publishers write it all the time", "run again")


def _from_names_to_data(paths: Iterable[str]) -> Iterator[list[str]]:
    """Yield tables, then Items and other documents, then all else: what names a file goes before the file."""
    groups: tuple[list[str], ...] = ([], [], [])
    for path in paths:
        is_document = path.endswith(".json") and "/zarr/" not in path
        groups[0 if path.endswith(".parquet") else 1 if is_document else 2].append(path)
    yield from filter(None, groups)


def _refuse_unknown(storage: Storage, names: Collection[str]) -> None:
    unknown = sorted({*names} - {*manifest_names(storage)}) if names else []
    if unknown:
        raise UploadError(
            f"{storage.url}: no folder {', '.join(unknown)} was published there", "give names of published folders"
        )


@contextmanager
def _passing_over(result: Published, name: str) -> Iterator[None]:
    """Note why a folder cannot be published, and go on; what the storage refuses ends all."""
    try:
        yield
    except UploadError:
        raise
    except (RunLockError, CubeError, ProductError, FileError) as error:
        result.passed_over[name] = str(error)


@contextmanager
def _held(folder: TileFolder, held: Collection[str]) -> Iterator[None]:
    """Keep runs out of a folder, unless the calling run holds it."""
    if folder.closed:
        raise ProductError("a file may not be read", "ask its owner for permission")
    lock = None if folder.path.name in held else hold(folder.path.parent, [folder.owner])
    try:
        yield
    finally:
        if lock:
            lock.release()
