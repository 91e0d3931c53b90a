"""The election as it happens: stands for the Lease, and lets what only a leader may do run meanwhile.

Three things keep a process that no longer leads from changing anything. `Leadership.check` stands right
before each write and asks the clock, so that a process that was stopped for a while finds out by itself. What
`act` runs is cut off at the same moment, in the middle of a request if need be. And nobody else may take over
before `Rules.lease` is over, some seconds later.

What remains is a write that was on its way: checked in time, and at its goal only when another leads, four
seconds later at the least. Nothing that is written relies on being alone: a pod's name follows from the agent
and its epoch, a deletion names a uid, finalizers a version, the bus a uid, a token or a generation. What is
taken for new all the same (a status, an order to pause, a namespace's password) is put right by the next pass
or sweep; a mode that a person asked for at the gateway stands until somebody asks again.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from horos_operator.cluster import ClusterError, NameTakenError, NotLeadingError, OutdatedError
from horos_operator.leadership import Candidate, Lease, Look, Rules, Wait, Write, decide, released
from horos_operator.supervision import guarded

log = logging.getLogger("horos.operator")

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def seconds_since_boot() -> float:
    """Seconds that go on while the process is stopped and while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


class LeaseDoor(Protocol):
    """Where the Lease is kept. Methods raise ClusterError."""

    async def read(self) -> Lease | None:
        """Ask for the Lease; None when there is none."""
        ...

    async def write(self, lease: Lease) -> Lease:
        """Write it if it still has this version; returns it as it is kept."""
        ...


class Leadership:
    """Whether this process leads right now, by the clock and not by what was heard last."""

    def __init__(self, clock: Callable[[], float] = seconds_since_boot) -> None:
        self.clock = clock
        self._until = -math.inf
        self._won = asyncio.Event()
        self._running: set[asyncio.Timeout] = set()

    @property
    def leads(self) -> bool:
        """Whether this process may change something at this very moment."""
        return self.clock() < self._until

    def check(self) -> None:
        """Raise NotLeadingError unless this process leads. To be called right before each write."""
        if not self.leads:
            raise NotLeadingError("this operator does not lead: what it was about to change is left alone")

    def hold(self, until: float) -> None:
        """Lead until this moment of the clock; what runs goes on."""
        self._until = until
        if not self.leads:
            return
        for running in self._running:
            if not running.expired():
                running.reschedule(self._end())
        self._won.set()

    def give_up(self) -> None:
        """Lead no more; what runs is cut off."""
        self._until = -math.inf
        self._won.clear()
        for running in self._running:
            if not running.expired():
                running.reschedule(asyncio.get_running_loop().time())
        self._running.clear()  # a term that begins at once must not save them

    async def act(self, duty: Callable[[], Awaitable[None]]) -> None:
        """Wait until this process leads, and run `duty` until it is done or the leadership ends."""
        while not self.leads:
            self._won.clear()
            await self._won.wait()
        running = asyncio.timeout_at(self._end())
        try:
            async with running:
                self._running.add(running)
                await duty()
        except NotLeadingError:
            log.info("this operator does not lead any more: what it was doing is left alone")
        except TimeoutError:
            if not running.expired():
                raise
        finally:
            self._running.discard(running)

    def _end(self) -> float:
        return asyncio.get_running_loop().time() + self._until - self.clock()


class Elector:
    """Stands for election as `me`, which no other process may be called, and keeps `leadership` up to date.

    `won` is called each time that this process begins to lead, before anything acts.
    """

    def __init__(
        self, door: LeaseDoor, leadership: Leadership, me: str, won: Callable[[], None], rules: Rules
    ) -> None:
        self._door = door
        self._leadership = leadership
        self._won = won
        self._rules = rules
        self._candidate = Candidate(me)
        self._leading = False
        self._told = ""

    async def stand(self) -> None:
        """Stand until cancelled, then give the Lease back. What acted must have ended before that.

        Nothing else ends it: a leader would leave its Lease behind, which nobody could take before its time.
        """
        try:
            while True:
                if not await guarded("a step of the election", self._step):
                    await self._pause()
                    self._keep_up()
        finally:
            self._leadership.give_up()
            await self._release()

    async def _step(self) -> None:
        now = self._leadership.clock()
        decided = decide(self._candidate, now, time.time(), self._rules)
        try:
            match decided:
                case Look():
                    async with asyncio.timeout(self._patience()):
                        lease = await self._door.read()
                    self._candidate = self._candidate.saw(lease, self._leadership.clock(), self._rules)
                    self._tell_holder(lease)
                case Write(lease=lease):
                    async with asyncio.timeout(self._patience()):
                        made = await self._door.write(lease)
                    self._candidate = self._candidate.wrote(made, now)
                    self._told = ""
                case Wait(seconds=seconds):
                    await asyncio.sleep(min(seconds, self._remaining()))
                    self._candidate = self._candidate.waited()
        except (NameTakenError, OutdatedError):
            await self._pause()  # somebody was faster
        except ClusterError as error:
            self._complain(error.message)
            await self._pause(error.retry_after)
        except TimeoutError:
            self._complain("the API server does not answer in time")
            await self._pause()
        self._keep_up()

    def _keep_up(self) -> None:
        """Bring the leadership to what the candidate knows."""
        until = self._candidate.until(self._rules)
        if self._leadership.clock() < until:
            if not self._leading:
                log.info("%s leads", self._candidate.me)
            if not self._leadership.leads:
                # Also when the last term was over before this renewal was answered: nobody remembers what was
                # dropped in between.
                self._won()
            self._leading = True
            self._leadership.hold(until)
        elif self._leading:
            log.warning("%s leads no more: it could not renew its Lease in time", self._candidate.me)
            self._leading = False
            self._leadership.give_up()

    def _complain(self, problem: str) -> None:
        if problem != self._told:
            log.warning("the Lease: %s", problem)
        self._told = problem

    async def _pause(self, retry_after: float = 0.0) -> None:
        """Look again after a pause, which a leader keeps short: it has something to lose."""
        self._candidate = self._candidate.unsure()
        pause = self._rules.error if self._leading else self._rules.retry
        await asyncio.sleep(min(max(pause, retry_after), self._remaining()))

    def _remaining(self) -> float:
        """For how long nothing has to happen: a leader must notice in time that it leads no more."""
        if not self._leading:
            return math.inf
        return max(0.0, self._candidate.until(self._rules) - self._leadership.clock())

    def _patience(self) -> float:
        return min(self._rules.request, self._remaining())

    def _tell_holder(self, lease: Lease | None) -> None:
        holder = lease.holder if lease is not None else ""
        told = f"held by {holder}" if holder and holder != self._candidate.me else ""
        if told and told != self._told:
            log.info("the Lease is %s; this operator follows", told)
        self._told = told

    async def _release(self) -> None:
        lease = released(self._candidate, time.time())
        if lease is None:
            return
        try:
            async with asyncio.timeout(self._rules.request):
                await self._door.write(lease)
        except OutdatedError:
            return  # somebody has taken it
        except (ClusterError, TimeoutError) as error:
            log.warning("the Lease is not given back, so others wait until it is over: %s", error)
        else:
            log.info("%s has given the Lease back", self._candidate.me)
