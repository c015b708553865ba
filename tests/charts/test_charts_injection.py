"""Hostile text in values arrives letter for letter, and makes nothing else."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from support.chart_release import HELMS, Refused, Release, render
from support.local_pod import expand

HOSTILE = [
    'q" \' ` \\ \\" \\n',
    "a\nb: c\n- d\n---\nkind: Pod\n",
    "{{ .Values.tls }} {{- fail \"x\" }} {{/* */}} }} {{",
    "$(HOME) $$(HOME) $HOME ${HOME} `id` $(id); rm -rf / && x || y",
    "../../../../etc/passwd",
    "<!-- --> # comment & *anchor !tag %directive @x",
    "é 😀 \u2028 \u0085 tab\there",
    "yes", "null", "~", "0x10", "1e3", "1_000", "12:30:00", "2026-01-01", ".inf", "=", "",
    " leading and trailing ",
    "--insecure", "true",
]  # fmt: skip
# TOML takes no bare control characters: these must be escaped on the way out again.
CONTROLS = "\x00\x01\x07\x08\x1b\x1f\x7f"


def toml_string(text: str) -> str:
    """Return a TOML basic string, as its grammar says (TOML 1.0, strings)."""
    special = {'"': '\\"', "\\": "\\\\"}
    inner = "".join(
        special.get(letter)
        or (f"\\u{ord(letter):04x}" if ord(letter) < 0x20 or ord(letter) == 0x7F else letter)
        for letter in text
    )
    return f'"{inner}"'


def supernode(values: dict[str, Any], helm: str = "helm") -> Release:
    """Return a release of one SuperNode."""
    base = {"superlink": {"address": "x:1"}, "tls": {"existingSecret": "ca"}}
    return render("supernode", {**base, **values}, helm=helm)


def environment(container: dict[str, Any]) -> dict[str, str]:
    """Return a container's own environment as its process sees it: Kubernetes expands $(NAME)."""
    found: dict[str, str] = {}
    for entry in container["env"]:
        if "value" in entry:
            found[entry["name"]] = expand(entry["value"], found)
    return found


@pytest.mark.parametrize("helm", HELMS)
def test_environment(helm: str) -> None:
    """Every value of `env` reaches the containers and task pods as it is."""
    env = {f"H{index}": text for index, text in enumerate(HOSTILE)}
    kubernetes = {"isolationMode": "process", "superexec": {"executor": "kubernetes"}}
    pods = supernode({"env": env, **kubernetes}, helm).pods()
    containers = [item for pod in pods for item in pod.spec["containers"]]
    assert len(containers) == 4  # SuperNode, SuperExec, test pod, task pod
    for container in containers:
        assert environment(container).items() >= env.items(), container["name"]


@pytest.mark.parametrize("helm", HELMS)
def test_node_config(helm: str) -> None:
    """Every string, number and key of the node config reaches the node with its type."""
    config: dict[str, Any] = {f"h{index}": text for index, text in enumerate([*HOSTILE, CONTROLS])}
    lines = [f"{key} = {toml_string(value)}" for key, value in config.items()]
    numbers = {"one": "1.0", "tiny": "5e-324", "big": str(2**63 - 1), "low": str(-(2**63)), "on": "true"}
    lines += [f"{key} = {text}" for key, text in numbers.items()]
    lines += [f"{toml_string(text)} = 1" for text in HOSTILE if text]
    text = "\n".join(lines)
    release = supernode({"node": {"config": text}}, helm)
    written = release.one("ConfigMap", "hospitals-north-nodes")["data"]["hospitals-north-0.toml"]
    read, expected = tomllib.loads(written), tomllib.loads(text)
    assert read == {"partition-id": 0, "num-partitions": 1, **expected}
    assert {key: type(value) for key, value in read.items() if key in numbers} == {
        "one": float, "tiny": float, "big": int, "low": int, "on": bool,
    }  # fmt: skip


