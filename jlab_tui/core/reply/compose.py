"""Composes the reply about a run: text within a budget, both ends of an error, images by reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from ..display.mime import bitmaps
from ..display.terminal_text import count_rows, cut_middle, plain_traceback, render_terminal
from ..journal.events import RunStatus
from ..journal.run_use import NO_USE, RunUse, use_words
from ..notebook.output_items import REPLY, DataItem, ErrorItem, Gap, OutputItem, TextItem
from ..notebook.outputs import CellOutputs
from ..progress.digest import Digest
from ..progress.sentences import numbers, pace_words, tells_enough

IMAGES_MAX: Final = 10
_ERROR_SHARE: Final = 0.4
_TEXT_LEAST: Final = 100
_UPDATED: Final = "[an output of an earlier cell changed to:]"
_BESIDE_NUMBERS: Final = 1200
"""characters of text where numbers stand for the rest of it"""
_CUT_NOTE: Final = 60
"""characters reserved for the note at a cut"""


@dataclass(frozen=True, slots=True)
class ReplyImage:
    """A bitmap to show, as the kernel sent it."""

    number: int
    """the image's number in the run, from 1"""
    mime: str
    base64: str


Part = str | ReplyImage


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Facts about a run besides its outputs."""

    run_id: str
    session: str
    status: RunStatus
    seconds: float
    execution_count: int | None
    cause: str = ""
    cell: str = ""
    has_started: bool = True
    waits_for_other: bool = False
    is_over: bool = False
    """the session is no longer usable"""
    notes: Sequence[str] = ()
    now: float = 0.0
    """epoch seconds"""
    use: RunUse = NO_USE


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, and the amount that it leaves out."""

    parts: list[Part]
    cut_chars: int
    hidden_images: int


def compose(facts: RunFacts, outputs: CellOutputs, budget: int) -> Reply:
    """Compose text and images of one reply in the order of the output, in about `budget` characters."""
    outputs = outputs.narrowed(REPLY)
    digest = outputs.latest.digest.whole() if outputs.total_chars > _BESIDE_NUMBERS else Digest()
    if stands_in := numbers(digest, facts.run_id) if tells_enough(digest) else "":
        budget = min(budget, _BESIDE_NUMBERS)
    error = outputs.error
    parts, shown, counted = _shown(outputs, error, facts.run_id)
    error_text = plain_traceback(error.traceback, error.ename, error.evalue) if error else ""
    the_end = f'; more of it: read_output(run_id="{facts.run_id}", tail=1000)'
    error_text = cut_to(error_text, int(budget * _ERROR_SHARE), the_end)
    room = max(200, budget - len(error_text))
    parts, cut_chars = _within(parts, room, facts.run_id, outputs, counted, stands_in)
    parts = _stripped(parts)
    if error_text:
        parts.append(error_text)
    count = outputs.images
    shown |= count.gone
    hidden = [number for number in range(count.cleared + 1, count.total + 1) if number not in shown]
    if hidden:
        parts.append(
            f"[{len(hidden)} more image{'s' * (len(hidden) != 1)} not shown, the last is {hidden[-1]}; "
            f'see them with read_output(run_id="{facts.run_id}", images={hidden[:IMAGES_MAX]})]'
        )
    parts.append(status_line(facts, outputs))
    parts += facts.notes
    return Reply(parts, cut_chars, len(hidden))


def brief(outputs: CellOutputs, run_id: str, budget: int) -> str:
    """Compose all but the last exception in about `budget` characters, with images by number."""
    parts, *_ = _shown(outputs, outputs.error, run_id)
    words = [part if isinstance(part, str) else f"[image {part.number}]" for part in _stripped(parts)]
    return cut_to("\n".join(words), budget)


