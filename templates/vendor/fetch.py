"""Fetch the libraries of the page anew with ``npm pack``, at the versions and with the hashes of manifest.json.

    python templates/vendor/fetch.py            # write the files; one with another hash is refused
    python templates/vendor/fetch.py --check    # only say whether the files here have the manifest's hashes

To move to another version: edit "version" in the manifest, run with ``--pin``, which writes the hashes of what came,
and look at what changed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MANIFEST = HERE / "manifest.json"


def main(words: list[str] | None = None) -> int:
    """Do what the words ask for; 1 where a file is missing or another than the manifest says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare the files here, fetch nothing")
    parser.add_argument("--pin", action="store_true", help="write the hashes of what is fetched into the manifest")
    options = parser.parse_args(words)
    rows = json.loads(MANIFEST.read_text(encoding="utf-8"))
    if options.check:
        wrong = [file["name"] for row in rows for file in row["files"].values() if not _right(file)]
        for name in wrong:
            print(f"{name}: missing, or not what the manifest says; run {HERE.name}/fetch.py", file=sys.stderr)
        return int(bool(wrong))
    if shutil.which("npm") is None:
        print("npm is missing: install Node.js, or take the files as they are", file=sys.stderr)
        return 1
    fetched = [(file, data) for row in rows for file, data in _fetch(row)]
    for file, data in fetched:
        if options.pin:
            file["sha256"] = sha256(data).hexdigest()
        elif sha256(data).hexdigest() != file["sha256"]:
            print(f"{file['name']}: what was fetched has another hash than the manifest says", file=sys.stderr)
            return 1
    for file, data in fetched:
        (HERE / file["name"]).write_bytes(data)
    if options.pin:
        MANIFEST.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


def _right(file: dict[str, str]) -> bool:
    path = HERE / file["name"]
    return path.is_file() and sha256(path.read_bytes()).hexdigest() == file["sha256"]


def _fetch(row: dict[str, Any]) -> list[tuple[dict[str, str], bytes]]:
    """Each file of a library with its content."""
    with tempfile.TemporaryDirectory() as place:
        package = f"{row['name']}@{row['version']}"
        subprocess.run(
            ["npm", "pack", "--silent", "--pack-destination", place, package], check=True, stdout=subprocess.DEVNULL
        )
        (archive,) = Path(place).iterdir()
        with tarfile.open(archive) as files:
            return [(file, _member(files, f"package/{file['path']}")) for file in row["files"].values()]


def _member(files: tarfile.TarFile, name: str) -> bytes:
    member = files.extractfile(name)
    assert member is not None, f"{name} is no plain file"
    return member.read()


if __name__ == "__main__":
    sys.exit(main())
