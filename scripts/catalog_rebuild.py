"""Rebuild every catalog and the Collection from what lies in the output tree."""

import argparse
import sys
from pathlib import Path

from s1monthly.catalog import global_rows, tile_rows, write_catalog
from s1monthly.collection import collection
from s1monthly.errors import S1MonthlyError
from s1monthly.naming import Layout
from s1monthly.stac import write_document


def main(base_dir):
    folders = sorted(
        {path.parent for path in base_dir.glob("*/search.json")} | {p.parent for p in base_dir.glob("*/months")}
    )
    failures = []
    for folder in folders:
        try:
            rows = tile_rows(folder)
            write_catalog(folder / "catalog.parquet", rows)
            print(f"{folder}: {len(rows)} months")
        except S1MonthlyError as error:  # the other tiles are catalogued all the same
            failures.append(str(error))
    if not folders:
        print(f"{base_dir}: no months to catalog")
        return
    layout = Layout(str(base_dir), "")
    rows = global_rows(base_dir)
    write_catalog(layout.catalog, rows)
    write_document(layout.collection, collection(rows))
    print(f"{layout.catalog}: {len(rows)} months in {len(folders)} folders")
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output-dir", type=Path, required=True, help="root of the output tree (output.base_dir)")
    try:
        main(parser.parse_args().output_dir)
    except S1MonthlyError as error:
        sys.exit(str(error))