def _shown(
    outputs: CellOutputs, last: ErrorItem | None, run_id: str
) -> tuple[list[Part], set[int], int | None]:
    """Return everything but the last exception, the numbers of its images, and the row at which memory has a gap."""
    parts: list[Part] = []
    numbers: set[int] = set()
    counted: int | None = None
    here: list[tuple[OutputItem | Gap, bool]] = [(item, True) for item in outputs.joined()]
    for item, is_here in [*here, *((item, False) for item in outputs.elsewhere.values())]:
        match item:
            case TextItem():
                _add_text(parts, render_terminal(item.text))
            case DataItem() if item.in_record_only and item.place.number:
                pass  # one of the images counted as hidden
            case DataItem():
                images = _images(item)[: IMAGES_MAX - len(numbers)]
                if not is_here and (item.words or images):
                    _add_text(parts, _UPDATED)
                _add_text(parts, item.words)
                parts += images
                numbers.update(image.number for image in images)
            case Gap():
                counted = sum(count_rows(part) for part in parts if isinstance(part, str))
                _add_text(parts, f"... {item.what} left out; {_read_on(run_id, counted, outputs)} ...")
            case ErrorItem() if item is not last:
                _add_text(parts, plain_traceback(item.traceback, item.ename, item.evalue))
            case ErrorItem():
                pass
            case _:
                assert_never(item)
    return parts, numbers, counted


def status_line(facts: RunFacts, outputs: CellOutputs) -> str:
    """Return the last line of a reply: the run's state in one sentence, with its id and the next call."""
    count = f"[{facts.execution_count}] " if facts.execution_count is not None else ""
    label = f"{count}run {facts.run_id}"
    used = use_words(facts.use, facts.seconds)
    took = f"{facts.seconds:.1f} s{f', {used}' if used else ''}"
    match facts.status:
        case RunStatus.HELD:
            return (
                f"({label}) Held for {took}: the user looks at the code before it runs, and it has not run yet. "
                f'Call wait_for_run(run_id="{facts.run_id}") for what comes of it.'
            )
        case RunStatus.RUNNING:
            if facts.waits_for_other:
                state = (
                    f"Queued for {took}: the user's own code is running on this kernel; yours comes after it"
                )
            elif not facts.has_started:
                state = f"Sent {took} ago, but the kernel has not started it yet"
            else:
                pace = outputs.latest.digest.pace(facts.now)
                state = f"Still running after {took}{f', {pace_words(pace)}' if pace is not None else ''}"
            last = f" Last line: {outputs.last_line[-300:]}" if outputs.last_line else ""
            return f'({label}) {state}; it continues. Call wait_for_run(run_id="{facts.run_id}") for the rest.{last}'
        case RunStatus.OK:
            nothing = "no output, " if not (any(True for _ in outputs.items()) or outputs.elsewhere) else ""
            failed = f"\n{facts.cause}" if facts.cause else ""
            return f"({label}: ok, {nothing}{took}){failed}"
        case RunStatus.ERROR:
            return f"({label}: the code raised an exception after {took})"
        case RunStatus.INTERRUPTED:
            kept = "; the kernel keeps its variables" if facts.cell else ""
            return f"({label}: interrupted after {took}{kept})"
        case RunStatus.DIED:
            goes_on = (
                " and the session is over; open its notebook again with start_session_resume_notebook"
                if facts.is_over
                else "; the session stays usable with a restarted kernel"
                if facts.cell
                else ""  # a throwaway kernel
            )
            return (
                f"Error: KernelDied: {facts.cause or 'the kernel process ended'}\n"
                f"All variables and imports are lost{goes_on}. ({label}, {took})"
            )
        case RunStatus.ABORTED | RunStatus.DECLINED:
            return f"({label}: not run. {facts.cause})"
        case RunStatus.JOB_ENDED:
            return f"{facts.cause} ({label}, after {took}; output up to then is above)"
        case RunStatus.LOST:
            return f"Error: {facts.cause or 'The end of the run was not seen.'} ({label}, after {took})"
        case _:
            assert_never(facts.status)


