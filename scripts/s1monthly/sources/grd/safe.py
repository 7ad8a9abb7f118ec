"""The files of a Sentinel-1 product in SAFE format: a folder, or a zip that is read without unpacking."""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from s1monthly.errors import NameFormatError, SourceError
from s1monthly.sources.grd.elements import MOST_BYTES, REMEDY

MANIFEST = "manifest.safe"

_NAME = re.compile(
    r"(?P<mission>S1[A-D])_(?P<mode>IW|EW|WV|S[1-6]|EN|N[1-6])_(?P<type>GRD|SLC|OCN|RAW)(?P<resolution>[FHM_])_"
    r"(?P<level>[012])(?P<kind>[SA])(?P<polarization>SH|SV|DH|DV|HH|HV|VV|VH)_(?P<start>\d{8}T\d{6})_(?P<stop>\d{8}T\d{6})_"
    r"(?P<orbit>\d{6})_(?P<datatake>[0-9A-F]{6})_(?P<unique>[0-9A-F]{4})(?P<cog>_COG)?(?:\.SAFE)?(?:\.zip)?"
)


@dataclass(frozen=True)
class ProductName:
    """What the name of a product says.

    Attributes
    ----------
    id : str
        The name without ``.SAFE`` and ``.zip``.
    mission : str
        S1A to S1D.
    mode : str
        IW, EW, WV, or the swath of a stripmap product, S1 to S6.
    product_type : str
        GRD, SLC, OCN or RAW.
    resolution : str
        F (full), H (high) or M (medium); ``_`` where there is none.
    polarization : str
        SH, SV, DH or DV: one (S) or two (D) layers, sent in H or V.
    start, stop : datetime
        First and last line, in whole seconds, UTC.
    absolute_orbit : int
        Orbits since launch.
    datatake : str
        Hexadecimal number of the datatake.
    unique : str
        Checksum of the metadata: tells apart products of the same lines.
    """

    id: str
    mission: str
    mode: str
    product_type: str
    resolution: str
    polarization: str
    start: datetime
    stop: datetime
    absolute_orbit: int
    datatake: str
    unique: str


def parse_product_name(name: str) -> ProductName:
    """Parse the name of a product, with or without ``.SAFE`` or ``.zip``.

    Raises
    ------
    NameFormatError
        If it is none.

    Examples
    --------
    >>> parse_product_name("S1A_IW_GRDH_1SDV_20210809T173953_20210809T174018_039156_049F13_6FF8.SAFE").mode
    'IW'
    """
    found = _NAME.fullmatch(name)
    try:
        if found is None:
            raise ValueError(name)
        start, stop = (datetime.strptime(found[key], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) for key in ("start", "stop"))
    except ValueError:
        raise NameFormatError(
            f"{name!r} is not the name of a Sentinel-1 product",
            "keep the archive's names, as S1A_IW_GRDH_1SDV_20210809T173953_20210809T174018_039156_049F13_6FF8.SAFE",
        ) from None
    return ProductName(
        id=name.removesuffix(".zip").removesuffix(".SAFE"),
        mission=found["mission"],
        mode=found["mode"],
        product_type=found["type"],
        resolution=found["resolution"],
        polarization=found["polarization"],
        start=start,
        stop=stop,
        absolute_orbit=int(found["orbit"]),
        datatake=found["datatake"],
        unique=found["unique"],
    )


