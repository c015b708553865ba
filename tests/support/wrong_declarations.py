"""The table of wrong declarations, unit/declaration/wrong_declarations.txt, as cases."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from support.ca_certificate import CERTIFICATE
from support.paths import TESTS

TABLE = TESTS / "unit" / "declaration" / "wrong_declarations.txt"
CHOICE = re.compile("«(.*?)→(.*?)»", re.DOTALL)
ANSWER = re.compile(r"-- (\d+):(\d+) (.*?): (.+)")


@dataclass(frozen=True)
class Case:
    """A declaration with one wrong thing, and the same one with it put right."""

    section: str
    name: str
    wrong: str
    right: str
    place: tuple[int, int]
    path: str
    says: str


def openssh(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def escaped(pem: bytes) -> str:
    """Return PEM as it stands inside double quotes."""
    return pem.decode().replace("\n", "\\n")


P384 = [ec.derive_private_key(seed, ec.SECP384R1()) for seed in (1, 2, 3)]
KOBLITZ = ec.derive_private_key(7, ec.SECP256K1()).public_key()
WORDS = {
    "@head@\n": "version: 1\nname: hospitals\n",
    "@north@\n": "tenants:\n  - name: north\n    nodes: 2\n",
    "@tab@": "\t",
    "@hidden@": "\u200b",
    "@21000@": "".join(f"\n  - {{name: t{index}, nodes: 1000}}" for index in range(21)),
    "@key1@": openssh(P384[0]),
    "@key2@": openssh(P384[1]),
    "@private@": escaped(P384[2].private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())),
    "@ed25519@": openssh(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))),
    "@ca@": escaped(CERTIFICATE.encode()),
    "@koblitz@": escaped(KOBLITZ.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)),
}


def cases() -> list[Case]:
    """Return every case of the table, in its order."""
    found: list[Case] = []
    section = ""
    for block in re.split(r"\n\n+", TABLE.read_text().strip()):
        if block.startswith("# "):
            section = block[2:]
            continue
        name, _, rest = block.removeprefix("== ").partition("\n")
        text, _, answer = rest.rpartition("\n")
        line, column, path, says = ANSWER.fullmatch(answer).groups()  # type: ignore[union-attr]
        text += "\n"
        for word, meant in WORDS.items():
            text = text.replace(word, meant)
        wrong, right = CHOICE.sub(r"\1", text), CHOICE.sub(r"\2", text)
        found.append(Case(section, name, wrong, right, (int(line), int(column)), path, says))
    return found


CASES = cases()
