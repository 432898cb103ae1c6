"""Keys that act outside the dashboard: on kernels, the server, the clipboard, files. Each reports its outcome."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from ..core.errors import JlabError
from ..core.feed.items import FeedCell, ImageOutput
from ..core.server.record import ServerState
from ..services.dashboard.actions import Target
from .ansi import one_line, plain
from .base import DashboardBase
from .format import counted, shortened
from .screen_texts import session_now, stop_question
from .screens import ConfirmScreen, ImageScreen, SaveWanted
from .selection import target_of
from .widgets.prompt import Prompt

log = logging.getLogger(__name__)


class ActingKeys(DashboardBase):
    """Actions of keys that reach out of the dashboard."""

    _to_interrupt: Target | None = None

    def say(self, text: str, *, title: str = "", severity: str = "information") -> None:
        """A notification; the text is never markup."""
        self.notify(text, title=title, severity=severity, markup=False, timeout=6)  # type: ignore[arg-type]

    # -- kernels and server

    def action_interrupt(self) -> None:
        if (target := self._acting_target()) is not None:
            self._do(f"Interrupting {target.name}", lambda: self.actions.interrupt(target))

    async def action_interrupt_why(self) -> None:
        self._to_interrupt = self._acting_target()
        if self._to_interrupt is not None:
            name = one_line(self._to_interrupt.name)
            await (
                self.screen_stack[0]
                .query_one(Prompt)
                .ask("reason", f"Interrupt {shortened(name, 24)}, because:", "")
            )

    def interrupt_because(self, reason: str) -> None:
        """The answer to `action_interrupt_why`, about the kernel that was selected then."""
        target, self._to_interrupt = self._to_interrupt, None
        if target is not None:
            self._do(f"Interrupting {target.name}", lambda: self.actions.interrupt(target, reason))

    def action_restart(self) -> None:
        if (target := self._acting_target()) is not None:
            lost = "Variables and everything else in the kernel's memory are lost; the notebook stays."
            self._ask(
                "Restart the kernel?", [self._about(target), lost], lambda: self.actions.restart(target)
            )

    def action_kill(self) -> None:
        if (target := self._acting_target()) is not None:
            lost = "The kernel ends and its memory is freed. The notebook stays."
            self._ask("Kill session?", [self._about(target), lost], lambda: self.actions.shutdown(target))

    def action_stop(self) -> None:
        if not self._may_act():
            return
        server = self.source.server
        if server is None or not server.state.is_live:
            self.say("There is nothing to stop.")
            return
        is_queued = server.state is ServerState.PENDING
        question, consequence = stop_question(server, self.all_rows)
        self._ask(question, [consequence], self.actions.cancel_job if is_queued else self.actions.stop_server)

    def _may_act(self) -> bool:
        if self.options.readonly:
            self.say("Read-only: this dashboard changes nothing.", severity="warning")
        return not self.options.readonly

    def _acting_target(self) -> Target | None:
        if not self._may_act():
            return None
        target = target_of(self.all_rows, self.session, self.cell)
        if target is None:
            self.say("No live kernel is selected.")
        return target

    def _about(self, target: Target) -> str:
        row = next((r for r in self.all_rows if r.kernel_id == target.kernel_id), None)
        return session_now(target.name, row, self.options.clock())

    def _ask(self, title: str, sentences: Sequence[str], act: Callable[[], Awaitable[str]]) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self._do(title.rstrip("?"), act)

        self.push_screen(ConfirmScreen(title, sentences), answered)

    def _do(self, title: str, act: Callable[[], Awaitable[str]]) -> None:
        self.run_worker(self._done(title, act), group="actions", exclusive=False)

    async def _done(self, title: str, act: Callable[[], Awaitable[str]]) -> None:
        """One of the three places where errors become text."""
        try:
            outcome = await act()
        except JlabError as error:
            self.say(str(error), title=f"{one_line(title)}: failed", severity="error")
        except Exception as error:
            log.exception("%s failed", title)
            # Not the error's own text: it could hold a URL with a token.
            text = f"This is a fault in jlab-mcp ({type(error).__name__}). What runs goes on; try again. {self.options.details()}"
            self.say(text.rstrip(), title=f"{one_line(title)}: failed", severity="error")
        else:
            self.say(outcome or "Done.", title=one_line(title))

    # -- clipboard

    def action_copy_code(self) -> None:
        if self.cell is None or not self.cell.source:
            self.say("No cell to copy.")
            return
        self.copy_to_clipboard(self.cell.source)
        self.say(f"{counted(self.cell.source.count(chr(10)) + 1, 'line')} of code copied.")

    def action_copy_output(self) -> None:
        text = plain(self.cell.output_text()) if self.cell is not None else ""
        if not text:
            self.say("The cell has no text output.")
            return
        self.copy_to_clipboard(text)
        rest = (
            " Not all of it is in memory; w writes all of it to a file."
            if self.cell and self.cell.has_gaps
            else ""
        )
        self.say(f"{counted(text.count(chr(10)), 'line')} of output copied.{rest}")

    def action_notebook(self) -> None:
        row = self.row
        if row is None or not row.notebook:
            self.say("No notebook is selected.")
            return
        self.copy_to_clipboard(row.notebook)
        self.say(f"Copied: {one_line(row.notebook)}", title="Notebook")

    # -- images and files

    def action_view(self) -> None:
        images = [p for p in self.cell.images if p.data] if self.cell is not None else []
        if not images:
            self.say("The cell has no image.")
            return
        self.push_screen(ImageScreen(images, self.palette, self.glyphs))

    def action_save(self) -> None:
        images = [p for p in self.cell.images if p.data] if self.cell is not None else []
        self._save(images)

    def on_save_wanted(self, message: SaveWanted) -> None:
        self._save(message.images)

    def action_write(self) -> None:
        cell = self.cell
        if cell is None or not cell.output_text():
            self.say("The cell has no text output.")
            return
        self._do("Write", lambda: self._write_output(cell))

    async def _write_output(self, cell: FeedCell) -> str:
        """All of it, including what is only on record."""
        is_whole = not cell.has_gaps or await self.source.whole(cell)
        text = plain(cell.output_text())
        if not self.feed.is_expanded:
            cell.drop_middle()
        path = await self.exports.save_text(self._session_name, cell, text)
        self.copy_to_clipboard(str(path))
        gap = "" if is_whole else " Output that is not on record is missing."
        return f"Saved, path copied: {path}{gap}"

    def _save(self, images: Sequence[ImageOutput]) -> None:
        if images:
            cell, name = self.cell, self._session_name
            self._do("Save", lambda: self._save_images(name, cell, images))
        else:
            self.say("The cell has no image.")

    async def _save_images(self, name: str, cell: FeedCell | None, images: Sequence[ImageOutput]) -> str:
        paths = await self.exports.save_images(name, cell, images)
        self.copy_to_clipboard("\n".join(map(str, paths)))
        return f"Saved, path copied: {paths[0]}" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")

    @property
    def _session_name(self) -> str:
        return self.row.name if self.row else ""
