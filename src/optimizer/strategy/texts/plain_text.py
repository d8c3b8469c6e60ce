"""Text as readers take it, however it was typed: small letters, digits, single spaces, and where sentences end.

Capitals, accents, full-width and invisible characters hide a word from a simple search, and so do letters of other
scripts that look Latin. Each is undone here, after Unicode's normalisation forms (Standard Annex 15) and its idea of a
skeleton that look-alikes share (Technical Standard 39, section 4). The table of look-alikes is our own.
"""

# ruff: noqa: RUF001 - look-alikes are what this is about

import re
import unicodedata
from functools import lru_cache

from optimizer.strategy.texts.markup import Traced

SIGNS = "@$!|"  # kept, as they may stand for letters
BREAK = "\n"  # where a sentence or paragraph ends

LOOK_ALIKES = {
    "a": "аαɑᴀ", "b": "вьβбʙƅᏼ", "c": "сϲᴄⅽ", "d": "ԁժᴅɗđð", "e": "еєҽεᴇɛ℮", "f": "ғꜰƒք", "g": "ɡցɢԍ",
    "h": "һհнʜħ", "i": "іιıɪӏɩ", "j": "јϳᴊ", "k": "кκᴋқ", "l": "ʟłꞁ", "m": "мᴍ", "n": "ոпηɴռ", "o": "оοօσᴏøס",
    "p": "рρᴘ", "q": "ԛզ", "r": "гᴦʀɾ", "s": "ѕꜱʂ", "t": "тτᴛŧ", "u": "υμսᴜцʋ", "v": "ѵνᴠ", "w": "ԝωᴡшա",
    "x": "хχҳ", "y": "уүγʏყ", "z": "ζᴢʐƶ", "ae": "æӕ", "oe": "œ", "!": "ǃ❗❕", "|": "ǀ∣",
}  # fmt: skip
# Capitals that look like another letter than their small form does.
_CAPITALS = {"Η": "h", "Μ": "m", "Ν": "n", "Υ": "y", "Տ": "s"}
_LOOKS = {alike: plain for plain, alikes in LOOK_ALIKES.items() for alike in alikes} | _CAPITALS
# The alphabets of badges: no letter of theirs decomposes.
_BADGES = {first + n: chr(97 + n) for first in (0x1F150, 0x1F170, 0x1F1E6) for n in range(26)}
_FILLERS = "\u115f\u1160\u3164\uffa0"  # letters of Hangul that show nothing
_UNSEEN = frozenset({"Mn", "Mc", "Me", "Cf", "Cn"})

_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+\s++(?=(\S))|\n[ \t]*(?=\n|[-*•–·][ \t])")
_PARAGRAPH_SEPARATOR = "\u2029"


def plain(text: Traced, *, look_alikes: bool = False) -> Traced:
    """The text in small letters, digits, single spaces and breaks; with look-alikes as the letters they look like."""
    broken = text.replaced(_SENTENCE_END, _break)
    characters: list[str] = []
    origin: list[int] = []
    for character, at in zip(broken.text, broken.origin, strict=False):
        folded = BREAK if character == _PARAGRAPH_SEPARATOR else _folded(character, look_alikes)
        if folded != " " or (characters and characters[-1] not in (" ", BREAK)):
            characters += folded
            origin += [at] * len(folded)
    return Traced("".join(characters), [*origin, text.origin[-1]])


def _break(end: re.Match[str]) -> str | None:
    """A paragraph's end, or a sentence's when what follows begins like one: "risk. free" is none."""
    follows = end[1]
    ends = follows is None or follows.isupper() or follows.isdigit() or end[0].count("\n") > 1
    return _PARAGRAPH_SEPARATOR if ends else None


@lru_cache(maxsize=8192)
def _folded(character: str, look_alikes: bool) -> str:  # noqa: FBT001 - the cache's key
    """Small letters and digits that one character stands for, a space for a separator, nothing when it is unseen."""
    if character in _FILLERS:
        return ""
    if look_alikes:
        character = _LOOKS.get(character) or _BADGES.get(ord(character)) or character
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    seen = "".join(c for c in apart if unicodedata.category(c) not in _UNSEEN)
    if look_alikes:
        seen = "".join(_LOOKS.get(c, c) for c in seen)
    kept = "".join(c if c.isalnum() or c in SIGNS else " " for c in unicodedata.normalize("NFC", seen))
    return " ".join(kept.split()) or kept[:1]