def fit(parts: Sequence[Part], budget: int, images: int = IMAGES_MAX) -> list[Part]:
    """Any parts as one reply: texts cut so that together they have at most about `budget` characters, and so many
    images. What a short text leaves over, the longer ones have; what finds no room is counted at the end."""
    room = max(_TEXT_LEAST, _room_each([len(part) for part in parts if isinstance(part, str)], budget))
    fitted: list[Part] = []
    texts_out = images_out = 0
    for part in parts:
        if isinstance(part, str):
            text = cut_to(part, room)
            if len(text) > budget:
                texts_out += 1
                continue
            budget -= len(text)
            fitted.append(text)
        elif images:
            images -= 1
            fitted.append(part)
        else:
            images_out += 1
    if texts_out or images_out:
        what = [
            f"{count} more {name}{'s' * (count != 1)}"
            for count, name in ((texts_out, "text"), (images_out, "image"))
            if count
        ]
        fitted.append(f"[the reply is full: {' and '.join(what)} left out; ask for fewer at once]")
    return fitted


def _room_each(sizes: list[int], budget: int) -> int:
    """Return the size to cut texts to, so that together they fit the budget."""
    left = budget
    for number, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - number)
        if size > share:
            return share - _CUT_NOTE
        left -= size
    return budget


def cut_to(text: str, budget: int, where: str = "") -> str:
    """Return `text`, or its beginning and end with a note that counts the missing characters and says where they are."""
    cut = cut_middle(text, budget)
    if not cut.cut_chars:
        return text
    return f"{cut.head}\n... {cut.cut_chars:,} characters cut{where} ...\n{cut.tail}"


def _add_text(parts: list[Part], text: str) -> None:
    """Add an output on its own line."""
    if not text:
        return
    last = parts[-1] if parts else None
    if isinstance(last, str):
        parts[-1] = last + "\n" * (not last.endswith("\n")) + text
    else:
        parts.append(text)


def _stripped(parts: list[Part]) -> list[Part]:
    return [
        part.strip("\n") if isinstance(part, str) else part
        for part in parts
        if not isinstance(part, str) or part.strip()
    ]


def _within(
    parts: list[Part],
    budget: int,
    run_id: str,
    outputs: CellOutputs,
    counted: int | None,
    stands_in: str = "",
) -> tuple[list[Part], int]:
    """Cut texts so that together they fit the budget: the first keep their head, the last their tail.

    `counted` is the row of the gap, behind which rows are not those of the record; `stands_in` follows the first cut. Also
    returns the number of characters removed."""
    total = sum(len(part) for part in parts if isinstance(part, str))
    missing = outputs.dropped_chars
    if total <= budget:
        return parts, missing
    result: list[Part] = []
    all_gone = 0
    left = budget
    row = 0
    texts = sum(isinstance(part, str) for part in parts)
    for part in parts:
        if not isinstance(part, str):
            result.append(part)
            continue
        share = max(200, left // texts)
        others = total - len(part)
        room = max(share, left - others)
        texts -= 1
        total -= len(part)
        cut = cut_middle(part, room)
        if cut.cut_chars:
            gone = cut.cut_chars + missing
            all_gone += gone
            lines = f", about {cut.cut_lines:,} lines" if cut.cut_lines > 1 and not missing else ""
            missing = 0
            at = row + count_rows(cut.head)
            where = _read_on(run_id, at if counted is None or at <= counted else None, outputs)
            note = f"\n... {gone:,} characters{lines} cut; {where} ...\n"
            if stands_in:
                note += f"{stands_in}\n...\n"
                stands_in = ""
            result.append(cut.head.rstrip("\n") + note + cut.tail)
            left -= len(cut.head) + len(cut.tail)
        else:
            result.append(part)
            left -= len(part)
        row += count_rows(part)
    return result, all_gone


def _read_on(run_id: str, row: int | None, outputs: CellOutputs) -> str:
    """Say how to read what is not here: from a row on, or from the end where rows before it were not counted."""
    missing = f"; the record has all but {outputs.unrecorded:,} characters" if outputs.unrecorded else ""
    what, place = ("on", f"offset={row}") if row is not None else ("its end", "tail=1000")
    return f'read {what} with read_output(run_id="{run_id}", {place}), or search it with grep{missing}'


def _images(item: DataItem) -> list[ReplyImage]:
    shown = zip(item.place.numbers, bitmaps(item.data), strict=False)
    return [ReplyImage(number, *image) for number, image in shown]
