"""Variables that other software left for GDAL and PROJ."""

from __future__ import annotations

import os

import pytest

from s1monthly.workflow.environment import forget_foreign_settings

FOREIGN = ("CPL_TMPDIR", "gdal_data", "GTIFF_X", "OGR_X", "OSR_X", "PROJ_LIB", "TIFF_USE_OVR", "USE_RRD", "VSI_CACHE")
KEPT = ("AWS_REGION", "HTTPS_PROXY", "CURL_CA_BUNDLE", "TMPDIR")


def test_what_others_set_for_gdal_is_removed_and_what_s3_and_proxies_need_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in FOREIGN + KEPT:
        monkeypatch.setenv(name, "x")
    forget_foreign_settings()
    assert [name for name in FOREIGN + KEPT if name in os.environ] == [*KEPT]
