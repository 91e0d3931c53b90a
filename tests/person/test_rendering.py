"""Tables, descriptions, event lines and the terminal, as text."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from horos.decision_words import span
from horos.event_lines import event_line, worth_telling
from horos.tables import agents_table, description
from horos.terminal import Terminal
from horos.transcript import Piece, PieceKind
from horos_api import events

LIVE: dict[str, Any] = {
    "name": "ada",
    "state": "error",
    "residency": "resident",
    "resident": True,
    "leaving": False,
    "queue": None,
    "idleSince": None,
    "epoch": 1,
    "turn": "1-0",
    "thread": "main",
    "waiting": 2,
    "reason": "ModelRefusesKey",
    "message": "401 [from] the model",
    "owed": 0,
    "deadLetters": 0,
    "cancelling": False,
    "usage": {
        "turns": 3,
        "promptTokens": 100,
        "completionTokens": 20,
        "cost": "0.25",
        "today": {"date": "2026-11-01", "tokens": 90, "cost": "0.2"},
    },
    "threads": ["main", "work"],
    "budget": None,
}
MANIFEST: dict[str, Any] = {
    "metadata": {"name": "ada", "namespace": "research", "creationTimestamp": "2026-11-01T10:00:00Z"},
    "spec": {
        "instructions": "You are Ada.\nBe brief.",
        "operatingMode": "Running",
        "model": {"name": "m", "baseUrl": "http://m/v1"},
        "tools": {"builtin": ["send", "list_agents"]},
    },
    "status": {
        "podName": "ada-1",
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "ModelRefusesKey",
                "message": "check Secret llm",
                "lastTransitionTime": "2026-11-01T10:05:00Z",
            }
        ],
    },
}


NOON = datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp()


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(*pieces: Piece, tty: bool = False) -> tuple[str, str]:
    out, err = (Tty(), Tty()) if tty else (io.StringIO(), io.StringIO())
    terminal = Terminal(out, err)
    for piece in pieces:
        terminal.show(piece)
    return out.getvalue(), err.getvalue()


def as_text(thing: Any) -> str:
    out = io.StringIO()
    Terminal(out, io.StringIO()).table(thing)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_the_table_of_agents_is_plain_and_whole_in_a_pipe() -> None:
    long = {
        **LIVE,
        "name": "bob",
        "state": "idle",
        "reason": "",
        "message": "",
        "residency": "hibernated",
        "resident": False,
        "idleSince": "2026-11-01T10:00:00Z",
        "waiting": 0,
    }
    assert as_text(agents_table([{**LIVE, "message": "x" * 200}, long], now=NOON)) == (
        "NAME  STATE  RESIDENCY   IDLE  WAITING  TURNS  TOKENS  COST  BUDGET  REASON\n"
        f"ada   error  resident    -     2        3      120     0.25  -       ModelRefusesKey: {'x' * 200}\n"
        "bob   idle   hibernated  2h    0        3      120     0.25  -       -"
    )


def limited(name: str, reason: str = "Resident", **budget: Any) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "True" if reason == "Resident" else "False", "reason": reason}
    accepted = {"type": "Accepted", "status": "True", "reason": "Valid"}
    return {
        "metadata": {"name": name},
        "spec": {"budget": budget},
        "status": {"conditions": [accepted, {**ready, "message": "why"}]},
    }


@pytest.mark.parametrize(
    ("budget", "days", "told"),
    [
        ({}, 0, "-"),
        ({"tokensPerDay": 1000}, 0, "9%"),
        ({"tokensPerDay": 1000, "costPerDay": "0.5"}, 0, "40%"),
        ({"tokensPerDay": 91}, 0, "98%"),
        ({"tokensPerDay": 90, "costPerDay": "9"}, 0, "used up"),
        ({"costPerDay": "0"}, 0, "used up"),
        ({"tokensPerDay": 90}, 1, "0%"),
    ],
)
def test_the_table_says_how_much_of_the_day_is_used(budget: dict[str, Any], days: int, told: str) -> None:
    idle = {**LIVE, "state": "idle", "reason": "", "message": ""}
    now = NOON + timedelta(days=days).total_seconds()
    line = as_text(agents_table([idle], [limited("ada", **budget)], now)).splitlines()[1]
    told = f"{told:<{max(6, len(told))}}"
    assert line == f"ada   idle   resident   -     2        3      120     0.25  {told}  -"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("BudgetExhausted", "BudgetExhausted: why"),
        ("ModelConfigMissing", "ModelConfigMissing: why"),
        ("Replacing", "-"),
    ],
)
def test_what_a_resident_agent_cannot_know_of_itself_is_told_by_kubernetes(reason: str, told: str) -> None:
    idle = {**LIVE, "state": "idle", "reason": "", "message": ""}
    line = as_text(agents_table([idle], [limited("ada", reason)], NOON)).splitlines()[1]
    assert line.endswith(f"  {told}")


def test_a_description_joins_what_is_asked_for_with_what_holds() -> None:
    assert as_text(description(LIVE, MANIFEST, ["10:00  RUN_STARTED  main 1-0"])) == (
        "Name:         ada\n"
        "Namespace:    research\n"
        "Created:      2026-11-01T10:00:00Z\n"
        "Mode:         Running\n"
        "Model:        m at http://m/v1\n"
        "Tools:        send, list_agents\n"
        "Pod:          ada-1\n"
        "Instructions: You are Ada.\n"
        "              Be brief.\n"
        "Conditions:\n"
        "  Ready: False  ModelRefusesKey: check Secret llm (since 2026-11-01T10:05:00Z)\n"
        "Now:\n"
        "  State:     error\n"
        "  Reason:    ModelRefusesKey: 401 [from] the model\n"
        "  Residency: resident\n"
        "  Turn:      1-0 in thread main\n"
        "  Waiting:   2 messages\n"
        "  Threads:   main, work\n"
        "  Usage:     3 turns; tokens: 100 read, 20 written; cost: 0.25\n"
        "  Last day:  90 tokens, cost: 0.2 on 2026-11-01 (UTC)\n"
        "Last events:\n"
        "  10:00  RUN_STARTED  main 1-0"
    )


def test_a_description_without_a_cluster_has_the_live_part_only() -> None:
    text = as_text(description({**LIVE, "turn": "", "thread": "", "threads": []}, None, []))
    assert text.startswith("Now:\n  State:")
    assert "Turn:      none" in text
    assert text.endswith("Last events: none")


def test_a_new_agent_without_status_can_be_described() -> None:
    bare = {"metadata": {"name": "ada", "namespace": "r", "deletionTimestamp": "now"}, "spec": {}}
    text = as_text(description(LIVE, bare, []))
    assert "Deleted:      now (its pod and keys are being removed)" in text
    assert "Model:        the default of the namespace or the installation" in text
    assert "Conditions: none" in text


BUDGET: dict[str, Any] = {
    "tokensPerDay": 1_000_000,
    "costPerDay": None,
    "exhausted": None,
    "resetsAt": "2026-11-02T00:00:00Z",
}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "90 of 1,000,000 tokens today; begins anew at 2026-11-02T00:00:00Z"),
        (
            {"tokensPerDay": 90, "costPerDay": "5", "exhausted": "tokensPerDay"},
            "used up: 90 of 90 tokens and 0.2 of 5 in money today; begins anew at 2026-11-02T00:00:00Z",
        ),
        (
            {"costPerDay": "5", "tokensPerDay": None, "resetsAt": "2026-11-09T00:00:00Z"},
            "0 of 5 in money today; begins anew at 2026-11-09T00:00:00Z",
        ),
    ],
)
def test_a_description_tells_what_is_left_of_the_day(change: dict[str, Any], told: str) -> None:
    live = {**LIVE, "budget": {**BUDGET, **change}}
    assert f"Budget:    {told}\n" in as_text(description(live, MANIFEST, []))


def test_an_agent_that_has_done_nothing_has_used_nothing() -> None:
    usage = {"turns": 1, "promptTokens": 0, "completionTokens": 0, "cost": "0", "today": None}
    text = as_text(description({**LIVE, "usage": usage, "budget": BUDGET}, MANIFEST, []))
    assert "Usage:     1 turn; tokens: 0 read, 0 written\n" in text
    assert "Budget:    0 of 1,000,000 tokens today" in text
    assert "Last day" not in text


def test_a_description_names_the_model_config_and_the_fallbacks() -> None:
    model = {"configName": "big", "fallbacks": [{"name": "n", "baseUrl": "http://n/v1"}, {}]}
    manifest = {**MANIFEST, "spec": {"model": model}}
    assert (
        "Model:        ModelConfig big; then n at http://n/v1;"
        " then the default of the namespace or the installation\n"
    ) in as_text(description(LIVE, manifest, []))


def test_an_event_is_one_line() -> None:
    assert event_line("1000-0", events.text_delta("1-0/1", " a\nb"), UTC) == (
        '00:00:01.000  TEXT_MESSAGE_CONTENT  " a\\nb"'
    )
    started = {"type": "RUN_STARTED", "threadId": "main", "runId": "1-0"}
    assert event_line("1000-0", started, UTC) == "00:00:01.000  RUN_STARTED           main 1-0"
    assert event_line("", {"type": "CUSTOM", "name": "gap", "value": {}}, UTC) == (
        "------------  CUSTOM                gap"
    )
    assert event_line("1000-0", events.reasoning_delta("1-0/1", "so"), UTC) == (
        '00:00:01.000  REASONING_MESSAGE_CONTENT  "so"'
    )
    budget = events.custom("budget", {"reason": "TokensPerDay"})
    assert event_line("1000-0", budget, UTC) == (
        "00:00:01.000  CUSTOM                budget reason=TokensPerDay"
    )
    failed = {"type": "STATE_SNAPSHOT", "snapshot": {"state": "error", "message": "no model"}}
    assert event_line("1000-0", failed, UTC) == (
        "00:00:01.000  STATE_SNAPSHOT        state=error message=no model"
    )
    assert event_line("1000-0", {"type": "NEW", "x": 1}, UTC) == "00:00:01.000  NEW"


def test_fragments_are_not_worth_telling_afterwards() -> None:
    happened = [
        ("1", {"type": "RUN_STARTED"}),
        ("2", events.text_delta("m", "a")),
        ("3", {"type": "RUN_FINISHED"}),
        ("4", events.custom("usage", {})),
    ]
    assert [at for at, _ in worth_telling(happened, 2)] == ["3", "4"]


def test_the_answer_is_on_standard_output_and_the_rest_beside_it() -> None:
    out, err = printed(
        Piece(PieceKind.CALL, "send(to=bob)", "c1"),
        Piece(PieceKind.RESULT, "ok", "c1"),
        Piece(PieceKind.TEXT, "Do"),
        Piece(PieceKind.TEXT, "ne"),
        Piece(PieceKind.END),
        Piece(PieceKind.ERROR, "ModelDown: x"),
    )
    assert out == "Done\n"
    assert err == "⚙ send(to=bob) → ok\nModelDown: x\n"


def test_results_that_come_in_another_order_name_themselves() -> None:
    _, err = printed(
        Piece(PieceKind.CALL, "a()", "c1"),
        Piece(PieceKind.CALL, "b()", "c2"),
        Piece(PieceKind.RESULT, "first", "c1"),
        Piece(PieceKind.RESULT, "second", "c2"),
    )
    assert err == "⚙ a()\n⚙ b()\n⚙ → first\n⚙ → second\n"


def test_on_a_terminal_a_note_does_not_run_into_the_answer_and_is_dim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out, err = printed(Piece(PieceKind.TEXT, "Hel"), Piece(PieceKind.NOTE, "again"), tty=True)
    assert out == "Hel\n"
    assert err == "\x1b[2magain\x1b[0m\n"


def test_a_model_cannot_steer_the_terminal() -> None:
    nasty = "\x1b]0;title\x07red\x1b[31m\x9b2J\r"
    out, err = printed(Piece(PieceKind.TEXT, nasty), Piece(PieceKind.NOTE, nasty), tty=True)
    assert out == "]0;titlered[31m2J\n"
    assert "\x1b]" not in err
    assert "\x07" not in err


def test_in_a_pipe_the_answer_is_byte_for_byte() -> None:
    assert printed(Piece(PieceKind.TEXT, "a\x1b[31m\tb\r\n"))[0] == "a\x1b[31m\tb\r\n"


def custom_line(name: str, /, **value: Any) -> str:
    event = {"type": "CUSTOM", "name": name, "value": value}
    return event_line("1000-0", event, UTC).split(maxsplit=2)[2]


def test_events_about_tools_are_told_in_words() -> None:
    question = {"id": "ada/1-0/1.0!ask1", "server": "shop", "message": "Sure?", "schema": "{}", "tool": "buy"}
    assert custom_line("elicitation", **question, status="pending") == (
        "elicitation ada/1-0/1.0!ask1 shop asks: Sure?"
    )
    withdrawn = custom_line("elicitation", id="ada/1-0/1.0!ask1", tool="buy", status="withdrawn")
    assert withdrawn == "elicitation ada/1-0/1.0!ask1 buy: no longer asked for"
    assert (
        custom_line("toolProblem", message="docs cannot be reached") == "toolProblem docs cannot be reached"
    )


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("wake", {"reason": "message"}, "wake it needs a process: a message waits"),
        (
            "order",
            {"kind": "create_agent", "name": "bob", "status": "asked"},
            "order create_agent bob is asked",
        ),
        (
            "order",
            {"kind": "create_agent", "name": "bob", "status": "refused", "message": "too many"},
            "order create_agent bob is refused: too many",
        ),
        (
            "child",
            {"name": "bob", "status": "ended", "reason": "TaskDone"},
            "child bob has ended (TaskDone)",
        ),
        ("wake", {"reason": "turn"}, "wake it needs a process: goes on with its turn"),
        ("wake", {"reason": "order"}, "wake it needs a process: somebody wants it awake"),
        ("wake", {"reason": "moon"}, "wake it needs a process: moon"),
        ("resident", {"epoch": 3}, "resident process 3 has the agent"),
        ("hibernated", {"epoch": 3}, "hibernated process 3 gave the agent back"),
    ],
)
def test_events_about_processes_are_told_in_words(name: str, value: dict[str, Any], told: str) -> None:
    assert custom_line(name, **value) == told


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (7199, "119m"),
        (7200, "2h"),
        (172_799, "47h"),
        (172_800, "2d"),
    ],
)
def test_spans_of_time_are_short(seconds: float, said: str) -> None:
    assert span(seconds) == said