@dataclass(frozen=True)
class SafeFiles:
    """The files of one product.

    Attributes
    ----------
    path : str
        Its folder or zip.
    inside : str
        For a zip, the folder in it that holds the manifest, with a slash at its end, or nothing; else None.
    sizes : mapping of str to int
        Names relative to the manifest, and their unpacked sizes in bytes.
    """

    path: str
    inside: str | None
    sizes: Mapping[str, int]

    @property
    def name(self) -> ProductName:
        """What the name of the product says; in a zip, the folder's name counts if it is a product's."""
        names = [(self.inside or "").strip("/").rpartition("/")[2], os.path.basename(self.path.rstrip("/"))]
        return parse_product_name(next((name for name in names if _NAME.fullmatch(name)), names[1]))

    def label(self, name: str) -> str:
        """Return the full name of a file, for messages."""
        return f"{self.path}/{self.inside or ''}{name}"

    def read(self, name: str) -> bytes:
        """Read a small file, such as XML.

        Raises
        ------
        SourceError
            If it is missing, damaged or larger than any XML of a product.
        """
        size = self.sizes.get(name)
        if size is None:
            raise SourceError(f"{self.label(name)}: no such file", REMEDY)
        if size > MOST_BYTES:
            raise SourceError(f"{self.label(name)}: {size:,} bytes, more than {MOST_BYTES:,}", REMEDY)
        try:
            if self.inside is None:
                with open(os.path.join(self.path, name), "rb") as file:
                    return file.read(MOST_BYTES + 1)
            with zipfile.ZipFile(self.path) as archive, archive.open(self.inside + name) as member:
                return member.read(MOST_BYTES + 1)
        # RuntimeError: encrypted; NotImplementedError: packed in another way; EOFError: cut short
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise SourceError(f"{self.label(name)}: {error or 'cut short'}", REMEDY) from error

    def gdal_path(self, name: str) -> str:
        """Return the path by which GDAL opens a file, also within a zip."""
        if self.inside is None:
            return os.path.join(self.path, name)
        return f"/vsizip/{{{os.path.abspath(self.path)}}}/{self.inside}{name}"


def open_safe(path: str | os.PathLike[str]) -> SafeFiles:
    """List the files of a product.

    Parameters
    ----------
    path : path
        A SAFE folder, or a zip that holds one at any depth.

    Raises
    ------
    SourceError
        If it cannot be read, or does not hold exactly one manifest.
    """
    path = os.fspath(path)
    try:
        return _list_folder(path) if os.path.isdir(path) else _list_zip(path)
    except OSError as error:
        raise SourceError(f"product {path}: {error.strerror or error}", REMEDY) from error


def _list_folder(path: str) -> SafeFiles:
    sizes = {}
    for folder, _, files in os.walk(path):
        for file in files:
            full = os.path.join(folder, file)
            sizes[os.path.relpath(full, path).replace(os.sep, "/")] = os.stat(full).st_size
    if MANIFEST not in sizes:
        raise SourceError(f"product {path}: no {MANIFEST} in it", REMEDY)
    return SafeFiles(path, None, sizes)


def _list_zip(path: str) -> SafeFiles:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise SourceError(f"product {path}: no whole zip: {error}", REMEDY) from error
    manifests = [name for name in members if name.rpartition("/")[2] == MANIFEST]
    if len(manifests) != 1:
        problem = f"holds {len(manifests)} files {MANIFEST}, not one"
        raise SourceError(f"product {path}: {problem}", "give one zip for each product, whole")
    inside = manifests[0].removesuffix(MANIFEST)
    sizes = {name.removeprefix(inside): size for name, size in members.items() if name.startswith(inside)}
    return SafeFiles(path, inside, sizes)


def find_products(folder: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the paths of the products in a folder, at any depth, in alphabetical order.

    A product is a folder with a manifest, or a zip with the name of a product. Hidden folders and files are skipped:
    downloads that are under way live there. Links to folders are followed, each folder once.

    Raises
    ------
    SourceError
        If a folder cannot be listed.
    """
    seen: set[str] = set()

    def refuse(error: OSError) -> None:
        raise SourceError(f"folder {error.filename}: {error.strerror}", "make it readable, or remove it") from error

    for here, folders, files in os.walk(os.fspath(folder), followlinks=True, onerror=refuse):
        real = os.path.realpath(here)
        if real in seen or MANIFEST in files:
            folders.clear()
        if real not in seen and MANIFEST in files:
            yield here
        elif real not in seen:
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            zips = (name for name in sorted(files) if name.endswith(".zip") and _NAME.fullmatch(name))
            yield from (os.path.join(here, name) for name in zips)
        seen.add(real)
