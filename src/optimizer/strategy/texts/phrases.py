"""Phrases to look for in texts, however they are written there."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from optimizer.strategy.texts.markup import Traced, shown
from optimizer.strategy.texts.plain_text import BREAK, plain

# Digits and signs that people put for letters. An exclamation mark that ends a word is no letter.
_PUT_FOR = {"a": "[a4@]", "e": "[e3]", "i": r"(?:[i1|]|!(?=\w))", "l": "[l1|]", "o": "[o0]", "s": "[s5$]", "t": "[t7]"}
# What is left of a text whichever letters signs stand for, and however words are divided: see `_core`.
_CORE = str.maketrans({"3": "e", "0": "o", "7": "t"} | dict.fromkeys("ails145@$!| \n"))
FEWEST_SPACED_OUT = 3  # letters; fewer of them stand alone in ordinary texts, too
# Scripts that put no spaces between words: Thai to Burmese, Hangul, Khmer, kana, Chinese characters.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u11ff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a text.

    Attributes:
        exact: its plain form.
        skeleton: its plain form with look-alikes as the letters they look like.
        cores: the core of each.
    """

    exact: Traced
    skeleton: Traced
    cores: tuple[str, str]

    @classmethod
    def of(cls, text: Traced) -> "Reading":
        """The reading of a text as it is shown."""
        exact, skeleton = plain(text), plain(text, look_alikes=True)
        return cls(exact, skeleton, (_core(exact.text), _core(skeleton.text)))


def readings(text: Traced) -> tuple[Reading, ...]:
    """The ways to read a text: what it shows first."""
    return tuple(map(Reading.of, shown(text)))


def _core(plain_text: str) -> str:
    """A text without all that phrases match loosely: a phrase can only stand where its core does.

    To look for that first is what makes many phrases cheap.
    """
    return plain_text.translate(_CORE)


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words to look for.

    Attributes:
        words: the words in plain form.
        exact: finds them in plain text.
        disguised: finds them with look-alikes, signs for letters, or spaced out; None when words of another script
            would then be mistaken for Latin ones.
    """

    words: tuple[str, ...]
    exact: re.Pattern[str]
    disguised: re.Pattern[str] | None
    cores: tuple[str, str]

    def found_in(self, ways: Iterable[Reading]) -> list[tuple[int, int]]:
        """Where the phrase stands in the text as written, disguised or not: half-open, ascending by start."""
        extents: dict[int, int] = {}
        for reading in ways:
            for start, end in (*self._exactly_in(reading), *self._disguised_in(reading)):
                extents.setdefault(start, end)
        return sorted(extents.items())

    def is_said_in(self, ways: Iterable[Reading]) -> bool:
        """Whether the phrase stands there undisguised."""
        return any(self.exact.search(reading.exact.text) for reading in ways)

    def pieces(self) -> Iterator[str]:
        """Every word that can be part of the phrase: one of its words, or several without the space between them."""
        for first in range(len(self.words)):
            for last in range(first, len(self.words)):
                yield "".join(self.words[first : last + 1])

    def _exactly_in(self, reading: Reading) -> Iterator[tuple[int, int]]:
        if self.cores[0] in reading.cores[0]:
            for match in self.exact.finditer(reading.exact.text):
                yield reading.exact.extent(*match.span())

    def _disguised_in(self, reading: Reading) -> Iterator[tuple[int, int]]:
        skeleton = reading.skeleton
        if self.disguised and self.cores[1] in reading.cores[1]:
            needed = _n_letters("".join(self.words)) / 2
            for match in self.disguised.finditer(skeleton.text):
                if _n_letters(match[0]) >= needed:  # "a55" is a road
                    yield skeleton.extent(*match.span())


@lru_cache(maxsize=2048)
def phrase(written: str) -> Phrase:
    """A phrase to look for.

    Between its words may stand any punctuation or none, but no end of a sentence unless the phrase has it, too.
    """
    exact, skeleton = (plain(Traced.of(written), look_alikes=flag).text for flag in (False, True))
    is_foreign = skeleton.isascii() and not exact.isascii()
    disguised = None
    if not is_foreign:
        ways = [_pattern(skeleton, in_disguise=True)]
        letters = re.findall(r"\w", skeleton)
        if len(letters) >= FEWEST_SPACED_OUT or UNSPACED.search(skeleton):
            ways.append(_at_boundaries(letters, r"\W+".join(map(_letter, letters))))
        disguised = re.compile("|".join(ways))
    words, pattern = tuple(re.findall(r"\w+", exact)), re.compile(_pattern(exact, in_disguise=False))
    return Phrase(words, pattern, disguised, (_core(exact), _core(skeleton)))


def _pattern(text: str, *, in_disguise: bool) -> str:
    letter = _letter if in_disguise else re.escape
    pieces = []
    for word, gap in re.findall(r"(\w+)(\W*)", text):
        pieces.append("".join(map(letter, word)) + (r"\W*" if BREAK in gap else rf"[^\w{BREAK}]*"))
    return _at_boundaries(re.findall(r"\w", text), "".join(pieces).removesuffix(r"\W*").removesuffix(rf"[^\w{BREAK}]*"))


def _at_boundaries(letters: list[str], pattern: str) -> str:
    before = "" if UNSPACED.match(letters[0]) else r"(?<!\w)"
    after = "" if UNSPACED.match(letters[-1]) else r"(?!\w)"
    return f"{before}{pattern}{after}"


def _letter(letter: str) -> str:
    return _PUT_FOR.get(letter, re.escape(letter))


def _n_letters(text: str) -> int:
    return sum(map(str.isalpha, text))
