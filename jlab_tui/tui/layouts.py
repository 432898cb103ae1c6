"""Keys of non-Latin keyboard layouts, as the US layout has them in the same place."""

from __future__ import annotations

import unicodedata

_US = "qwertyuiop[]asdfghjkl;'zxcvbnm,."
_LAYOUTS = (
    "йцукенгшщзхъфывапролджэячсмитьбю",
    "йцукенгшщзхїфівапролджєячсмитьбю",
    ";ςερτυθιοπ[]ασδφγηξκλ;'ζχψωβνμ,.",
    "/'קראטוןםפ][שדגכעיחלךף,זסבהנמצתץ",
    "ضصثقفغعهخحجدشسيبلاتنمكطئءؤرىةوزظ",
    "ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ[]ㅁㄴㅇㄹㅎㅗㅓㅏㅣ;'ㅋㅌㅊㅍㅠㅜㅡ,.",
)
"""Russian, Ukrainian, Greek, Hebrew, Arabic and Korean, in the order of the US keys"""


def _table() -> dict[str, str]:
    found: dict[str, str] = {}
    for layout in _LAYOUTS:
        for key, latin in zip(layout, _US, strict=True):
            if not key.isascii():
                found.setdefault(key, latin)
                if key.upper() != key:
                    found.setdefault(key.upper(), latin.upper())
    return found


_TABLE = _table()


def us_key(character: str) -> str:
    """Return what the US layout has on the key of this character; the character itself if it is ASCII or not known."""
    return _TABLE.get(character, character)


def key_name(character: str) -> str:
    """Return Textual's name of the key that types this character."""
    return character if character.isalnum() else unicodedata.name(character).lower().replace(" ", "_")
