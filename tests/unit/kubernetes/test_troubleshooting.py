"""The known symptoms, which docs/reference/troubleshooting.md lists: each is recognized, and has a remedy."""

from __future__ import annotations

import re

import pytest

from flowerbed.kubernetes.diagnosis.findings import OTHER, Symptom, symptom_of, symptoms
from support.paths import ROOT


def test_keys_and_titles_are_used_once() -> None:
    """Each symptom can be told from the others by either."""
    assert len({symptom.key for symptom in symptoms()}) == len(symptoms())
    assert len({symptom.title for symptom in symptoms()}) == len(symptoms())


@pytest.mark.parametrize("symptom", symptoms(), ids=lambda symptom: symptom.key)
def test_an_example_leads_to_its_symptom(symptom: Symptom) -> None:
    """Each text is told from all the others, and from those that stand before it in the list."""
    assert symptom_of(symptom.example) == symptom


def test_the_unknown_is_told_as_such() -> None:
    """A text that nobody foresaw gets the advice where to look."""
    assert symptom_of("the moon is full") is OTHER
    # Helm's words on an API server that is away are no word on the SuperLink.
    assert symptom_of('kubernetes cluster unreachable: Get "https://192.0.2.1:6443/version"') is OTHER
    assert "kubectl" in OTHER.remedy


def test_the_reasons_of_a_waiting_supernode_are_all_known() -> None:
    """Whatever the program `supernode` may give as its reason has a symptom, and not that of a crash."""
    text = (ROOT / "generator/flowerbed/flower/programs/supernode.py").read_text(encoding="utf-8")
    reasons = re.findall(r'f?"((?:not admitted|clock skew|wrong \w+|unreachable)[^"]*)"', text)
    assert len(reasons) >= 7
    assert {symptom_of(reason).key for reason in reasons} & {"other", "crash"} == set()


def test_every_remedy_says_what_to_do() -> None:
    """No symptom is without cause or remedy, and verbs that remedies name exist."""
    from flowerbed.cli.verbs import VERBS

    for symptom in symptoms():
        assert symptom.cause
        assert symptom.remedy
        assert set(re.findall(r"`flowerbed (\w+)", symptom.remedy)) <= set(VERBS)
