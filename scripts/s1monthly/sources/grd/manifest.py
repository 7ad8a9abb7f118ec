"""The manifest of a product: what it is, when and in which orbit it was taken, and which files it has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from s1monthly.model import TRACKS, Direction
from s1monthly.sources.grd.elements import Element, parse_number, parse_time, parse_xml, quoted

_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})", re.ASCII)
_BYTES = re.compile(r"\d{1,15}", re.ASCII)
_DATA = {
    "s1Level1ProductSchema",
    "s1Level1CalibrationSchema",
    "s1Level1NoiseSchema",
    "s1Level1MeasurementSchema",
}


@dataclass(frozen=True)
class DataObject:
    """A file that the manifest lists.

    Attributes
    ----------
    name : str
        Name relative to the manifest.
    size : int
        Bytes.
    md5 : str
        Checksum, in lower case.
    """

    name: str
    size: int
    md5: str


@dataclass(frozen=True)
class Manifest:
    """What a manifest says.

    Attributes
    ----------
    mission : str
        S1A to S1D.
    mode : str
        IW, EW, SM or WV.
    product_type : str
        GRD or SLC.
    polarizations : tuple of str
        Layers, such as VV and VH.
    direction : Direction
        Flight direction.
    track : int
        Relative orbit. It is read, not computed: S1C and S1D count otherwise than S1A.
    absolute_orbit, datatake : int
        Orbits and datatakes since launch.
    start, stop : datetime64
        First and last line, UTC.
    ipf : tuple of int
        Version of the processor, such as (3, 31).
    processed : datetime64
        End of processing, UTC.
    footprint : tuple of (float, float)
        Corners: longitude, latitude.
    objects : tuple of DataObject
        Measurement and annotation files.
    """

    mission: str
    mode: str
    product_type: str
    polarizations: tuple[str, ...]
    direction: Direction
    track: int
    absolute_orbit: int
    datatake: int
    start: np.datetime64
    stop: np.datetime64
    ipf: tuple[int, int]
    processed: np.datetime64
    footprint: tuple[tuple[float, float], ...]
    objects: tuple[DataObject, ...]


def parse_manifest(content: bytes, file: str) -> Manifest:
    """Parse a manifest.

    Parameters
    ----------
    content : bytes
        The file's content.
    file : str
        Its name, for messages.

    Raises
    ------
    SourceError
        If it is damaged, or an element is missing, doubled or out of range.
    """
    root = parse_xml(content, file, "XFDU")
    parts = _metadata(root)
    platform = _part(parts, root, "platform").child("platform")
    orbit = _part(parts, root, "measurementOrbitReference").child("orbitReference")
    product = _product_information(_part(parts, root, "generalProductInformation"))
    period = _part(parts, root, "acquisitionPeriod").child("acquisitionPeriod")
    processing = _part(parts, root, "processing").child("processing")
    direction = orbit.choice("extension/orbitProperties/pass", tuple(Direction))
    return Manifest(
        mission="S1" + platform.choice("number", ("A", "B", "C", "D")),
        mode=platform.child("instrument").text("extension/instrumentMode/mode"),
        product_type=product.text("productType"),
        polarizations=tuple(
            element.choice("", ("HH", "HV", "VV", "VH")) for element in product.every("transmitterReceiverPolarisation")
        ),
        direction=Direction(direction),
        track=_first(orbit, "relativeOrbitNumber").whole("", 1, TRACKS),
        absolute_orbit=_first(orbit, "orbitNumber").whole("", 1, 10**6),
        datatake=product.whole("missionDataTakeID", 0, 2**31),
        start=period.time("startTime"),
        stop=period.time("stopTime"),
        ipf=_ipf(processing),
        processed=_processed(processing),
        footprint=_footprint(_part(parts, root, "measurementFrameSet")),
        objects=tuple(_objects(root)),
    )


def _metadata(root: Element) -> dict[str, Element]:
    """Return the wrapped metadata by their identifiers."""
    found: dict[str, Element] = {}
    for item in root.child("metadataSection").every("metadataObject"):
        name = item.node.get("ID", "")
        if item.node.find("metadataWrap") is None:
            continue
        if name in found:
            item.fail(f"has the identifier {quoted(name)} of another one")
        found[name] = item.child("metadataWrap/xmlData")
    return found


def _part(parts: Mapping[str, Element], root: Element, name: str) -> Element:
    if name not in parts:
        root.fail(f"with the identifier {name!r} is missing", "metadataSection/metadataObject")
    return parts[name]


def _product_information(part: Element) -> Element:
    """Return the information about the product, whose name differs with the kind of product."""
    found = part.optional("standAloneProductInformation") or part.optional("generalProductInformation")
    return found or part.child("standAloneProductInformation")


def _first(orbit: Element, name: str) -> Element:
    """Return the number at the start of the product; another may follow for its stop."""
    starts = [element for element in orbit.every(name) if element.node.get("type") != "stop"]
    if len(starts) != 1:
        orbit.fail(f"at the start exists {len(starts)} times, not once", name)
    return starts[0]


def _ipf(processing: Element) -> tuple[int, int]:
    """Return the version of the processor: of the outermost step that names it, since others are nested within."""
    for node in processing.node.iter("software"):
        if "IPF" in node.get("name", ""):
            version = _VERSION.fullmatch(node.get("version", ""))
            if version:
                return int(version[1]), int(version[2])
            processing.fail(
                f"has the version {quoted(node.get('version', ''))}, not one such as 003.40", "facility/software"
            )
    return processing.fail("with the name of the processor (IPF) is missing", "facility/software")


def _processed(processing: Element) -> np.datetime64:
    stop = processing.node.get("stop", "")
    time = parse_time(stop)
    if np.isnat(time):
        processing.fail(f"has stop={quoted(stop)}, not a time")
    return time


def _footprint(part: Element) -> tuple[tuple[float, float], ...]:
    """Return the corners of the product; in products of several frames, of them all."""
    corners: list[tuple[float, float]] = []
    for frame in part.child("frameSet").every("frame"):
        coordinates = frame.child("footPrint/coordinates")
        for pair in coordinates.text().split():
            latitude, _, longitude = pair.partition(",")
            try:
                corner = parse_number(longitude), parse_number(latitude)
            except ValueError:
                coordinates.fail(f"holds {quoted(pair)}, not latitude,longitude")
            if not (abs(corner[0]) <= 360 and abs(corner[1]) <= 90):
                coordinates.fail(f"holds {quoted(pair)}, not latitude,longitude")
            corners.append(corner)
    if len(corners) < 3:
        part.fail(f"has {len(corners)} corners", "frameSet/frame/footPrint/coordinates")
    return tuple(corners)


def _objects(root: Element) -> list[DataObject]:
    found = []
    for item in root.child("dataObjectSection").every("dataObject"):
        if item.node.get("repID") not in _DATA:
            continue
        stream = item.child("byteStream")
        size = stream.node.get("size", "")
        if not _BYTES.fullmatch(size):
            stream.fail(f"has size={quoted(size)}, not a number of bytes")
        name = stream.child("fileLocation").node.get("href", "").removeprefix("./")
        found.append(DataObject(name, int(size), stream.text("checksum").lower()))
    return found
