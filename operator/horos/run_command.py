"""`horos run`: everything on one machine, from Redis to the operator, for as long as somebody watches."""

import asyncio
import logging
import re
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from horos.errors import INTERRUPTED, HorosError, RefusedError, TimedOutError, UsageError
from horos.local.asking import Answer, Asked, ask
from horos.local.audience import Audience, Who, told
from horos.local.documents import Documents, checked_documents
from horos.local.folder import DataFolder, data_folder
from horos.local.follower import Line, LineKind
from horos.local.interrupts import Interrupts
from horos.local.model_server import DefaultModel, refuse_without_model
from horos.local.screen import Screen
from horos.local.stage import Stage, Wanted, apply, beside, standing
from horos.options import Lines
from horos.terminal import Terminal
from horos_bus.records import StoredEvent

PROGRESS_SECONDS: Final = 0.1
PROBLEM_SECONDS: Final = 0.5
LONGEST_LOG: Final = 10 * 2**20
"""Bytes of the log at which another one begins; one older file is kept."""
_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True)
class Run:
    """What a person asks `horos run` for.

    `ask` is said to `agent` (if that is empty, to the first of the files), and the command ends with its
    answer, or after `seconds` (0: never). `namespace` is that of documents that name none.
    """

    files: tuple[Path, ...]
    data: Path
    namespace: str
    ask: str = ""
    agent: str = ""
    seconds: float = 0
    output: Lines = Lines.TEXT
    port: int = 0
    model: DefaultModel | None = None


def run_society(run: Run) -> int:
    """Run the files until Ctrl-C, or until the question is answered. Returns the exit code.

    Raises HorosError; nothing is started before all files are all right.
    """
    documents = checked_documents(run.files, run.namespace)
    if run.model is None:
        refuse_without_model(documents.without_model)
    addressee = _addressee(run, documents)
    with data_folder(run.data) as folder:
        _log_into(folder.log)
        try:
            return asyncio.run(_Running(run, documents, folder, addressee).until_the_end())
        except BaseExceptionGroup as group:
            raise _first(group) from group


