"""Parse granules from CMR's records (UMM-G, NASA's Unified Metadata Model for granules)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from posixpath import basename
from typing import Any
from urllib.parse import urlsplit

from s1monthly.errors import NameFormatError, SourceError
from s1monthly.granule_names import parse_burst_id, parse_layer_file, parse_static_file, parse_static_id
from s1monthly.granules import BurstGranule, Layer, StaticGranule
from s1monthly.model import Polarization

FileParser = Callable[[str], tuple[str, str] | None]
"""Splits a file's name into granule id and layer name; returns None for any other file."""

_POLARIZATIONS = {name for pair in Polarization for name in pair.layers}
_REMEDY = "a newer version of this software may know such records; if it does not, report this one"


def record_key(record: Any) -> tuple[str, str]:
    """Return a record's number (concept id) and the granule's name.

    Raises
    ------
    SourceError
        If the record lacks one of them.
    """
    try:
        concept_id, granule_id = record["meta"]["concept-id"], record["umm"]["GranuleUR"]
    except (KeyError, TypeError):
        concept_id = granule_id = None
    if not (isinstance(concept_id, str) and isinstance(granule_id, str)):
        raise SourceError(f"CMR lists a granule without meta.concept-id or umm.GranuleUR: {str(record)[:200]}", _REMEDY)
    return concept_id, granule_id


def read_record(umm: Mapping[str, Any]) -> tuple[BurstGranule, tuple[str, ...]]:
    """Parse a record, except its outline.

    Returns
    -------
    granule : BurstGranule
        The granule with its layers, without a footprint. A layer is a file of the granule that HTTPS can fetch, with
        size and MD5 if the record declares them.
    acquired : tuple of str
        Polarizations in which the granule was acquired; empty if the record does not say. The record lists single ones
        (``VV``, ``VH``); pairs (``VV+VH``), as in other collections of ASF, are split.

    Raises
    ------
    SourceError
        If the name is not one of OPERA RTC-S1, or the record does not follow UMM-G. It is not skipped: the granule may
        be one that was searched for.
    """
    name = umm["GranuleUR"]
    with _naming(name):
        return replace(parse_burst_id(name), layers=_layers(name, umm, parse_layer_file)), _acquired(umm)


def read_static_record(umm: Mapping[str, Any]) -> StaticGranule:
    """Parse the record of a static granule, with its layers. Its outline is not read: it may span half the globe.

    Raises
    ------
    SourceError
        As for `read_record`.
    """
    name = umm["GranuleUR"]
    with _naming(name):
        return replace(parse_static_id(name), layers=_layers(name, umm, parse_static_file))


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Turn what a strange record causes into a SourceError that names the granule."""
    try:
        yield
    except NameFormatError as error:
        raise SourceError(f"CMR lists a granule that cannot be understood: {error.problem}", _REMEDY) from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise SourceError(f"granule {name}: CMR's record cannot be read ({error!r})", _REMEDY) from error


def _acquired(umm: Mapping[str, Any]) -> tuple[str, ...]:
    attributes = umm.get("AdditionalAttributes") or ()
    declared = (value for one in attributes if one["Name"] == "POLARIZATION" for value in one["Values"])
    return tuple(name for value in declared for name in value.split("+") if name in _POLARIZATIONS)


def _layers(granule_id: str, umm: Mapping[str, Any], parse: FileParser) -> tuple[Layer, ...]:
    links = umm.get("RelatedUrls") or ()
    https = _files(granule_id, links, "GET DATA", "https://", parse)
    direct = _files(granule_id, links, "GET DATA VIA DIRECT ACCESS", "s3://", parse)
    listed = (umm.get("DataGranule") or {}).get("ArchiveAndDistributionInformation") or ()
    files = {file["Name"]: file for file in listed}
    return tuple(
        Layer(name, url, *_size_and_md5(files.get(basename(urlsplit(url).path), {})), direct.get(name, ""))
        for name, url in sorted(https.items())
    )


def _files(
    granule_id: str, links: Iterable[Mapping[str, str]], kind: str, scheme: str, parse: FileParser
) -> dict[str, str]:
    """Map layer names to addresses: the first link of one kind for each layer of the granule."""
    found: dict[str, str] = {}
    for link in links:
        if link["Type"] == kind and link["URL"].startswith(scheme):
            layer_file = parse(basename(urlsplit(link["URL"]).path))
            if layer_file and layer_file[0] == granule_id:
                found.setdefault(layer_file[1], link["URL"])
    return found


def _size_and_md5(file: Mapping[str, Any]) -> tuple[int, str]:
    size, checksum = file.get("SizeInBytes"), file.get("Checksum") or {}
    value = str(checksum.get("Value")).lower() if checksum.get("Algorithm") == "MD5" else ""
    return size if isinstance(size, int) and size > 0 else -1, value if re.fullmatch("[0-9a-f]{32}", value) else ""
