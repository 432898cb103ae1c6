"""Reads the texts of a Matplotlib figure while it is drawn. Runs inside the user's kernel, loaded at its first figure.

A terminal can draw a figure only coarsely, so that its letters are smudges; a dashboard prints these texts over it. Drawing is the
one moment at which positions are those of the saved image, which is cropped to what is drawn.
"""

import contextlib
import functools
import threading
from typing import Any, Callable, Dict, List, Set, Tuple

TEXTS_MAX = 300
CHARS_MAX = 200
PARTS = 10000
"""positions are in such parts of the image's width or height, from its upper left corner"""
TITLE, TICK, OTHER = 0, 1, 2
"""titles, axis labels and legends; the labels of ticks; other texts, such as annotations"""


def with_texts(figure: Any, draw: Callable[[], Any]) -> Tuple[Any, List[List[Any]]]:
    """Call `draw`, which draws a figure. Returns what it returns, and the figure's texts, the most important ones first:
    lists of rank, x, y, width, height, angle in degrees, alignment (l, c, r, or o in a legend right of the axes), text, colour, colour of its sign in a legend."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.text import Text

    found: Dict[int, Any] = {}
    roles = _roles(figure)
    drawing = [threading.get_ident()]
    texts_class: Any = Text
    draw_text = Text.draw

    @functools.wraps(draw_text)
    def draw_and_note(text: Any, renderer: Any, *args: Any, **kwargs: Any) -> Any:
        result = draw_text(text, renderer, *args, **kwargs)
        # A first round, which only measures the figure, has the methods of the renderer replaced.
        if (
            threading.get_ident() in drawing
            and isinstance(renderer, RendererAgg)
            and "draw_text" not in vars(renderer)
        ):
            with contextlib.suppress(Exception):
                _note(text, renderer, figure, roles[2], found)
        return result

    texts_class.draw = draw_and_note
    try:
        result = draw()
    finally:
        drawing.clear()
        if texts_class.draw is draw_and_note:
            texts_class.draw = draw_text
    texts: List[List[Any]] = []
    with contextlib.suppress(Exception):
        texts = _described(found, *roles)
    return result, texts


def _note(text: Any, renderer: Any, figure: Any, legends: Dict[int, Any], found: Dict[int, Any]) -> None:
    from matplotlib.text import Text

    if (
        len(found) >= TEXTS_MAX
        or not text.get_visible()
        or not text.get_text().strip()
        or text.get_alpha() == 0
    ):
        return
    box = Text.get_window_extent(text, renderer)  # of an annotation, without its arrow
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    clip = text.get_clip_box() if text.get_clip_on() else None
    is_inside = clip is None or clip.contains(x, y)
    if is_inside and 0 <= x <= renderer.width and 0 <= y <= renderer.height:
        legend, _ = legends.get(id(text), (None, None))
        axes = figure.axes if legend is None or legend.axes is None else [legend.axes]
        is_beside = legend is not None and all(each.bbox.x1 < box.x0 for each in axes)
        found[id(text)] = (text, box, renderer, is_beside)


def _described(
    found: Dict[int, Any], titles: Set[int], others: Set[int], legends: Dict[int, Any]
) -> List[List[Any]]:
    from matplotlib.colors import to_hex

    texts: List[List[Any]] = []
    for key, (text, box, renderer, is_beside) in found.items():
        left, mark, align = box.x0, "", str(text.get_horizontalalignment())[:1]
        if key in legends:
            with contextlib.suppress(Exception):
                legend, handle = legends[key]
                mark = to_hex(_color_of(handle))
                sign = (legend.handlelength + legend.handletextpad) * text.get_fontsize()
                left -= renderer.points_to_pixels(sign)
                align = "o" if is_beside else "l"
        rank = TITLE if key in titles or key in legends else OTHER if key in others else TICK
        across, down = PARTS / renderer.width, PARTS / renderer.height
        place = (left * across, PARTS - box.y1 * down, (box.x1 - left) * across, (box.y1 - box.y0) * down)
        words = text.get_text()[:CHARS_MAX]
        angle = round(float(text.get_rotation()))
        texts.append(
            [rank, *(round(float(n)) for n in place), angle, align, words, to_hex(text.get_color()), mark]
        )
    return sorted(texts, key=lambda each: each[0])


def _roles(figure: Any) -> Tuple[Set[int], Set[int], Dict[int, Any]]:
    """Return the ids of titles and axis labels, those of annotations, and the legend and its sign by the id of a text."""
    titles: Set[int] = set()
    others: Set[int] = set()
    legends: Dict[int, Any] = {}
    kept = [getattr(figure, name, None) for name in ("_suptitle", "_supxlabel", "_supylabel")]
    boxes = list(getattr(figure, "legends", ()))
    free = list(figure.texts)
    for axes in figure.axes:
        kept += [getattr(axes, name, None) for name in ("title", "_left_title", "_right_title")]
        axles = (getattr(axes, name, None) for name in ("xaxis", "yaxis", "zaxis"))
        kept += [axle.label for axle in axles if axle is not None]
        boxes += [box for box in (axes.get_legend(),) if box is not None]
        free += axes.texts
    titles.update(id(text) for text in kept if text is not None)
    others.update(id(text) for text in free)
    for box in boxes:
        titles.add(id(box.get_title()))
        handles = getattr(box, "legend_handles", None) or getattr(box, "legendHandles", None) or ()
        legends.update((id(text), (box, handle)) for text, handle in zip(box.get_texts(), handles))
    return titles, others - titles, legends


def _color_of(handle: Any) -> Any:
    if hasattr(handle, "get_markerfacecolor"):
        has_line = handle.get_linestyle() not in ("None", "none", "", " ")
        return handle.get_color() if has_line else handle.get_markerfacecolor()
    color = handle.get_facecolor() if hasattr(handle, "get_facecolor") else handle.get_color()
    if (
        not isinstance(color, str)
        and len(color)
        and not isinstance(color[0], float)
        and hasattr(color[0], "__len__")
    ):
        color = color[0]
    return color
