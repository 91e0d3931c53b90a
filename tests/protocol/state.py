"""What the checker looks at: Redis, the processes around it, the faults that are left; all of it values.

Time is not a number here. What takes time (a deadline, a delay, an idle timeout) may happen at any moment.
"""

from typing import Final, Literal, NamedTuple

PERSON: Final = -1
"""The sender of what comes from outside the bus; agents are numbers from 0 on."""

NAMES: Final = "ABCD"

Kind = Literal["request", "reply", "notice", "mention", "decision"]
Verdict = Literal["", "approve", "deny"]
AgentState = Literal["idle", "running", "paused", "error", "terminated"]


class Message(NamedTuple):
    """An inbox entry. Its `mid` stands for its stream id too."""

    mid: str
    sender: int
    sender_uid: int
    thread: str
    kind: Kind
    re: str = ""
    verdict: Verdict = ""
    at: int = 0
    """Of a mention: the number of the post that it points to."""
    group: int = 0
    """Of a mention: the uid of the group."""


class Record(NamedTuple):
    """An entry of the open turn's journal. `author` is the token of the process that wrote it."""

    kind: Literal["user", "step", "result"]
    text: str
    author: int
    read: tuple[int, ...] = ()
    """Of the user record of a mention: the numbers of the posts that it shows."""


class Wait(NamedTuple):
    """A request of one's own that is still open."""

    mid: str
    to: int
    thread: str
    arrived: bool


class Approval(NamedTuple):
    """A call that waits for a person, or whose decision no turn has acknowledged yet (`approvals`)."""

    mid: str
    thread: str
    verdict: Verdict = ""


class Question(NamedTuple):
    """What a running call asks a person (`elicitations`), or has asked in this turn.

    `token` is the process that runs the call.
    """

    mid: str
    turn: str
    token: int
    verdict: Verdict = ""
    over: bool = False
    """Nobody waits for the answer any more."""


class Debt(NamedTuple):
    """A request that was taken in and is not answered yet (`owed`)."""

    mid: str
    sender: int
    sender_uid: int
    thread: str
    before: tuple[str, ...] = ()
    """Own requests to the sender that were open already when this was taken: it has asked back."""
    group: int = 0
    """Of a mention: the uid of the group."""


class Fate(NamedTuple):
    """How a message ended; `unheard`: committed without a user record."""

    mid: str
    end: Literal["done", "unheard", "dead", "bounced"]


class Usage(NamedTuple):
    """What model calls have used on the last day; `reserved` of it for a call that has not told yet."""

    day: int = 0
    used: int = 0
    reserved: int = 0


class Agent(NamedTuple):
    """All keys of one agent. uid 0: it does not exist; holder 0: hibernated."""

    uid: int = 0
    holder: int = 0
    epoch: int = 0
    state: AgentState = "idle"
    turn: str = ""
    thread: str = ""
    inputs: tuple[str, ...] = ()
    attempt: int = 0
    alone: bool = False
    last: str = ""
    evict: bool = False
    wake: bool = False
    cancel: str = ""
    reason: bool = False
    inbox: tuple[Message, ...] = ()
    journal: tuple[Record, ...] = ()
    lengths: tuple[tuple[str, int], ...] = ()
    """Records of closed turns that each thread keeps; the journal of the open one comes on top."""
    first: tuple[tuple[str, int], ...] = ()
    """How many records of each thread were dropped (`threads`)."""
    usage: Usage = Usage()
    seen: frozenset[str] = frozenset()
    waits: tuple[Wait, ...] = ()
    owed: tuple[Debt, ...] = ()
    approvals: tuple[Approval, ...] = ()
    questions: tuple[Question, ...] = ()
    charged: int = 0
    """The number of the last charge in the life of the holder."""
    version: int = 0
    """How often its config was changed."""
    task: bool = False
    """Its lifetime: it ends when it has answered and nothing is open."""
    answered: bool = False
    """A request to it has ended; only where that ends it."""
    finished: bool = False
    """It has ended by itself."""
    delivered: frozenset[str] = frozenset()
    """Entries read outside the fence; only the traps H5 and H6 use it."""
    fates: tuple[Fate, ...] = ()
    """Written by the checker alone, as are the next two; they outlive a deletion."""
    asked: tuple[tuple[str, str], ...] = ()
    evictions: int = 0
    """How often it left because of the flag, less how often that was asked for."""
    cursor: int = 0
    """The number of the post up to which it has read the group (`cur:<G>`)."""
    since: int = -1
    """Written by the checker alone: the last post before it joined the group; -1: it is no member."""
    upto: int = 0
    """Written by the checker alone: the last post that it was told of in a turn that is over."""
    written: tuple[tuple[str, int], ...] = ()
    """How many records each thread has been given in this life; only where threads are trimmed."""

    def length(self, thread: str) -> int:
        """The absolute index after the newest record of a thread."""
        closed = dict(self.first).get(thread, 0) + dict(self.lengths).get(thread, 0)
        return closed + len(self.journal) if thread == self.thread else closed


