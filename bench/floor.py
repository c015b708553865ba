"""The floor under `flowerbed generate`: the same keys made and serialised, the same files written, no more.

    python bench/floor.py NODE_KEYS CERTIFICATES SIZES FOLDER

SIZES is a JSON object: size in bytes by file name. Files are written where they belong, without a temporary
name, a check of what was there, or a mode.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def make_keys(nodes: int, certificates: int) -> None:
    """Make and serialise node keys (P-384, OpenSSH) and certificates' keys (P-256, PKCS#8)."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import ec

    for _ in range(nodes):
        key = ec.generate_private_key(ec.SECP384R1())
        key.private_bytes(s.Encoding.PEM, s.PrivateFormat.OpenSSH, s.NoEncryption())
        key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
    for _ in range(certificates):
        key = ec.generate_private_key(ec.SECP256R1())
        key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())


def write_files(sizes: dict[str, int], folder: Path) -> None:
    """Write files of these sizes, each folder made once."""
    for parent in sorted({str(Path(name).parent) for name in sizes}):
        (folder / parent).mkdir(parents=True, exist_ok=True)
    for name, size in sizes.items():
        with open(f"{folder}/{name}", "wb") as file:  # noqa: PTH123  (the quickest way)
            file.write(b"x" * size)


if __name__ == "__main__":
    make_keys(int(sys.argv[1]), int(sys.argv[2]))
    write_files(json.loads(Path(sys.argv[3]).read_bytes()), Path(sys.argv[4]))
