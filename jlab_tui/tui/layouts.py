"""Keys of non-Latin keyboard layouts, as the US layout has them in the same place."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from textual.events import Key

_US = "qwertyuiop[]asdfghjkl;'zxcvbnm,."
_LAYOUTS = (
    "йцукенгшщзхъфывапролджэячсмитьбю",
    "йцукенгшщзхїфівапролджєячсмитьбю",
    "љњертзуиопшђасдфгхјклчћѕџцвбнм,.",
    "љњертѕуиопшѓасдфгхјклчќзџцвбнм,.",
    ";ςερτυθιοπ[]ασδφγηξκλ;'ζχψωβνμ,.",
    "/'קראטוןםפ][שדגכעיחלךף,זסבהנמצתץ",
    "ضصثقفغعهخحجدشسيبلاتنمكطئءؤرىةوزظ",
    "ქწერტყუიოპ[]ასდფგჰჯკლ;'ზხცვბნმ,.",
    "ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ[]ㅁㄴㅇㄹㅎㅗㅓㅏㅣ;'ㅋㅌㅊㅍㅠㅜㅡ,.",
)
"""Russian, Ukrainian, Serbian, Macedonian, Greek, Hebrew, Arabic, Georgian and Korean, in the order of the US keys"""
_SHIFTED = dict(zip("ㅃㅉㄸㄲㅆㅒㅖჭღთშჟძჩ", "QWERTOPWRTSJZC", strict=True))
"""letters that are no capitals of those without shift, Korean and Georgian"""
_BY_LANGUAGE = {"sr": 2, "mk": 3}
"""layouts that have letters of others on other keys, by the language of the locale"""


def _table(layouts: Iterable[str]) -> dict[str, str]:
    found = dict(_SHIFTED)
    for layout in layouts:
        for key, latin in zip(layout, _US, strict=True):
            if not key.isascii():
                found.setdefault(key, latin)
                if key.upper() != key == key.upper().lower():
                    found.setdefault(key.upper(), latin.upper())
    return found


class UsKeys:
    """What the US layout has on the keys of other characters. Of layouts that share letters, that of the locale (such as
    `sr_RS.UTF-8`) comes first, and else the Russian one."""

    def __init__(self, locale: str) -> None:
        first = _BY_LANGUAGE.get(locale[:2])
        self._table = _table(_LAYOUTS if first is None else (_LAYOUTS[first], *_LAYOUTS))

    def letter(self, character: str) -> str:
        """Return the character itself if it is ASCII or not known."""
        return self._table.get(character, character)

    def pressed(self, event: Key) -> Key:
        """Return the key as if it were pressed in the US layout."""
        character = event.character or ""
        letter = self.letter(character)
        return event if letter == character else Key(key_name(letter), letter)


def locale_of(env: Mapping[str, str]) -> str:
    """Return the locale of characters, as the C library finds it."""
    return env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or ""


def key_name(character: str) -> str:
    """Return Textual's name of the key that types this character."""
    return character if character.isalnum() else unicodedata.name(character).lower().replace(" ", "_")