class Order(NamedTuple):
    """An entry of `orders`: who asks the operator for which child."""

    mid: str
    agent: int
    uid: int
    child: int


class Due(NamedTuple):
    """An entry of `later`: a delayed message, or (without one) the deadline of a request or an approval."""

    agent: int
    uid: int
    mid: str
    message: Message | None = None


class Member(NamedTuple):
    """An entry of `g:<G>:members`; `joined` is the number of the last post before."""

    agent: int
    uid: int
    joined: int


class Post(NamedTuple):
    """An entry of `g:<G>:log`."""

    sender: int
    mid: str


class Group(NamedTuple):
    """All keys of the group. uid 0: it does not exist."""

    uid: int = 0
    members: tuple[Member, ...] = ()
    log: tuple[Post, ...] = ()
    seen: frozenset[str] = frozenset()


class Bus(NamedTuple):
    """Redis. `published` are the wake channels that the running script has published on."""

    agents: tuple[Agent, ...]
    work: tuple[int, ...] = ()
    """By how long they have been in it."""
    doorbell: frozenset[int] = frozenset()
    crowded: bool = False
    """Whether the operator has told that somebody waits for a slot (`queue`)."""
    dirty: frozenset[int] = frozenset()
    later: frozenset[Due] = frozenset()
    replies: frozenset[str] = frozenset()
    orders: frozenset[Order] = frozenset()
    published: frozenset[int] = frozenset()
    group: Group = Group()
    posted: tuple[str, ...] = ()
    """Written by the checker alone: the mids of all posts that were ever accepted."""
    mentioned: frozenset[str] = frozenset()
    """Written by the checker alone: the mids of all mentions that came into an inbox."""
    answers: frozenset[tuple[str, str]] = frozenset()
    """Written by the checker alone: requests with what ended them, `answer`, `early` or `error`."""
    put: frozenset[tuple[int, str]] = frozenset()
    """Written by the checker alone: whatever a person was ever asked to decide, and by which agent."""
    verdicts: frozenset[tuple[str, Verdict]] = frozenset()
    """Written by the checker alone: what whoever decided was told to have decided."""
    outcomes: frozenset[tuple[str, str]] = frozenset()
    """Written by the checker alone: results of approved calls and of calls that asked."""
    alarms: frozenset[str] = frozenset()
    """Written by the checker alone: what a script saw and must never see."""

    def change(self, agent: int, **fields: object) -> "Bus":
        """The same Redis with some fields of one agent replaced."""
        changed = self.agents[agent]._replace(**fields)  # type: ignore[arg-type]
        return self._replace(agents=(*self.agents[:agent], changed, *self.agents[agent + 1 :]))

    def needs(self, agent: int) -> "Bus":
        """ZADD work NX."""
        return self if agent in self.work else self._replace(work=(*self.work, agent))

    def needs_not(self, agent: int) -> "Bus":
        """ZREM work."""
        return self._replace(work=tuple(other for other in self.work if other != agent))

    def alarm(self, text: str) -> "Bus":
        """The same Redis, with a violation noted."""
        return self._replace(alarms=self.alarms | {text})


