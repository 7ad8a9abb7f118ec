"""A GRD product: its files for each polarization, and whether it can be used."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from s1monthly.errors import SourceError
from s1monthly.granule_names import ProductName
from s1monthly.model import Polarization
from s1monthly.sources.grd.annotation import Annotation, parse_annotation
from s1monthly.sources.grd.elements import REMEDY
from s1monthly.sources.grd.listing import MANIFEST
from s1monthly.sources.grd.manifest import Manifest, parse_manifest
from s1monthly.sources.grd.safe import SafeFiles, open_safe
from s1monthly.sources.grd.tables import Calibration, Noise, parse_calibration, parse_noise

_FILE = re.compile(
    r"(?P<folder>annotation|annotation/calibration|measurement)/"
    r"(?:(?P<table>calibration|noise)-)?(?:s1[a-d]-)?(?:iw|ew|s[1-6])-(?:grd-)?(?P<polarization>hh|hv|vv|vh)"
    r"(?:-[^/]*)?\.(?:xml|tiff?)"
)
_KINDS = {
    ("annotation", None): "annotation",
    ("annotation/calibration", "calibration"): "calibration",
    ("annotation/calibration", "noise"): "noise",
    ("measurement", None): "measurement",
}


@dataclass(frozen=True)
class Product:
    """A product in a folder or zip; its annotation is read on demand.

    Attributes
    ----------
    files : SafeFiles
        All files.
    name : ProductName
        What the name says.
    manifest : Manifest
        What the manifest says.
    layers : mapping of str to mapping of str to str
        Polarization -> kind (annotation, calibration, noise, measurement) -> file name.
    """

    files: SafeFiles
    name: ProductName
    manifest: Manifest
    layers: Mapping[str, Mapping[str, str]]

    def file(self, polarization: str, kind: str) -> str:
        """Return the name of a file.

        Raises
        ------
        SourceError
            If the product does not have it.
        """
        name = self.layers.get(polarization, {}).get(kind)
        if name is None:
            raise SourceError(f"product {self.files.path}: no {kind} file of {polarization}", REMEDY)
        return name

    def annotation(self, polarization: str) -> Annotation:
        """Read the annotation of a polarization; errors are those of `parse_annotation`."""
        name = self.file(polarization, "annotation")
        annotation = parse_annotation(self.files.read(name), self.files.label(name))
        _check_polarization(annotation.polarization, polarization, annotation.file)
        return annotation

    def calibration(self, polarization: str) -> Calibration:
        """Read the calibration of a polarization; errors are those of `parse_calibration`."""
        name = self.file(polarization, "calibration")
        calibration = parse_calibration(self.files.read(name), self.files.label(name))
        _check_polarization(calibration.polarization, polarization, self.files.label(name))
        return calibration

    def noise(self, polarization: str) -> Noise:
        """Read the noise of a polarization; errors are those of `parse_noise`."""
        name = self.file(polarization, "noise")
        noise = parse_noise(self.files.read(name), self.files.label(name))
        _check_polarization(noise.polarization, polarization, self.files.label(name))
        return noise

    def unfit(self, polarization: Polarization) -> str | None:
        """Return why a whole product of this kind is not used for a polarization pair, or None if it is."""
        kind = f"{self.manifest.mode} {self.manifest.product_type}{self.name.resolution}".rstrip("_")
        if kind != "IW GRDH":
            return f"it is {kind}; only IW GRDH products are used"
        if len(self.manifest.polarizations) < 2:
            return f"it has one polarization only, {', '.join(self.manifest.polarizations)}"
        if set(self.manifest.polarizations) != set(polarization.layers):
            return f"its polarizations are {'+'.join(self.manifest.polarizations)}, not {polarization}"
        return None

    def damage(self, polarization: Polarization) -> str | None:
        """Return what is missing of a product, or None if it is whole.

        Sizes are those of the manifest, so a file that was cut short is found without reading it.
        """
        return self._missing(polarization) or self._cut_short(polarization)

    def size(self, polarization: str) -> int:
        """Return the bytes of all files of a polarization."""
        return sum(self.files.sizes[name] for name in self.layers.get(polarization, {}).values())

    def md5(self, polarization: str) -> str:
        """Return the checksum of the pixels of a polarization, as the manifest lists it; empty if it does not."""
        listed = (item.md5 for item in self.manifest.objects if _kind_of(item.name) == (polarization, "measurement"))
        return next(listed, "")

    def check_pixels(self, polarization: str) -> None:
        """Compare the pixels' checksum with that in the manifest, if it lists one; this reads the whole file.

        Raises
        ------
        SourceError
            If it differs, or the file cannot be read. Without it, damaged pixels would pass for bright ones.
        """
        name, listed = self.file(polarization, "measurement"), self.md5(polarization)
        found = self.files.md5(name) if listed else listed
        if found != listed:
            problem = f"damaged: its MD5 is {found}, not {listed} as its manifest says"
            raise SourceError(f"{self.files.label(name)}: {problem}", REMEDY)

    def _missing(self, polarization: Polarization) -> str | None:
        for layer in polarization.layers:
            for kind in _KINDS.values():
                if kind not in self.layers.get(layer, {}):
                    return f"its {kind} file of {layer} is missing"
        return None

    def _cut_short(self, polarization: Polarization) -> str | None:
        listed = {_kind_of(item.name): item.size for item in self.manifest.objects}
        for layer in polarization.layers:
            for kind, name in self.layers[layer].items():
                size = self.files.sizes[name]
                expected = listed.get((layer, kind), size)
                if size != expected:
                    return f"its file {name} has {size:,} bytes, not {expected:,} as its manifest says"
        return None


def _kind_of(file: str) -> tuple[str, str] | None:
    """Return polarization and kind of a file by its name; some archives shorten names, so names do not match."""
    match = _FILE.fullmatch(file)
    kind = match and _KINDS.get((match["folder"], match["table"]))
    return (match["polarization"].upper(), kind) if match and kind else None


def _check_polarization(found: str, wanted: str, file: str) -> None:
    if found != wanted:
        raise SourceError(f"{file}: its adsHeader/polarisation is {found}, not {wanted} as its name says", REMEDY)


def open_product(path: str | os.PathLike[str]) -> Product:
    """Open a product: list its files and read its manifest.

    Parameters
    ----------
    path : path
        A SAFE folder, or a zip of one.

    Raises
    ------
    SourceError
        If it cannot be read, its manifest is damaged or contradicts its name, or it has a file twice.
    NameFormatError
        If neither folder nor zip has the name of a product.
    """
    files = open_safe(path)
    name = files.name
    manifest = parse_manifest(files.read(MANIFEST), files.label(MANIFEST))
    layers: dict[str, dict[str, str]] = {}
    for file in sorted(files.sizes):
        found = _kind_of(file)
        if found:
            layer, kind = found
            of_layer = layers.setdefault(layer, {})
            if kind in of_layer:
                raise SourceError(f"product {files.path}: two {kind} files: {of_layer[kind]} and {file}", REMEDY)
            of_layer[kind] = file
    for what, said, named in (
        ("satellite", manifest.mission, name.mission),
        ("datatake", manifest.datatake, int(name.datatake, 16)),
        ("type", manifest.product_type, name.product_type),
    ):
        if said != named:
            raise SourceError(f"{files.label(MANIFEST)}: its {what} is {said}, but {named} in its name", REMEDY)
    return Product(files, name, manifest, layers)
