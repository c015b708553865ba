"""docs/reference/troubleshooting.md: every known cause of trouble, in the words of the program."""

from __future__ import annotations

from flowerbed.kubernetes.diagnosis.findings import Symptom, symptoms


def section(symptom: Symptom) -> str:
    """Return what the page says of a symptom."""
    return (
        f"### {symptom.title}\n\n"
        f"    {symptom.example}\n\n"
        f"- Cause: {symptom.cause}.\n- Remedy: {symptom.remedy}.\n- In `--json`: `{symptom.key}`.\n"
    )


def listing() -> str:
    """Return the generated part of the page."""
    return "\n".join(section(symptom) for symptom in symptoms())