class Runtime(NamedTuple):
    """A pod with its process. `listed` is what the API server says: false when written off with its node."""

    agent: int
    uid: int
    token: int
    ticket: int
    at: str = "subscribe"
    """The next thing it does, or what it waits for."""
    line: Literal["none", "open", "cut", "half"] = "none"
    """Its Pub/Sub connection; `half`: open on its side only."""
    signal: bool = False
    listed: bool = True
    known_reason: bool = False
    turn: str = ""
    thread: str = ""
    base: int = 0
    inputs: tuple[Message, ...] = ()
    journal: tuple[Record, ...] = ()
    cancelled: bool = False
    in_hand: bool = False
    """A tool that this very process has been told to run."""
    heard: Verdict = ""
    """What a person has said to the call that it runs."""
    paid: int = -1
    """The day to which the model call in the air is charged."""
    number: int = 0
    """How many charges it has made in its life."""
    tried: int = 0
    """What model calls have used that broke off, and nobody was told yet."""
    broke: bool = False
    """The budget of the day is used up."""
    late: bool = False
    """Its clock is a day behind."""
    version: int = 0
    """Of the config that it works with."""
    found: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """What it has read of the group for each mention, and no record tells of yet."""


class Operator(NamedTuple):
    """An operator's memory: agents to look at, the pods it remembers, the pod it is about to create."""

    todo: frozenset[int] = frozenset()
    cache: tuple[int, frozenset[int]] | None = None
    create: tuple[int, int, int] | None = None
    """Agent, epoch and uid."""
    reap: tuple[int, int] | None = None
    """Agent and the token that it found dead."""
    queue: frozenset[int] = frozenset()
    """Agents that found no room; looked at again with the next event."""
    untold: int | None = None
    """Who found no room, and nobody idle; the operator has not told of it yet (the trap R11)."""
    evict: int | None = None
    """Whom it is about to ask to leave."""
    expires: Due | None = None
    """A deadline that it has found in `later`, a moment ago."""
    order: Order | None = None
    """What it carries out for an agent, and how far it is."""
    stage: str = ""
    popped: frozenset[int] = frozenset()
    """Taken out of `dirty`, not written to the status yet."""


class Client(NamedTuple):
    """A person's program: the message it is at, the uid its first try saw, and what was accepted."""

    position: int = 0
    uid_seen: int = 0
    accepted: tuple[str, ...] = ()
    cancel: str = ""
    """The turn it wants cancelled, as it saw it a while ago."""
    decided: frozenset[tuple[int, str]] = frozenset()
    """Which of the people has decided what."""


class World(NamedTuple):
    """Everything. Two equal worlds have the same future."""

    bus: Bus
    runtimes: tuple[Runtime, ...]
    operators: tuple[Operator, ...]
    client: Client
    faults: tuple[int, ...]
    """How many of each fault of the scenario may still happen."""
    broken: bool = False
    """The model's endpoint refuses agent A."""
    foreign: bool = False
    """A pod that is none of ours counts against the quota."""
    graves: frozenset[tuple[int, int]] = frozenset()
    """Names (agent, epoch + 1) of pods whose process has ended and whose object remains."""
    shown: tuple[str, ...] = ()
    """The state of each agent as its status in Kubernetes shows it."""
    born: frozenset[tuple[int, str, int]] = frozenset()
    """Agents that orders have made in Kubernetes: which, for which order, and their owner's uid."""
    synced: Bus | None = None
    """What of Redis has reached the disk."""
    tools: tuple[str, ...] = ()
    """Outside tools that were started, by call."""
    asked_for: frozenset[int] = frozenset()
    """Who shall belong to the group."""
    groups: int = 0
    """How many groups of the name there have been."""
    today: int = 0
    calls: tuple[int, int] = (0, 0)
    """Written by the checker alone: the last day that was charged, how often the model was asked on it."""
