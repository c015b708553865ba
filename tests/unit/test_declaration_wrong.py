"""Wrong declarations (wrong_declarations.txt): what each gets, where, and the neighbour that passes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from ca_certificate import CERTIFICATE
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from flowerbed.declaration import load
from flowerbed.errors import DeclarationError, Problem

TABLE = Path(__file__).with_name("wrong_declarations.txt")
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
each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def problems_of(text: str, folder: Path) -> tuple[Problem, ...]:
    """Return what a text is refused for."""
    file = folder / "federation.yaml"
    file.write_text(text)
    with pytest.raises(DeclarationError) as caught:
        load(file)
    return caught.value.problems


@each_case
def test_each_wrong_thing_is_named_where_it_stands(case: Case, tmp_path: Path) -> None:
    """A wrong declaration gets exactly one problem, with its line, column, key path, message and remedy."""
    problems = problems_of(case.wrong, tmp_path)
    assert [(problem.line, problem.column, problem.key_path) for problem in problems] == [
        (*case.place, case.path)
    ]
    assert case.says in problems[0].message
    assert problems[0].remedy


@each_case
def test_the_neighbour_passes(case: Case, tmp_path: Path) -> None:
    """The same declaration with that one thing put right is accepted."""
    file = tmp_path / "federation.yaml"
    file.write_text(case.right)
    load(file)


@each_case
def test_messages_are_short_lines(case: Case, tmp_path: Path) -> None:
    """Message and remedy are printable and stay on one line, whatever the file holds."""
    for problem in problems_of(case.wrong, tmp_path):
        assert problem.message.isprintable()
        assert problem.remedy.isprintable()
        assert len(problem.message) < 250


@pytest.mark.parametrize(
    "name", ["private key", "CA with its key", "ed25519", "other curve", "number in env"]
)
def test_keys_and_environment_are_never_repeated(name: str, tmp_path: Path) -> None:
    """What may be secret is not in the message, however wrong it is."""
    case = next(case for case in CASES if case.name == name)
    shown = " ".join(f"{problem.message} {problem.remedy}" for problem in problems_of(case.wrong, tmp_path))
    secret = CHOICE.search(TABLE.read_text().partition(f"== {name}\n")[2])
    assert secret is not None
    for word, meant in WORDS.items():
        value = secret.group(1).replace(word, meant)
        assert value[:30].strip('"') not in shown
    assert "8080" not in shown
