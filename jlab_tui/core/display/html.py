"""Text of HTML, in a time that grows with its length: `html.parser` needs the square of it for tags without an end, and a
kernel may send anything."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Final

# Possessive, and no part crosses a `<`, so the pattern reads nothing twice.
_TAG = re.compile(r"""<(?:[^<>"']*+(?:(?:"[^<"]*+"|'[^<']*+')[^<>"']*+)*+|[^<>]*+)>|<!--""")
_NAME = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)|<[!?/]")
_ATTRIBUTE = re.compile(r"""(?<![\w-])([\w-]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))""")
_SPACE = re.compile(r"\s+")
_BLOCKS: Final = frozenset(
    ("p", "div", "tr", "br", "li", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "table", "caption")
)
_EMBEDDED: Final = frozenset(("img", "iframe", "video", "audio", "embed", "object"))
_SILENT: Final = {
    name: re.compile(rf"</{name}\b[^<>]*+>", re.IGNORECASE) for name in ("script", "style", "head")
}
_COMMENT_END = re.compile("-->")
_KEPT_SPACE: Final = "\0"


def html_text(source: str) -> str:
    """Extract the text of an HTML fragment, one line per block or table row, cells separated by ` | `, without scripts and styles."""
    out: list[str] = []
    has_cells = False
    as_it_is = False
    for text, tag, is_start in _pieces(source):
        if not tag:
            out.append(_plain(text, as_it_is))
        if tag in _BLOCKS:
            out.append("\n")
            has_cells = has_cells and not is_start
        if tag == "pre":
            as_it_is = is_start
        if tag in ("td", "th") and is_start:
            out.append(" | " if has_cells else "")
            has_cells = True
        if tag in _EMBEDDED and is_start:
            out.append(f" [{tag}{_named(_attributes(text))}]")
    lines = (line.strip() for line in "".join(out).split("\n"))
    return "\n".join(line for line in lines if line).replace(_KEPT_SPACE, " ")


def _pieces(source: str) -> Iterator[tuple[str, str, bool]]:
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
        if tag:
            yield token, tag, is_start
        silent = _COMMENT_END if token == "<!--" else _SILENT.get(tag) if is_start else None
        if silent is not None:
            end = silent.search(source, at)
            at = end.end() if end else len(source)
        begin = at
    yield source[begin:], "", False


def _plain(text: str, as_it_is: bool) -> str:
    text = _unescaped(text).replace(_KEPT_SPACE, "")
    return text.expandtabs().replace(" ", _KEPT_SPACE) if as_it_is else _SPACE.sub(" ", text)


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:
        return text  # the number of a character with thousands of digits


def _attributes(tag: str) -> dict[str, str]:
    return {
        name.lower(): _unescaped(double or single or bare)
        for name, double, single, bare in _ATTRIBUTE.findall(tag)
    }


def _named(attributes: Mapping[str, str]) -> str:
    """Describe an embedded element by its description, or else by its source."""
    source = attributes.get("src") or attributes.get("data") or ""
    if source.startswith("data:"):
        source = f"{source[5:].partition(';')[0]}, {len(source):,} characters"
    words = attributes.get("alt") or attributes.get("title") or source[:200]
    return f": {words}" if words else ""
