"""What the workflow makes is valid; what is lost comes back by the commands told, and no other work is done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import catalog_rebuild
import catalog_validate
from s1monthly.catalog.document import read_document
from s1monthly.records.month import read_record
from support import stac_rules
from support.runs import CATALOGS, CONFIG, add, product
from support.short_commands import short
from support.workflow import ROOT, run_snakemake

MONTH = "2021-11"
VALID = "valid: 1 month of 1 tile"


def test_a_tree_of_the_workflow_is_valid_and_can_be_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add(tmp_path, MONTH, day=10, power=0.1)
    run_snakemake(tmp_path, CONFIG)
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, str(ROOT / "scripts" / "catalog_validate.py"), "--output-dir", "output", "--digests"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"{VALID}\n"
    stac_rules.validate(read_document(product(tmp_path, "item", MONTH)))
    stac_rules.validate(read_document(tmp_path / "output" / "collection.json"))

    # a record and an Item come back without a run; the next run reads the granules again
    record, item = (product(tmp_path, name, MONTH) for name in ("record", "item"))
    before = read_record(record)
    record.unlink()
    item.write_text(item.read_text().replace("sentinel-1a", "sentinel-2a"))
    assert catalog_validate.main([]) == 1
    assert "  $ python scripts/catalog_rebuild.py --output-dir output\n" in short(capsys.readouterr().out)
    assert catalog_rebuild.main([]) == 0
    assert read_record(record).unknown and read_record(record).digest == before.digest
    assert catalog_validate.main(["--digests"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == VALID
    assert run_snakemake(tmp_path, CONFIG).jobs == {"bursts": 1, "composite": 1, "publish": 1, **CATALOGS}
    assert read_record(record) == before

    # a COG that was cut short and a preview that is gone need the commands that are told, and granules are not read
    cog = product(tmp_path, "cog", MONTH)
    whole = cog.read_bytes()
    cog.write_bytes(whole[:-500])
    product(tmp_path, "preview", MONTH).unlink()
    assert catalog_validate.main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    commands = {short(line.removeprefix("  $ ")) for line in lines if line.startswith("  $ ")}
    assert commands == {f"rm {cog.relative_to(tmp_path)}", "snakemake --cores 4 --configfile my.yaml"}
    cog.unlink()
    assert run_snakemake(tmp_path, CONFIG).jobs == {"publish": 1, **CATALOGS}
    assert cog.read_bytes() == whole
    assert catalog_validate.main(["--digests"]) == 0
    assert capsys.readouterr().out == f"{VALID}\n"
