"""What OPERA's files say of their making in the tags of their GeoTIFFs: orbit, source product, DEM, accuracy ...

The tags are read once, when a granule is cut, and kept in the month's record. Cropped or converted files lost them.

Names of tags as OPERA's RTC-S1 software writes them (opera-adt/RTC, ``h5_prep.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TAGS = {
    "absolute_orbit": "ABSOLUTE_ORBIT_NUMBER",
    "beam": "BEAM_ID",
    "product_institution": "INSTITUTION",
    "product_processed": "PROCESSING_DATETIME",
    "product_software": "SOFTWARE_VERSION",
    "product_access": "PRODUCT_DATA_ACCESS",
    "slc": "INPUTS_L1_SLC_GRANULES",
    "orbit_files": "INPUTS_ORBIT_FILES",
    "dem": "INPUTS_DEM_SOURCE",
    "geoid": "PROCESSING_INFORMATION_DEM_EGM_MODEL",
    "source_access": "SOURCE_DATA_ACCESS",
    "source_institution": "SOURCE_DATA_INSTITUTION",
    "source_facility": "SOURCE_DATA_PROCESSING_CENTER",
    "source_processed": "SOURCE_DATA_PROCESSING_DATETIME",
    "source_software": "SOURCE_DATA_SOFTWARE_VERSION",
    "source_level": "SOURCE_DATA_PRODUCT_LEVEL",
    "azimuth_spacing_s": "SOURCE_DATA_ZERO_DOPPLER_TIME_SPACING",
    "range_spacing_m": "SOURCE_DATA_SLANT_RANGE_SPACING",
    "azimuth_resolution_m": "SOURCE_DATA_AZIMUTH_RESOLUTION_IN_METERS",
    "range_resolution_m": "SOURCE_DATA_SLANT_RANGE_RESOLUTION_IN_METERS",
    "near_angle": "SOURCE_DATA_NEAR_RANGE_INCIDENCE_ANGLE",
    "far_angle": "SOURCE_DATA_FAR_RANGE_INCIDENCE_ANGLE",
    "nesz_db": "SOURCE_DATA_MAX_NOISE_EQUIVALENT_SIGMA_ZERO",
    "noise_removed": "PROCESSING_INFORMATION_NOISE_CORRECTION_APPLIED",
    "noise_reference": "PROCESSING_INFORMATION_NOISE_REMOVAL_ALGORITHM_REFERENCE",
    "rtc_algorithm": "PROCESSING_INFORMATION_RADIOMETRIC_TERRAIN_CORRECTION_ALGORITHM",
    "rtc_reference": "PROCESSING_INFORMATION_RADIOMETRIC_TERRAIN_CORRECTION_ALGORITHM_REFERENCE",
    "geocoding_algorithm": "PROCESSING_INFORMATION_GEOCODING_ALGORITHM",
    "geocoding_reference": "PROCESSING_INFORMATION_GEOCODING_ALGORITHM_REFERENCE",
    "accuracy_bias_x_m": "QA_GEOMETRIC_ACCURACY_BIAS_X",
    "accuracy_bias_y_m": "QA_GEOMETRIC_ACCURACY_BIAS_Y",
    "accuracy_std_x_m": "QA_GEOMETRIC_ACCURACY_STDDEV_X",
    "accuracy_std_y_m": "QA_GEOMETRIC_ACCURACY_STDDEV_Y",
}
"""Fact -> tag of the GeoTIFF of a polarization."""

IN_PART = "fetched_in_part"
"""Fact of a granule: its layers of which only some blocks were fetched, so that their files were not checked."""

MARK = "tag:"
"""Beginning of the names of facts among those that a piece of the rule bursts keeps."""


def facts_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the known facts among the tags of a GeoTIFF; empty if they are gone.

    Examples
    --------
    >>> facts_of({"BEAM_ID": "IW2", "AREA_OR_POINT": "Area"})
    {'beam': 'IW2'}
    """
    known = {name.upper(): text.strip() for name, text in tags.items()}
    return {fact: known[tag] for fact, tag in TAGS.items() if known.get(tag) and not known[tag].startswith("(NOT ")}


def combined(facts: Mapping[str, Mapping[str, str]]) -> dict[str, Any] | None:
    """Combine the facts of granules: those that all share once, the others by granule; None if there are none.

    Parameters
    ----------
    facts : mapping
        Granule id -> result of `facts_of`, and `IN_PART`.
    """
    known = {*TAGS, IN_PART}
    every = [{fact: text for fact, text in of_one.items() if fact in known} for of_one in facts.values()]
    if not any(every):
        return None
    common = {fact: text for fact, text in every[0].items() if all(other.get(fact) == text for other in every)}
    own = {
        name: {f: t for f, t in sorted(of_one.items()) if f not in common}
        for name, of_one in sorted(zip(facts, every, strict=True))
    }
    return {"common": dict(sorted(common.items())), "granules": {name: rest for name, rest in own.items() if rest}}


def values_of(source: Mapping[str, Any] | None, fact: str) -> list[str]:
    """Return the distinct values of a fact over all granules of a record, sorted; empty if none is known."""
    if not source:
        return []
    if fact in source["common"]:
        return [source["common"][fact]]
    return sorted({own[fact] for own in source["granules"].values() if fact in own})
