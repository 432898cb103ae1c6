"""Text of HTML, in a time that grows with its length: `html.parser` needs the square of it for tags without an end, and a
kernel may send anything."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

# Possessive, and no part crosses a `<`, so the pattern reads nothing twice.
_TAG = re.compile(r"""<(?:[^<>"']*+(?:(?:"[^<"]*+"|'[^<']*+')[^<>"']*+)*+|[^<>]*+)>|<!--""")
_NAME = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)|<[!?/]")
_ATTRIBUTE = re.compile(r"""(?<![\w-])([\w-]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))""")
_SPACE = re.compile(r"\s+")
BLOCKS: Final = frozenset(
    ("p", "div", "tr", "br", "li", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "table", "caption")
)
_EMBEDDED: Final = frozenset(("img", "iframe", "video", "audio", "embed", "object"))
_PLAYED: Final = frozenset(("audio", "video"))
_SILENT: Final = {
    name: re.compile(rf"</{name}\b[^<>]*+>", re.IGNORECASE)
    for name in ("script", "style", "head", "audio", "video")
}
_SOURCE = re.compile(r"""<source\b[^<>]*+>""", re.IGNORECASE)
BITMAPS: Final = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp")
_DATA: Final = r"data:(image/\w+);base64,([A-Za-z0-9+/=\s]++)"
_DATA_IMAGE = re.compile(
    rf"""<img\b[^<>]*?\bsrc\s*+=\s*+(?:"{_DATA}"|'{_DATA}'|data:(image/\w+);base64,([A-Za-z0-9+/=]++))"""
    rf"""|!\[[^\[\]]{{0,200}}\]\({_DATA}\)""",
    re.IGNORECASE,
)
_FRAME = re.compile(r"""\bframes\[\d++\]\s*+=\s*+"data:(image/\w+);base64,([A-Za-z0-9+/=\s\\]++)\"""")
_BAR_WIDTH: Final = 10
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_COMMENT_END = re.compile("-->")
_KEPT_SPACE: Final = "\0"


def html_text(source: str, *, is_framed: bool = False) -> str:
    """Extract the text of an HTML fragment, one line per block or table row, cells separated by ` | `, without scripts and styles.

    `is_framed`: it is the page in a frame, and frames in it are only named."""
    out: list[str] = []
    has_cells = False
    as_it_is = False
    for text, tag, is_start in pieces(source):
        if not tag:
            out.append(plain_text(text, as_it_is))
        if tag in BLOCKS:
            out.append("\n")
            has_cells = has_cells and not is_start
        if tag == "pre":
            as_it_is = is_start
        if tag in ("td", "th") and is_start:
            out.append(" | " if has_cells else "")
            has_cells = True
        if is_start:
            out.append(embedded(text, tag, is_framed))
            out.append(bar_of(text, tag))
    lines = (line.strip() for line in "".join(out).split("\n"))
    return "\n".join(line for line in lines if line).replace(_KEPT_SPACE, " ")


def embedded_images(source: str) -> list[tuple[str, str]]:
    """Return MIME type and base64 of the bitmaps that HTML or Markdown holds as data, in order."""
    if "data:image/" not in source:
        return []
    found = []
    for match in _DATA_IMAGE.finditer(source):
        kind, encoded = filter(None, match.groups())
        mime = kind.lower().replace("image/jpg", "image/jpeg")
        if mime in BITMAPS:
            found.append((mime, encoded))
    return found


def animation(source: str) -> tuple[int, list[tuple[str, str]]]:
    """Return how many frames an animation of Matplotlib has, and the first and the last one."""
    frames = [*_FRAME.finditer(source)] if "frames[0]" in source else []
    ends = frames[:1] + frames[1:][-1:]
    return len(frames), [(frame[1].lower(), frame[2].replace("\\", "")) for frame in ends]


def framed_pages(source: str) -> list[str]:
    """Return the pages that HTML holds in frames."""
    if "srcdoc" not in source:
        return []
    tags = (token for token, tag, is_start in pieces(source) if tag == "iframe" and is_start)
    return [page for token in tags if (page := attributes(token).get("srcdoc"))]


def without_images(markdown: str) -> str:
    """Return Markdown without the bitmaps that it holds as data."""
    return _DATA_IMAGE.sub("", markdown) if "data:image/" in markdown else markdown


def bar(value: float, most: float) -> str:
    """Draw a progress bar as a console does, ten columns wide."""
    share = min(max(value / most, 0.0), 1.0) if most > 0 else 0.0
    whole, part = divmod(round(share * _BAR_WIDTH * 8), 8)
    drawn = "█" * whole + (_EIGHTHS[part] if part else "")
    return f"|{drawn:{_BAR_WIDTH}}|"


def bar_of(token: str, tag: str) -> str:
    """Draw a `progress` element; empty for others."""
    if tag != "progress":
        return ""
    found = attributes(token)
    return bar(_number(found.get("value")), _number(found.get("max")) or 1.0)


def _number(digits: str | None) -> float:
    try:
        value = float(digits or 0)
    except ValueError:
        return 0.0
    return value if abs(value) < 1e300 else 0.0


def pieces(source: str) -> Iterator[tuple[str, str, bool]]:
    """Yield text and tags in order; a tag with its lower-case name and whether it opens an element."""
    at = begin = 0
    while match := _TAG.search(source, at):
        token, at = match.group(), match.end()
        name = _NAME.match(token)
        if name is None:
            continue  # a lone `<`: text
        yield source[begin : match.start()], "", False
        tag = (name[2] or "").lower()
        is_start = bool(tag) and not name[1]
        silent = _COMMENT_END if token == "<!--" else _SILENT.get(tag) if is_start else None
        if silent is not None:
            end = silent.search(source, at)
            inside, at = at, end.end() if end else len(source)
            if tag in _PLAYED and (played := _SOURCE.search(source, inside, at)):
                token += played[0]
        if tag:
            yield token, tag, is_start
        begin = at
    yield source[begin:], "", False


def plain_text(text: str, as_it_is: bool) -> str:
    """Return what a browser shows of text between tags; `as_it_is`: of preformatted text, whose spaces are marked."""
    text = _unescaped(text).replace(_KEPT_SPACE, "")
    return text.expandtabs().replace(" ", _KEPT_SPACE) if as_it_is else _SPACE.sub(" ", text)


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:
        return text  # the number of a character with thousands of digits


def attributes(tag: str) -> dict[str, str]:
    """Return the attributes of a tag, names in lower case."""
    return {
        name.lower(): _unescaped(double or single or bare)
        for name, double, single, bare in _ATTRIBUTE.findall(tag)
    }


def embedded(token: str, tag: str, is_framed: bool = False) -> str:
    """Describe an embedded element by its description, or else by its source; a bitmap is shown instead. Empty for others."""
    if tag not in _EMBEDDED:
        return ""
    if tag == "img" and embedded_images(token):
        return " "
    found = attributes(token)
    source = found.get("src") or found.get("data") or ""
    if source.startswith("data:"):
        kind, _, encoded = source[5:].partition(",")
        size = len(encoded) * 3 // 4 if kind.endswith(";base64") else len(encoded)
        source = f"{kind.partition(';')[0]}, {size:,} bytes"
    elif page := found.get("srcdoc"):
        source = f"a page of {len(page):,} characters"
        if words := "" if is_framed else html_text(page, is_framed=True):
            return f"\n[{tag}: {source}]\n{words}\n"
    words = found.get("alt") or found.get("title") or source[:200]
    return f" [{tag}{f': {words}' if words else ''}]"
