"""The pod that `flowerbed restore` makes from the chart's StatefulSet, for every shipped values file."""

from __future__ import annotations

import pytest

from flowerbed import names
from flowerbed.backups.cluster import holding
from flowerbed.errors import UsageError
from support.chart_release import CASES, Case, Pod, check_schemas, dump
from support.network_graph import selects
from support.pod_security import violations

SUPERLINKS = [case for case in CASES if case.chart == "superlink"]


def guarded(case: Case) -> bool:
    return bool(case.values.get("networkPolicy", {}).get("enabled", True))


def policies_of(case: Case, labels: dict[str, str]) -> list[dict[str, object]]:
    """Return what the NetworkPolicies let in and out of a pod with these labels."""
    found = (policy["spec"] for policy in case.render().of("NetworkPolicy"))
    return [
        {way: spec[way] for way in ("ingress", "egress")}
        for spec in found
        if selects(spec["podSelector"], labels)
    ]


@pytest.mark.parametrize("case", SUPERLINKS, ids=str)
def test_it_has_the_volume_and_nothing_else(case: Case) -> None:
    """It passes Pod Security `restricted`, has no token and no Secret, and may go where the SuperLink may."""
    found = case.render().one("StatefulSet")
    spec = found["spec"]["template"]["spec"]
    if not any("persistentVolumeClaim" in volume for volume in spec["volumes"]):
        with pytest.raises(UsageError, match="keeps no state"):
            holding("hospitals-restore", found, "python")
        return
    pod = holding("hospitals-restore", found, "python")
    check_schemas(dump(pod))
    assert violations(Pod("Pod/hospitals-restore", "hospitals", {}, {}, pod["spec"])) == []
    assert {next(key for key in one if key != "name") for one in pod["spec"]["volumes"]} == {
        "persistentVolumeClaim",
        "emptyDir",
    }
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert policies_of(case, pod["metadata"]["labels"]) == [{"ingress": [], "egress": []}] * guarded(case)
    assert pod["spec"].get("nodeSelector") == spec.get("nodeSelector")
    (container,) = pod["spec"]["containers"]
    assert container["image"] == next(
        one["image"] for one in spec["containers"] if one["name"] == "superlink"
    )
    mounts = {one["mountPath"] for one in container["volumeMounts"]}
    assert mounts == {names.STATE_FOLDER, "/tmp"}


def test_some_superlink_keeps_its_state_and_some_does_not() -> None:
    """Both branches above are taken."""
    kept = {
        any("persistentVolumeClaim" in volume for volume in found["spec"]["template"]["spec"]["volumes"])
        for case in SUPERLINKS
        for found in case.render().of("StatefulSet")
    }
    assert kept == {True, False}


def test_without_its_labels_no_policy_holds() -> None:
    """Positive control: it is the release's labels by which the policy finds the pod."""
    case = next(one for one in SUPERLINKS if guarded(one))
    assert policies_of(case, {"app.kubernetes.io/component": "restore"}) == []
