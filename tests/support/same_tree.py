"""What an output tree holds, apart from when it was made: two trees are the same where this is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


def content(tree: Path) -> dict[str, str]:
    """Digest of every file of an output tree, by relative path.

    Left out are the work folder, hidden files (locks), and in ``search.json`` the time at which the source was asked.
    """
    found = {}
    for path in sorted(tree.rglob("*")):
        name = path.relative_to(tree)
        if path.is_file() and name.parts[0] != "work" and not any(part.startswith(".") for part in name.parts):
            told = _undated(path) if name.name == "search.json" else path.read_bytes()
            found[str(name)] = hashlib.sha256(told).hexdigest()
    return found


def _undated(path: Path) -> bytes:
    account = json.loads(path.read_text(encoding="utf-8"))
    for answer in account["months"].values():
        del answer["asked"]
    return json.dumps(account, sort_keys=True).encode()
