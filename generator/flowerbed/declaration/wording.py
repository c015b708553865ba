"""Words for messages: what was meant, and what looks like something else."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from flowerbed.declaration.places import show

# Letters of other scripts that look like Latin ones, with the letter that they look like.
_LOOK_ALIKES = str.maketrans(
    "аɑαсԁеɡһіıјӏοоорԛѕυνѵхуγАВЕЗКМНОРСТХΑΒΕΖΗΙΚΜΝΟΡΤΥΧ‐‑‒–—−",
    "aaacdeghiijlooopqsuvvxyyABE3KMHOPCTXABEZHIKMNOPTYX------",
)
_TRIES = 500


@lru_cache(maxsize=_TRIES)
def _closest(word: str, known: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    plain = {re.sub("[-_]", "", name).lower(): name for name in known}
    latin = word.translate(_LOOK_ALIKES)
    if meant := plain.get(re.sub("[-_ ]", "", latin).lower()):
        return meant
    return next(iter(get_close_matches(latin, known, 1, 0.6)), "")


def closest(word: str, known: Collection[str]) -> str:
    """Return the known word that was probably meant, or ""."""
    # After so many tries the file is no declaration, and guessing would take longer than reading.
    if len(word) > 40 or len(known) > 200 or _closest.cache_info().misses >= _TRIES:
        return ""
    return _closest(word, tuple(known))


def did_you_mean(word: str, known: Collection[str]) -> str:
    """Return the remedy for a word that is not known: the likely one, else all of them."""
    if meant := closest(word, known):
        return f"did you mean {meant}?"
    listed = sorted(filter(str.isprintable, known))
    if not listed:
        return "there is none"
    more = f" and {len(listed) - 20} more" if len(listed) > 20 else ""
    return f"known are: {', '.join(listed[:20])}{more}"


def foreign(text: str) -> str:
    """Return a sentence part that names the first character that is not plain ASCII, or ""."""
    import unicodedata

    for character in text:
        if not character.isascii():
            name = unicodedata.name(character, "an unnamed character")
            likeness = character.translate(_LOOK_ALIKES)
            looks = f", which looks like {likeness}" if likeness.isascii() else ""
            return f"{show(text)} holds {name} (U+{ord(character):04X}){looks}"
    return ""


def plain_name(text: str, fallback: str) -> str:
    """Return a DNS label near to `text`: `Hôpital Nord` becomes `hopital-nord`."""
    import unicodedata

    folded = unicodedata.normalize("NFKD", text.translate(_LOOK_ALIKES))
    ascii_text = folded.encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z0-9]+", "-", ascii_text)[:63].strip("-") or fallback
