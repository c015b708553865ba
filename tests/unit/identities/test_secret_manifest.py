"""Secret manifests: the text is what Kubernetes reads, and only our own text is read back."""

from __future__ import annotations

import random
import string
from pathlib import Path

import pytest
import yaml

from flowerbed.errors import IdentityError
from flowerbed.identities.secret_manifest import HEADER, OPAQUE, TLS, Secret, parse, render

PATH = Path("bundles/x/secrets.yaml")
PEM = b"-----BEGIN X-----\nabc=\n-----END X-----\n"
TWO = (
    Secret("a-tls", "hub", TLS, {"tls.crt": PEM, "tls.key": PEM, "ca.crt": PEM}),
    Secret("a-superexec", "hub", OPAQUE, {"secret": b"x-_y"}),
)


def test_the_text_is_what_kubernetes_reads() -> None:
    """A YAML reader sees v1 Secrets with stringData, values to the last newline."""
    assert list(yaml.safe_load_all(render(TWO))) == [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "a-tls", "namespace": "hub"},
            "type": "kubernetes.io/tls",
            "stringData": {key: PEM.decode() for key in ("tls.crt", "tls.key", "ca.crt")},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "a-superexec", "namespace": "hub"},
            "type": "Opaque",
            "stringData": {"secret": "x-_y"},
        },
    ]


def test_the_first_line_warns() -> None:
    """Whoever opens the file reads that it is generated and secret."""
    first = render(TWO).decode().splitlines()[0]
    assert first == HEADER.rstrip()
    assert "enerated" in first
    assert "secret" in first


def test_the_text_is_a_function_of_the_content() -> None:
    """The same Secrets give the same bytes, and reading gives the same Secrets."""
    assert render(TWO) == render(parse(render(TWO), PATH))
    assert parse(render(TWO), PATH) == TWO


@pytest.mark.parametrize("word", ["on", "null", "1e3", "0x10", "2026-11-24", "1", "~", "y"])
def test_names_that_yaml_would_bend_stay_text(word: str) -> None:
    """Names that look like numbers, dates or booleans reach Kubernetes as text."""
    name = word.replace("~", "t")
    secret = Secret(name, name, OPAQUE, {name: b"null", f"{name}.b": b"2026-11-24\n"})
    (read,) = yaml.safe_load_all(render([secret]))
    assert read["metadata"] == {"name": name, "namespace": name}
    assert read["stringData"] == {name: "null", f"{name}.b": "2026-11-24\n"}
    assert parse(render([secret]), PATH) == (secret,)


def test_many_random_values_come_back() -> None:
    """500 random values of printable lines survive writing and reading, in Kubernetes' eyes too."""
    chance = random.Random(11)
    first = string.ascii_letters + string.digits + string.punctuation
    for turn in range(500):
        lines = [
            chance.choice(first) + "".join(chance.choices(first + " ", k=chance.randint(0, 70)))
            for _ in range(chance.randint(1, 6))
        ]
        value = "\n".join(lines) + "\n" * (turn % 2)
        secret = Secret("a", "b", OPAQUE, {"k": value.encode()})
        assert parse(render([secret]), PATH) == (secret,)
        assert yaml.safe_load(render([secret]))["stringData"]["k"] == value


@pytest.mark.parametrize(
    "value", [b"", b"\n", b" x", b"a\n\nb", b"a\n b", b"a\n\n", b"\xff", b"a\tb", b"a\r\nb", b"a\x00"]
)
def test_values_that_could_bend_are_not_written(value: bytes) -> None:
    """A value that a block scalar might change is a defect of ours, found before anything is written."""
    with pytest.raises(ValueError, match="not a value for a Secret manifest: k"):
        render([Secret("a", "b", OPAQUE, {"k": value})])


@pytest.mark.parametrize("key", ["", "a b", 'a"', "a/b", "é"])
def test_keys_that_kubernetes_refuses_are_not_written(key: str) -> None:
    """A Secret's key holds letters, digits, dot, dash and underscore."""
    with pytest.raises(ValueError, match="not a value for a Secret manifest"):
        render([Secret("a", "b", OPAQUE, {key: b"x"})])


GOOD = render(TWO[1:]).decode()
FOREIGN = {
    "empty": ("", "it is empty"),
    "not YAML": (GOOD + "}\n", "line 12 is not YAML"),
    "not text": ("\x00", "is not YAML"),
    "a list": ("- a\n", "it is not a mapping"),
    "null": ("---\n", "it is not a mapping"),
    "another kind": (GOOD.replace("kind: Secret", "kind: ConfigMap"), "not a v1 Secret"),
    "another version": (GOOD.replace("apiVersion: v1", "apiVersion: v2"), "not a v1 Secret"),
    "data in base64": (GOOD.replace("stringData:", "data:"), "does not consist of apiVersion, kind"),
    "one more key": (GOOD + "immutable: true\n", "does not consist of apiVersion, kind"),
    "one key less": (GOOD.replace("type: Opaque\n", ""), "does not consist of apiVersion, kind"),
    "labels": (
        GOOD.replace("metadata:\n", "metadata:\n  labels: {}\n"),
        "does not consist of name and namespace",
    ),
    "a key twice": (GOOD + '  "secret": canary\n', "line 12 repeats a key"),
    "a list as value": (GOOD.replace("|-\n    x-_y", "[canary]"), "line 10 should hold plain text"),
    "a blank line": (GOOD.replace("x-_y", "canary\n\n    x"), "line 10 holds no key, certificate or secret"),
    "other letters": (GOOD.replace("x-_y", "canaryé"), "line 10 holds no key, certificate or secret"),
    "entries as text": (GOOD.split("stringData:")[0] + "stringData: canary\n", "stringData is not a mapping"),
    "a mapping as key": (GOOD + "  ? {a: canary}\n  : b\n", "line 12 should hold plain text"),
    "an open quote": (GOOD.replace("|-\n    x-_y", '"canary'), "is not YAML"),
}


@pytest.mark.parametrize("text", FOREIGN)
def test_what_is_not_ours_is_refused(text: str) -> None:
    """Any other text is refused with path, reason and remedy, and nothing that may be secret is quoted."""
    data, words = FOREIGN[text]
    with pytest.raises(IdentityError) as refusal:
        parse(data.encode(), PATH)
    assert words in refusal.value.what
    assert refusal.value.where == str(PATH)
    assert "flowerbed generate" in refusal.value.remedy
    assert "canary" not in str(refusal.value)


def test_bytes_that_are_no_text_are_refused() -> None:
    """Bytes outside UTF-8 get the same sentence as other foreign files."""
    with pytest.raises(IdentityError, match="not a Secret manifest as flowerbed writes it"):
        parse(b"\xff\xfe\xfa", PATH)


def test_comments_and_line_ends_do_not_matter() -> None:
    """A file that went through an editor which changed comments or line ends is still ours."""
    assert parse(b"# mine\n" + GOOD.encode().replace(b"\n", b"\r\n"), PATH) == TWO[1:]


def test_aliases_cannot_grow() -> None:
    """A file of nested aliases is refused at once: nothing is expanded."""
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(24)
    )
    with pytest.raises(IdentityError, match="does not consist of"):
        parse(bomb.encode(), PATH)
