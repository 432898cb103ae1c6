"""Graphs of the main screen: bordered panels, or one-row meters on a small screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.segment import Segment
from textual.content import Content
from textual.strip import Strip

from ..format import Glyphs, percent, span
from ..gauges import Lane, Reading
from ..plots import area, binned, shown_span
from ..themes import Palette
from ..wrapping import Row
from .strips import StripWidget

LABELS = 4
"""columns of the labels to the left of a graph"""
LABELLED_ROWS, LABELLED_COLUMNS = 6, 24
"""smallest graph with labels at its side"""
TIMED_ROWS = 10
"""smallest graph with its time span below"""


class GraphPanel(StripWidget):
    """One reading with its numbers in a border."""

    reading = Reading("", (), (), "", "", "text")

    def show(self, reading: Reading) -> None:
        if reading == self.reading:
            return
        before, self.reading = self.reading, reading
        if (reading.label, reading.now, reading.note) != (before.label, before.now, before.note):
            title = Content.assemble(
                Content.styled(reading.label, "bold $foreground"),
                " ",
                Content.styled(reading.now, "$foreground 60%"),
            )
            self.retitle(title, Content.styled(reading.note, "$foreground 60%"))
        self.redraw()

    @property
    def span_s(self) -> float:
        """Seconds that it shows; 0 while it has no values or no room."""
        width, height = self.content_size
        bins = _bins(width - (LABELS if _is_labelled(width, height) else 0), self.glyphs)
        times = self.reading.times
        return shown_span(times[-1] - times[0], bins) if times and bins > 0 else 0.0

    def build(self, width: int, height: int) -> list[Strip]:
        if len(self.reading.lanes) > 1:
            return lanes(self.reading, width, height, self.palette, self.glyphs)
        return graph(self.reading, width, height, self.palette, self.glyphs)


def _is_labelled(width: int, height: int) -> bool:
    return height >= LABELLED_ROWS and width >= LABELLED_COLUMNS


def _bins(columns: int, glyphs: Glyphs) -> int:
    return columns * (1 if glyphs.is_ascii else 2)


def graph(reading: Reading, width: int, height: int, palette: Palette, glyphs: Glyphs) -> list[Strip]:
    """Return a filled area, with labels beside and below it if they fit."""
    is_labelled = _is_labelled(width, height)
    is_timed = height >= TIMED_ROWS and width >= LABELLED_COLUMNS
    left = LABELS if is_labelled else 0
    rows = height - (1 if is_timed else 0)
    drawn = _area(reading.values, reading, width - left, rows, palette, glyphs)
    if not is_labelled:
        return drawn
    marks = {0: "100 ", rows // 2: " 50 ", rows - 1: "  0 "}
    faint = palette.style("faint")
    found = [Strip([Segment(marks.get(y, " " * left), faint), *strip]) for y, strip in enumerate(drawn)]
    if is_timed:
        bins = _bins(width - left, glyphs)
        whole = reading.times[-1] - reading.times[0] if reading.times else 0.0
        ago = f"{' ' * left}{span(shown_span(whole, bins))} ago" if whole else ""
        found.append(Strip([Segment(ago, faint), Segment("now".rjust(width - len(ago)), faint)]))
    return found


def _area(
    values: Sequence[float | None],
    reading: Reading,
    width: int,
    height: int,
    palette: Palette,
    glyphs: Glyphs,
    *,
    hue: str = "",
) -> list[Strip]:
    return area(
        binned(values, reading.times, _bins(width, glyphs)),
        width,
        height,
        palette.gradient(hue or reading.hue, height, warns=reading.warns and height > 1),
        palette.style("line"),
        ascii_only=glyphs.is_ascii,
    )


def lanes(reading: Reading, width: int, height: int, palette: Palette, glyphs: Glyphs) -> list[Strip]:
    """Return one small graph for each GPU, in several columns if the rows do not suffice."""
    count = len(reading.lanes)
    columns = -(-count // max(1, height))
    per_column = -(-count // columns)
    each = height // per_column
    found = [Strip.blank(width)] * ((height - each * per_column) // 2)
    for row in range(per_column):
        parts: list[list[Strip]] = []
        for column in range(columns):
            place = column * per_column + row
            room = width * (column + 1) // columns - width * column // columns
            parts.append(
                _lane(reading.lanes[place], reading, room, each, palette, glyphs)
                if place < count
                else [Strip.blank(room)] * each
            )
        found += [Strip.join(part) for part in zip(*parts, strict=True)]
    return found + [Strip.blank(width)] * (height - len(found))


def _lane(
    lane: Lane, reading: Reading, width: int, height: int, palette: Palette, glyphs: Glyphs
) -> list[Strip]:
    """Return `0 ⣿⣿⣷⣶⣶   94%`, with the words on the lowest row."""
    label = f"{lane.label[:2]:<2} "
    now = lane.now.rjust(max(5, len(lane.now) + 1)) + " "
    room = width - len(label) - len(now)
    hue = "warning" if lane.is_idle else "text"
    if room < 2:
        words = Segment(f"{label}{lane.now}", palette.style(hue))
        return [*[Strip.blank(width)] * (height - 1), Strip([words]).adjust_cell_length(width)]
    strips = _area(lane.values, reading, room, height, palette, glyphs)
    blank = Segment(" " * len(label)), Segment(" " * len(now))
    found = []
    for number, strip in enumerate(strips):
        is_last = number == height - 1
        head = Segment(label, palette.style("muted")) if is_last else blank[0]
        tail = Segment(now, palette.style(hue)) if is_last else blank[1]
        found.append(Strip([head, *strip, tail]).adjust_cell_length(width))
    return found


class Meters(StripWidget):
    """All readings as one-row graphs, two in a row; each of several GPUs has a row or a part of one."""

    shown: tuple[Reading, ...] = ()

    def show(self, shown: Sequence[Reading]) -> None:
        if tuple(shown) == self.shown:
            return
        has_lanes = [len(reading.lanes) for reading in self.shown]
        self.shown = tuple(shown)
        if has_lanes != [len(reading.lanes) for reading in self.shown]:
            self.styles.height = meter_rows(self.shown)
        self.redraw()

    @property
    def span_s(self) -> float:
        """Seconds that the first one shows; 0 while it has no values or no room."""
        times = self.shown[0].times if self.shown else ()
        room = _meter_room(self.content_size.width // 2, 4, 5)
        return (
            shown_span(times[-1] - times[0], _bins(room, self.glyphs)) if times and self.size.width else 0.0
        )

    def build(self, width: int, height: int) -> list[Strip]:
        column = width // 2
        rows: list[Strip] = []
        for start in range(0, len(self.shown), 2):
            pair = self.shown[start : start + 2]
            if len(pair[0].lanes) <= 1:
                rows.append(_joined(self._meter(reading, column) for reading in pair))
            elif len(pair[0].lanes) <= BESIDE:
                rows += self._beside(pair, column)
            else:
                rows += [strip for reading in pair for strip in self._packed(reading, width)]
        return rows

    def _beside(self, pair: Sequence[Reading], column: int) -> list[Strip]:
        """Return utilisation and memory of one GPU in a row."""
        return [_joined(self._meter(_of_lane(r, n), column) for r in pair) for n in range(len(pair[0].lanes))]

    def _meter(self, reading: Reading, width: int) -> Row:
        """` CPU  ⣄⣤⣤⣤⣴⣶⣶⣶    55%`"""
        has_lanes = any(1 < len(shown.lanes) <= BESIDE for shown in self.shown)
        return meter(reading, width, self.palette, self.glyphs, label=6 if has_lanes else 4)

    def _packed(self, reading: Reading, width: int) -> list[Strip]:
        """Return rows of four GPUs."""
        each = (width - 6) // PACKED
        found = []
        for start in range(0, len(reading.lanes), PACKED):
            parts = [
                _lane(lane, reading, each, 1, self.palette, self.glyphs)[0]
                for lane in reading.lanes[start : start + PACKED]
            ]
            head = f" {'' if start else reading.label.split()[0]:<5}"
            found.append(Strip.join([Strip([Segment(head, self.palette.style(bold=True))]), *parts]))
        return found


BESIDE = 3
"""most GPUs that get a row each"""
PACKED = 4
"""GPUs in a row if there are more"""


def meter_rows(shown: Sequence[Reading]) -> int:
    """Return the height of the meters."""
    if len(shown) < 4:
        return 1
    count = len(shown[2].lanes)
    return 1 + (max(1, count) if count <= BESIDE else 2 * -(-count // PACKED))


def _of_lane(reading: Reading, number: int) -> Reading:
    lane = reading.lanes[number]
    label = f"{reading.label.split()[0]} {lane.label}"
    return Reading(label, lane.values, reading.times, lane.now, "", reading.hue)


def meter(reading: Reading, width: int, palette: Palette, glyphs: Glyphs, *, label: int = 4) -> Row:
    """Return one reading in a row of `width` columns, `label` of them for its name."""
    value = next((v for v in reversed(reading.values) if v is not None), None)
    number = percent(value).rjust(5)
    room = _meter_room(width, label, len(number))
    drawn = _area(reading.values, reading, room, 1, palette, glyphs)
    return [
        Segment(f" {reading.label[:label]:<{label}} ", palette.style(bold=True)),
        *drawn[0],
        Segment(f"{number}  ", palette.style("text")),
    ]


def _meter_room(width: int, label: int, number: int) -> int:
    return max(4, width - label - 2 - number - 2)


def _joined(rows: Iterable[Row]) -> Strip:
    return Strip([part for row in rows for part in row])
