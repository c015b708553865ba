"""Words for messages: what was meant, and what looks like something else."""

from __future__ import annotations

import re
from collections.abc import Collection

from flowerbed.declaration.violations import show

# Letters of other scripts that look like Latin ones, with the letter that they look like.
_LOOK_ALIKES = str.maketrans(
    "аɑαсԁеɡһіıјӏοоорԛѕυνѵхуγАВЕЗКМНОРСТХΑΒΕΖΗΙΚΜΝΟΡΤΥΧ‐‑‒–—−",
    "aaacdeghiijlooopqsuvvxyyABE3KMHOPCTXABEZHIKMNOPTYX------",
)


class Guesser:
    """Guesses which known word was meant, a limited number of times.

    Who writes hundreds of unknown words has no declaration, and guessing would take longer than reading.
    """

    def __init__(self) -> None:
        self._left = 200

    def closest(self, word: str, known: Collection[str]) -> str:
        """Return the known word that was probably meant, or ""."""
        if self._left == 0 or len(word) > 40 or len(known) > 100:
            return ""
        from difflib import get_close_matches

        self._left -= 1
        latin = word.translate(_LOOK_ALIKES)
        bare = {_bare(name): name for name in known}
        return bare.get(_bare(latin)) or next(iter(get_close_matches(latin, known, 1, 0.6)), "")

    def did_you_mean(self, word: str, known: Collection[str]) -> str:
        """Return the remedy for a word that is not known: the likely one, else all of them."""
        if meant := self.closest(word, known):
            return f"did you mean {meant}?"
        listed = sorted(filter(str.isprintable, known))
        if not listed:
            return "there is none"
        more = f" and {len(listed) - 20} more" if len(listed) > 20 else ""
        return f"known are: {', '.join(listed[:20])}{more}"


def _bare(word: str) -> str:
    """Return a word without what people mix up: `nodeSelector` and `node_selector` are one."""
    return re.sub("[-_ ]", "", word).lower()


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


def plain_name(text: str) -> str:
    """Return a DNS label near to `text`, or "": `Hôpital Nord` becomes `hopital-nord`."""
    import unicodedata

    folded = unicodedata.normalize("NFKD", text.translate(_LOOK_ALIKES))
    ascii_text = folded.encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z0-9]+", "-", ascii_text)[:63].strip("-")
