"""The assessment by CEOS-ARD: every requirement once, from what the record and the granules' tags tell, and no more."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from s1monthly.catalog.ceos_ard import ceos_ard
from s1monthly.records.month import Record
from s1monthly.records.source_facts import TAGS, combined, facts_of
from support.month_samples import month_record

# fmt: off
REQUIREMENTS = [
    "traceability-sar", "machine-readability-sar", "product-type", "pfs-url", "time-sar", "acquisition-id",
    "data-access-source", "instrument-sar", "time-source", "acquisition-parameters-sar", "orbit",
    "processing-parameters", "image-attributes-sar", "performance-indicators",
    "polarimetric-calibration-matrices", "ionosphere-indicator", "data-access-product", "auxiliary-data-sar",
    "sample-spacing", "enl", "resolution", "filtering-speckle", "geo-bbox", "geo-area-sar", "image-size",
    "pixel-coordinate-convention", "crs-sar", "processing-cb", "machine-readability-sar", "data-mask",
    "noise-power", "acquisition-id-composite", "dem", "contributing-observations", "composite-quality-map",
    "backscatter-cb", "scaling-conversion", "noise-removal", "radiometric-terrain-algorithm-applied",
    "radiometric-accuracy-sar", "geometric-correction-algorithm", "dem", "geometric-accuracy-sar",
    "geometric-refined-accuracy", "gridding-convention",
]
# fmt: on
"""As pfs/CB/document.yaml, version 1.1.0, lists them."""


def tagged(record: Record, **changed: str) -> Record:
    """Give a record the tags of OPERA's files: the SLC is another for each granule, the rest the same."""
    facts = {}
    for number, granule in enumerate(record.granules or ()):
        tags = {tag: f"value of {fact}" for fact, tag in TAGS.items()}
        tags |= {"INPUTS_L1_SLC_GRANULES": f"S1A_SLC_{number}", "AREA_OR_POINT": "Area", **changed}
        facts[granule.id] = facts_of(tags)
    return replace(record, source=combined(facts))


def found(record: Record, *products: str) -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry for entry in ceos_ard(record, products)["requirements"]}


def test_every_requirement_stands_there_once_in_order() -> None:
    document = ceos_ard(month_record(), ())
    assert [entry["id"] for entry in document["requirements"]] == REQUIREMENTS
    statuses = Counter(entry["status"] for entry in document["requirements"])
    assert document["summary"] == statuses and statuses.keys() <= {"met", "partly", "not met"}
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert "No certification" in document["statement"]
    for entry in document["requirements"]:
        assert entry["status"] == "not met" or ("value" in entry and entry["from"]), entry
        assert entry["status"] == "met" or entry["level"] == "goal" or entry["note"], entry


def test_without_tags_it_says_so() -> None:
    entries = found(month_record())
    assert entries["performance-indicators"]["status"] == "not met"
    assert (
        entries["performance-indicators"]["note"] == "not known: nesz_db (the granules' files have lost OPERA's tags)"
    )
    assert (entries["orbit"]["status"], entries["orbit"]["value"]) == ("partly", {"pass": "ASCENDING"})
    assert "value" not in entries["geometric-accuracy-sar"]


def test_tags_are_told_with_where_they_come_from() -> None:
    entries = found(tagged(month_record()))
    for name in ("orbit", "performance-indicators", "noise-removal", "geometric-accuracy-sar", "image-attributes-sar"):
        assert entries[name]["status"] == "met" and "tags of OPERA" in entries[name]["from"], name
    assert entries["performance-indicators"]["value"] == {"nesz_db": "value of nesz_db"}
    processing = entries["processing-parameters"]
    assert processing["status"] == "partly" and "number of looks" in processing["note"]
    assert len(processing["value"]["slc"]) == len(month_record().granules or ())


def test_what_opera_does_not_provide_is_not_known() -> None:
    entries = found(tagged(month_record(), SOURCE_DATA_ACCESS="(NOT PROVIDED)"))
    assert entries["data-access-source"]["status"] == "not met" and "lost" not in entries["data-access-source"]["note"]


def test_acquisitions_are_numbered_by_time() -> None:
    document = ceos_ard(tagged(month_record()), ())
    numbers = [one["number"] for one in document["acquisitions"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [one["acquired"] for one in document["acquisitions"]] == sorted(
        o["acquired"] for o in document["acquisitions"]
    )
    assert all(one["beam"].startswith("IW") and one["source"]["slc"] for one in document["acquisitions"])
    rebuilt = ceos_ard(replace(month_record(), granules=None, set_aside=None), ())
    assert rebuilt["acquisitions"] is None


@pytest.mark.parametrize(
    ("products", "radiometry", "status"),
    [((), None, "partly"), (("power",), None, "met"), (("power",), "beta0", "not met")],
)
def test_linear_power_of_gamma0_is_asked_for(products: tuple[str, ...], radiometry: str | None, status: str) -> None:
    record = month_record()
    if radiometry:
        record = replace(record, recipe={**record.recipe, "radiometry": radiometry})
    assert found(record, *products)["backscatter-cb"]["status"] == status


def test_methods_are_named_with_their_papers() -> None:
    record = month_record()
    entries = found(record)
    assert entries["filtering-speckle"]["value"]["doi"] == "10.1137/080725891"
    assert entries["processing-cb"]["status"] == "partly", "a median has no paper"
    local = replace(record, recipe={**record.recipe, "composite": {"method": "local_resolution"}})
    assert found(local)["processing-cb"]["value"]["doi"] == "10.1109/IGARSS.2012.6350465"
    plain = replace(record, recipe={**record.recipe, "despeckle": None})
    assert found(plain)["filtering-speckle"]["value"] == {"applied": False}


def test_the_record_keeps_them_and_older_records_stay() -> None:
    plain, with_tags = month_record(), tagged(month_record())
    assert '"source"' not in plain.to_json() and Record.from_json(plain.to_json()) == plain
    assert Record.from_json(with_tags.to_json()) == with_tags and combined({"a": {}, "b": {}}) is None
    assert with_tags.source and len(with_tags.source["common"]) == len(TAGS) - 1


def test_a_quality_cog_is_the_data_mask() -> None:
    assert found(month_record())["data-mask"]["status"] == "partly"
    assert found(month_record(), "cog", "quality")["data-mask"]["status"] == "met"
