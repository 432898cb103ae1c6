"""Answers for tasks from the runs, re-runs and starts behind them, of any process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, assert_never

from mcp_types import CallToolResult

from ..core.display.printable import printable
from ..core.errors import JlabError, UnknownTask
from ..core.journal.events import RunStatus
from ..core.reply.task import RerunTask, RunTask, StartTask, Task, WaitTask, parse_task, task_json
from ..services.session.replies import HELD
from ..services.session.run_handle import RunHandle
from .content import as_json, as_text, without_images
from .context import App
from .heading import headed
from .shared_answers import opened_answer, rerun_answer, start_answer

if TYPE_CHECKING:
    pass

_SILENCE_CHARS: Final = 200
_ELSEWHERE: Final = "another process of jlab-mcp runs it"


class TaskAnswers:
    """For the tasks of one process."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._cancelled: set[str] = set()
        """ids of tasks that the client cancelled"""

    async def get(self, task_id: str) -> dict[str, Any]:
        """Return the state of a task, with its result once there is one. Raises UnknownTask, UnknownRun."""
        return await self.about(self._parsed(task_id))

    async def about(self, task: Task) -> dict[str, Any]:
        match task:
            case RunTask() | WaitTask():
                return await self._run(task)
            case RerunTask():
                return await self._rerun(task)
            case StartTask():
                return await self._start(task)
            case _:
                assert_never(task)

    async def cancel(self, task_id: str) -> None:
        """Interrupt the run behind a task; a wait just ends. A second time does nothing."""
        task = self._parsed(task_id)
        match task:
            case RunTask() | WaitTask():
                session, run = await self._app.replies.look(task.run_id)
                is_running = isinstance(task, RunTask) and not run.status.is_final
                target = (session, run.id) if is_running else None
            case RerunTask():
                session = await self._app.sessions.get(task.session)
                target = (session, session.current.id) if session.current is not None else None
            case StartTask():
                target = None
            case _:
                assert_never(task)
        if str(task) in self._cancelled:
            return
        if target is not None:
            holder, run_id = target
            held = self._app.sessions.held_run(run_id) if holder is not None else None
            if held is None:
                raise UnknownTask(f"Another process holds run {run_id}.", "Interrupt it there.")
            session, run = held
            self._app.start_background(session.cancel(run))
        self._cancelled.add(str(task))

    async def _run(self, task: RunTask | WaitTask) -> dict[str, Any]:
        app = self._app
        session, run = await app.replies.look(task.run_id)
        is_over = run.status.is_final
        if isinstance(task, WaitTask) and session is not None:
            is_over |= session.steering.has_words_for(str(task))
        if str(task) in self._cancelled and (is_over or isinstance(task, WaitTask)):
            return self._answer(task, run.asked_at, is_cancelled=True)
        if is_over:
            reply = await app.replies.about(session, run)
            result = as_text(*without_images(reply.parts, run.id))
            if session is not None:
                result = await headed(session, str(task), result)
            return self._answer(task, run.asked_at, result=result)
        outputs = run.outputs if session is not None else None
        said = outputs.latest.headline(app.now()) if outputs is not None else _ELSEWHERE
        if isinstance(run, RunHandle) and run.silence:
            said = run.silence[:_SILENCE_CHARS]
        said = HELD if run.status is RunStatus.HELD else said
        message = await app.vitals(said, run.elapsed(app.now()))
        return self._answer(task, run.asked_at, message=message)

    async def _rerun(self, task: RerunTask) -> dict[str, Any]:
        session = await self._app.sessions.get(task.session)
        rerun = self._app.rerun.find(task.session, task.number)
        if rerun is not None:
            is_over = rerun.work.done()
            reply = await self._app.rerun.about(rerun) if is_over else None
            sentence = rerun.sentence
        else:
            reply = await self._app.rerun.left(session, task.number)
            sentence = ""
        first = session.runs.get(f"{task.session}-{task.number}")
        created = first.asked_at if first is not None else self._app.now()
        if reply is None:
            message = await self._app.vitals(sentence, self._app.now() - created)
            return self._answer(task, created, message=message)
        if str(task) in self._cancelled:
            return self._answer(task, created, is_cancelled=True)
        answer = {**opened_answer(session), "live_kernel": False, **rerun_answer(reply)}
        return self._answer(task, created, result=await headed(session, str(task), as_json(answer)))

    async def _start(self, task: StartTask) -> dict[str, Any]:
        app = self._app
        created = float(task.launch) or app.now()
        if str(task) in self._cancelled:
            return self._answer(task, created, is_cancelled=True)
        try:
            now = await app.starting.look()
        except JlabError as error:
            failed = as_text(str(error)).model_copy(update={"is_error": True})
            return self._answer(task, created, result=failed)
        if not now.is_settled:
            return self._answer(task, created, message=now.sentence)
        answer = start_answer(now.status, str(app.settings.root), app.now())
        return self._answer(task, created, result=as_json(answer))

    def _answer(
        self,
        task: Task,
        created: float,
        *,
        message: str = "",
        result: CallToolResult | None = None,
        is_cancelled: bool = False,
    ) -> dict[str, Any]:
        plain = result.model_dump(by_alias=True, mode="json", exclude_none=True) if result else None
        return task_json(
            task,
            created,
            self._app.now(),
            message=printable(message),
            result=plain,
            is_cancelled=is_cancelled,
        )

    @staticmethod
    def _parsed(task_id: str) -> Task:
        task = parse_task(task_id)
        if task is None:
            raise UnknownTask(f"There is no task {task_id[:100]!r}.", "Use the id that the call returned.")
        return task