@pytest.mark.parametrize("helm", HELMS)
def test_arguments(helm: str) -> None:
    """Arguments reach their program as they are; what is no flag is refused."""
    flags = [f"--flag={text}" for text in HOSTILE]
    values = {"extraArgs": flags, "isolationMode": "process", "superexec": {"extraArgs": flags}}
    (pod, *_) = supernode(values, helm).pods()
    for name in ("supernode", "superexec"):
        arguments = [expand(text, {"HOME": "expanded"}) for text in pod.container(name)["args"]]
        assert arguments[-len(flags) :] == flags
    with pytest.raises(Refused, match="extraArgs"):
        supernode({"extraArgs": ["x; y"]}, helm)


@pytest.mark.parametrize("helm", HELMS)
def test_annotations_fingerprints_and_paths(helm: str) -> None:
    """Annotations, mount paths and fingerprints carry any text and change nothing but themselves."""
    notes = {f"example.org/h{index}": text for index, text in enumerate(HOSTILE)}
    paths = [f"/{index}" + text.replace(":", "") for index, text in enumerate(HOSTILE)]
    release = supernode(
        {
            "podAnnotations": notes,
            "commonAnnotations": notes,
            "fingerprints": notes,
            "secrets": [{"name": "s", "mountPath": path} for path in paths],
        },
        helm,
    )
    assert release.identities == supernode({}, helm).identities
    (pod, *_) = release.pods()
    assert pod.annotations.items() >= notes.items()
    mounts = pod.container("supernode")["volumeMounts"]
    assert [mount["mountPath"] for mount in mounts][-len(paths) :] == paths
    assert release.one("StatefulSet")["metadata"]["annotations"] == notes


@pytest.mark.parametrize("helm", HELMS)
def test_inline_app_and_run_config(helm: str) -> None:
    """An inline app's files and the run config are in their ConfigMaps letter for letter."""
    files = {f"f{index}.py": text for index, text in enumerate(HOSTILE)} | {
        "pyproject.toml": "\n".join(HOSTILE)
    }
    config = f"word = {toml_string(''.join(HOSTILE))}\n"
    values = {
        "superlink": {"address": "x:1"},
        "tls": {"existingSecret": "u"},
        "user": {"existingSecret": "u"},
        "app": {"inline": files},
        "runConfig": config,
        "rerun": HOSTILE[2],
        "env": {"WORD": HOSTILE[3]},
    }
    release = render("app", values, helm=helm)
    data = release.one("ConfigMap", "digits-app")["data"]
    (pod,) = [pod for pod in release.pods() if pod.owner.startswith("Job/")]
    (inline,) = [volume for volume in pod.spec["volumes"] if volume["name"] == "inline"]
    assert {item["path"]: data[item["key"]] for item in inline["configMap"]["items"]} == files
    assert release.one("ConfigMap", "digits-run")["data"]["run.toml"] == config
    assert environment(pod.container("submit"))["WORD"] == HOSTILE[3]


@pytest.mark.parametrize(
    ("chart", "values"),
    [
        ("supernode", {"superlink": {"address": "x:1 --insecure"}}),
        ("supernode", {"superlink": {"address": "x:1\n- --insecure"}}),
        ("supernode", {"keys": {"existingSecret": "a\nb"}}),
        ("supernode", {"tls": {"key": "../x"}}),
        ("supernode", {"python": "sh -c x"}),
        ("supernode", {"env": {"FLOWERBED_NODE": "another-node"}}),
        ("supernode", {"env": {"A B": "x"}}),
        ("supernode", {"clusterDomain": "x.y z"}),
        ("supernode", {"image": {"tag": "x y"}}),
        ("supernode", {"secrets": [{"name": "a", "mountPath": "relative"}]}),
        ("app", {"app": {"git": {"url": "https://x", "ref": "--upload-pack=x"}}}),
        ("app", {"app": {"git": {"url": "file:///etc", "ref": "main"}}}),
        ("app", {"app": {"git": {"url": "https://x", "ref": "main", "path": "../x"}}}),
        ("app", {"app": {"archive": {"url": "ftp://x", "sha256": "0" * 64}}}),
        ("app", {"app": {"inline": {"/etc/passwd": "x"}}}),
        ("app", {"timeout": "5m; x"}),
    ],
)
def test_what_is_no_name_is_refused(chart: str, values: dict[str, Any]) -> None:
    """Names, addresses, paths and references of sources take no other text: the schema refuses it."""
    with pytest.raises(Refused, match="don't meet the specifications of the schema"):
        render(chart, values)