class _Running:
    """One run: what is asked for, and the screen that tells of it."""

    def __init__(
        self, run: Run, documents: Documents, folder: DataFolder, addressee: tuple[str, str]
    ) -> None:
        self._run = run
        self._documents = documents
        self._folder = folder
        self._namespace, self._agent = addressee
        self._screen = Screen()
        self._terminal = Terminal()
        self._last: dict[str, str] = {}
        """The last thing that each agent said on the screen."""

    async def until_the_end(self) -> int:
        """Start all, follow it, end all."""
        with self._screen:
            interrupts = Interrupts(self._screen.note, self._screen.leave)
            try:
                async with standing(self._wanted()) as stage:
                    return await self._watch(stage, interrupts)
            except asyncio.CancelledError:
                if not interrupts.told.is_set():
                    raise
                return INTERRUPTED

    def _wanted(self) -> Wanted:
        run = self._run
        return Wanted(self._documents, self._folder, run.port, run.model, self._show, self._screen.note)

    async def _watch(self, stage: Stage, interrupts: Interrupts) -> int:
        audience = stage.audience
        if self._run.output == Lines.JSON:
            audience.listeners.append(self._print_event)
        await apply(stage, self._documents)
        self._greet(stage)
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            for work in (audience.follow(), self._tell_problems(stage), self._tell_progress(audience)):
                await stack.enter_async_context(beside(tasks, work))
            interrupts.started = True
            if self._run.ask:
                return await self._answer(stage, interrupts)
            await interrupts.told.wait()
            return 0

    async def _answer(self, stage: Stage, interrupts: Interrupts) -> int:
        asked = Asked(self._agent, self._run.ask, self._screen.note, stage.operator.problems)
        self._screen.said_to(self._agent, self._run.ask)
        async with asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(ask(stage.session(self._namespace), asked))
            leaving = tasks.create_task(interrupts.told.wait())
            done, _ = await asyncio.wait(
                {answering, leaving}, timeout=self._run.seconds or None, return_when=asyncio.FIRST_COMPLETED
            )
            answering.cancel()
            leaving.cancel()
        if answering not in done:
            if leaving in done:
                return INTERRUPTED
            raise TimedOutError(f"{self._agent} has not answered within {self._run.seconds:g} s")
        answers = answering.result()
        # An answer comes with the last events of its turn, and may be read before them.
        await stage.audience.catch_up()
        for answer in answers:
            self._print_answer(answer)
        return 0

    def _print_answer(self, answer: Answer) -> None:
        if self._run.output == Lines.JSON:
            told = {"agent": answer.agent, "namespace": self._namespace, "answer": answer.text}
            self._terminal.json(told, indent=None)
        elif not (sys.stdout.isatty() and self._screen.is_terminal and self._was_shown(answer)):
            several = self._agent.startswith("@")
            self._terminal.line(f"{answer.agent}: {answer.text}" if several else answer.text)

    def _was_shown(self, answer: Answer) -> bool:
        return self._last.get(answer.agent) == answer.text.strip()

    def _greet(self, stage: Stage) -> None:
        folder, model = self._folder, stage.model
        agents = [name for _, name in self._documents.names("Agent")]
        self._screen.note(
            f"{', '.join(agents)}: data in {_near(folder.path)}, window and gateway at {stage.url}"
        )
        if others := sorted(set(stage.before) - set(agents)):
            self._screen.note(f"here from before: {', '.join(others)}")
        if model is not None:
            self._screen.note(f"who says no model of its own asks {model.name} at {model.base_url}")
        if not self._run.ask:
            name = self._agent
            talk = f'horos send {name} "…"' if name.startswith("@") else f"horos chat {name}"
            where = "" if self._namespace == "default" else f" -n {self._namespace}"
            self._screen.note(
                f"in another terminal: . {_near(folder.environment)}; {talk}{where}   (Ctrl-C here ends all)"
            )

    def _show(self, line: Line) -> None:
        if line.kind == LineKind.SAID:
            self._last[line.agent] = line.text
        self._screen.line(line)

    def _print_event(self, who: Who, event: StoredEvent) -> None:
        self._terminal.json(told(who, event), indent=None)

    async def _tell_progress(self, audience: Audience) -> None:
        while True:
            self._screen.progress(audience.followers)
            await asyncio.sleep(PROGRESS_SECONDS)

    async def _tell_problems(self, stage: Stage) -> None:
        """Say what keeps agents from working, once for as long as it is so."""
        known: dict[str, str] = {}
        while True:
            found = stage.operator.problems()
            for who, why in found.items():
                # Times and counts change with each try, and say nothing new.
                if known.get(who) != _NUMBER.sub("", why):
                    self._screen.line(Line(LineKind.ERROR, who.partition("/")[2], f"cannot work: {why}"))
            known = {who: _NUMBER.sub("", why) for who, why in found.items()}
            await asyncio.sleep(PROBLEM_SECONDS)


def _addressee(run: Run, documents: Documents) -> tuple[str, str]:
    """Who is talked to, by namespace and name. Raises UsageError when the files do not have it."""
    agents, groups = documents.names("Agent"), documents.names("Group")
    if not run.agent:
        return agents[0]
    named = [*agents, *((namespace, f"@{name}") for namespace, name in groups)]
    found = [each for each in named if each[1] == run.agent]
    if not found:
        names = ", ".join(name for _, name in named)
        raise UsageError(f"--agent {run.agent}: expected an agent of the files, or a group: {names}")
    return found[0]


def _near(path: Path) -> str:
    """Name a path as it is typed from here."""
    try:
        return f"./{path.relative_to(Path.cwd())}"
    except ValueError:
        return str(path)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Pick what a person can act on, else the first of what went wrong."""
    leaves: list[BaseException] = []
    pending: list[BaseException] = [group]
    while pending:
        each = pending.pop(0)
        if isinstance(each, BaseExceptionGroup):
            pending += each.exceptions
        else:
            leaves.append(each)
    return next((each for each in leaves if isinstance(each, HorosError)), leaves[0])


def _log_into(file: Path) -> None:
    """Operator and gateway log into a file: the terminal is for the conversation. Raises RefusedError."""
    try:
        handler = RotatingFileHandler(file, maxBytes=LONGEST_LOG, backupCount=1, encoding="utf-8")
    except OSError as error:
        raise RefusedError(f"the log {file} cannot be written: {error.strerror}") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
