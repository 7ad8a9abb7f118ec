"""After a run that failed: catalogue the tiles in which it finished something, and report what cannot be catalogued."""

import argparse
import sys
from pathlib import Path

from s1monthly.audit.report import count_of
from s1monthly.catalog.table import NO_DATA, UNUSABLE, folder_name
from s1monthly.catalog.update import catalog_all, catalog_tile
from s1monthly.errors import S1MonthlyError


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="folders of tiles and directions, of one output tree")
    folders = parser.parse_args(argv).folders
    faults = []
    for folder in folders:
        try:
            catalog_tile(folder)
        except (S1MonthlyError, OSError) as error:
            faults.append(error)
    try:
        rows, _ = catalog_all(folders[0].parent)
    except (S1MonthlyError, OSError) as error:
        faults.append(error)
        rows = []
    for fault in faults:
        print(f"not catalogued: {fault}")
    without = sum(row["status"] in (NO_DATA, UNUSABLE) for row in rows)
    tiles = len({folder_name(row) for row in rows})
    extent = f"{count_of(len(rows) - without, 'month')} of {count_of(tiles, 'folder')}"
    print(f"catalogued: {extent}" + (f", {without} without data" if without else ""))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
