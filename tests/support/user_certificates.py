"""What the tests of revocation share: a user's certificate, and what the lists say of one."""

from __future__ import annotations

from pathlib import Path

import yaml

from flowerbed.identities import ClientCertificate


def certificate(folder: Path, user: str) -> ClientCertificate:
    home = folder / "users" / user
    return ClientCertificate((home / "client.crt").read_bytes(), (home / "client.key").read_bytes())


def passes(folder: Path, pair: ClientCertificate) -> bool:
    """Return whether the coordinator's values let a certificate in, compared as haproxy.cfg does."""
    values = yaml.safe_load((folder / "coordinator/values.yaml").read_text())
    if pair.name not in values["users"]:
        return False
    time: str = values.get("revoked", {}).get("users", {}).get(pair.name, "")
    return f"{pair.not_before:%Y-%m-%dT%H:%M:%SZ}" > time
