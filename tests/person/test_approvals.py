"""What agents wait for people to decide, from the command line."""

import getpass

import orjson
import pytest

from tests.asking_people import FORM, call_to_approve, end_turn, question
from tests.person.conftest import Here
from tests.person.stage import Agent, Done
from tests.person.test_refusals import refused

ME = getpass.getuser()


async def waiting(here: Here, ada: Agent) -> str:
    """A call of ada's that waits; its turn is over."""
    await here.horos("send", "ada", "Buy a pot")
    turn = await ada.turn()
    approval_id = await call_to_approve(ada.runtime, turn, item="pot", note="x" * 100)
    await end_turn(ada.runtime, turn)
    return approval_id


async def asked(here: Here, ada: Agent, schema: str = FORM) -> str:
    """A question of ada's tool server in a call that runs."""
    await here.horos("send", "ada", "Buy a pot")
    return await question(ada.runtime, await ada.turn(), schema)


async def test_without_anything_to_decide_that_is_said(here: Here, ada: Agent) -> None:
    nobody = f"no agent in namespace {here.namespace} waits for a decision\n"
    assert await here.horos("approvals") == Done(0, "", nobody)
    assert await here.horos("approvals", "ada") == Done(0, "", "ada does not wait for a decision\n")


async def test_a_call_that_waits_is_listed_in_short_and_in_full(here: Here, ada: Agent) -> None:
    approval_id = await waiting(here, ada)
    done = await here.horos("approvals")
    assert (done.code, done.err) == (0, "")
    head, line = done.out.splitlines()
    assert head.split() == ["ID", "AGENT", "THREAD", "STATUS", "ASKED", "EXPIRES", "IN", "WHAT"]
    assert line.split()[:4] == [approval_id, "ada", "main", "pending"]
    assert line.split()[6] == "10m"
    assert line.rstrip().endswith("xxx…)")
    assert "shop__buy(item=pot, note=x" in line
    wide = (await here.horos("approvals", "ada", "-o", "wide")).out
    assert 'shop__buy({"item":"pot","note":"' + "x" * 100 + '"})' in wide


async def test_a_question_is_listed_with_what_it_asks_for(here: Here, ada: Agent) -> None:
    await asked(here, ada)
    line = (await here.horos("approvals")).out.splitlines()[1]
    assert "shop asks: Where does it go? See https://shop.example/42 (city (required): a text of " in line
    assert "units: one of celsius, fahrenheit, else celsius, days: a whole number 1 to 7, else 3, " in line


@pytest.mark.parametrize("form", ["json", "yaml"])
async def test_lists_and_decisions_can_be_read_by_programs(here: Here, ada: Agent, form: str) -> None:
    approval_id = await waiting(here, ada)
    listed = await here.horos("approvals", "-o", form)
    decided = await here.horos("deny", approval_id, "-o", form)
    assert listed.err == decided.err == ""
    if form == "json":
        assert [each["id"] for each in listed.json] == [approval_id]
        assert decided.json["status"] == "denied"
    else:
        assert f"- id: {approval_id}\n" in listed.out
        assert "status: denied\n" in decided.out


async def test_an_approved_call_is_told_in_full_with_who_and_why(here: Here, ada: Agent) -> None:
    approval_id = await waiting(here, ada)
    done = await here.horos("approve", approval_id, "--reason", "cheap", "--who", "alice")
    arguments = orjson.dumps({"item": "pot", "note": "x" * 100}).decode()
    assert done == Done(0, "", f"ada may call shop__buy({arguments}): approved by alice: cheap\n")
    (message,) = (await ada.turn()).inputs
    assert (message.verdict, message.who, message.reason) == ("approve", "alice", "cheap")


async def test_a_denied_call_is_told_and_recorded_with_the_name_of_the_user(here: Here, ada: Agent) -> None:
    approval_id = await waiting(here, ada)
    done = await here.horos("deny", approval_id)
    assert done.code == 0
    assert done.err.startswith("ada may not call shop__buy(")
    assert done.err.endswith(f": denied by {ME}\n")
    (message,) = (await ada.turn()).inputs
    assert (message.verdict, message.who) == ("deny", ME)


async def test_a_question_is_answered_with_typed_values_and_defaults(here: Here, ada: Agent) -> None:
    question_id = await asked(here, ada)
    typed = ("--set", "city=Bern", "--set", "days=2", "--set", "gift=yes", "--set", "extras=card,ribbon")
    done = await here.horos("approve", question_id, *typed, "--set", "mail=a@b.example")
    assert done == Done(0, "", f"shop has its answer: approved by {ME}\n")
    found = await ada.runtime.answer(question_id)
    assert found is not None
    assert orjson.loads(found.content) == {
        "city": "Bern",
        "units": "celsius",
        "days": 2,
        "gift": True,
        "extras": ["card", "ribbon"],
        "mail": "a@b.example",
    }


async def test_a_question_is_declined(here: Here, ada: Agent) -> None:
    question_id = await asked(here, ada)
    done = await here.horos("deny", question_id, "--reason", "private")
    assert done == Done(0, "", f"shop gets no answer: denied by {ME}: private\n")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ((), ("error: city is missing; expected a text of at least 2 characters",)),
        (("--set", "city=Bern", "--set", "days=soon"), ('days is "soon"; expected a whole number 1 to 7',)),
        (("--set", "town=Bern"), ("town is not asked for; asked for are city, units, days",)),
    ],
)
async def test_values_that_do_not_fit_are_refused_by_name(
    here: Here, ada: Agent, typed: tuple[str, ...], words: tuple[str, ...]
) -> None:
    question_id = await asked(here, ada)
    refused(await here.horos("approve", question_id, *typed), 1, *words)
    assert await ada.runtime.answer(question_id) is None


async def test_a_call_takes_no_values(here: Here, ada: Agent) -> None:
    approval_id = await waiting(here, ada)
    done = await here.horos("approve", approval_id, "--set", "item=pan")
    refused(done, 2, f"{approval_id} is a call of shop__buy: it takes no values (--set)")


async def test_whoever_comes_second_is_told_who_was_first(here: Here, ada: Agent) -> None:
    approval_id = await waiting(here, ada)
    await here.horos("deny", approval_id, "--who", "alice", "--reason", "no money")
    again = await here.horos("deny", approval_id, "--who", "alice")
    assert again.code == 0
    second = await here.horos("approve", approval_id, "--who", "bob")
    refused(second, 1, f"{approval_id} was denied by alice at 20", "no money")


async def test_what_does_not_wait_is_exit_code_3(here: Here, ada: Agent) -> None:
    refused(await here.horos("approve", "ada/1-0/1.0"), 3, "nothing called ada/1-0/1.0 waits for a decision")
    refused(await here.horos("deny", "nobody/1-0/1.0"), 3, "no agent nobody")
    refused(await here.horos("approvals", "nobody"), 3, "no agent nobody")
    refused(await here.horos("tools", "nobody"), 3, "no agent nobody")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("approve", "ada"), ("ID 'ada': expected one that `horos approvals` lists",)),
        (("approve", "Ada/1"), ("ID 'Ada/1'",)),
        (("deny", "ada/"), ("ID 'ada/'",)),
        (("deny", "ada/1 2"), ("ID 'ada/1 2'",)),
        (("approve", "ada/1", "--set", "city"), ("--set 'city': expected NAME=VALUE",)),
        (("approve", "ada/1", "--set", "=Bern"), ("--set '=Bern': expected NAME=VALUE",)),
        (("approve", "ada/1", "--set", "a=1", "--set", "a=2"), ("--set a: it is set twice",)),
        (("approvals", "Ada"), ("'Ada' is not a DNS label",)),
        (("tools", "Ada"), ("'Ada' is not a DNS label",)),
    ],
)
async def test_what_cannot_be_right_is_refused_at_once(
    here: Here, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refused(await here.horos(*arguments), 2, *words)


async def test_a_reason_or_name_that_the_gateway_does_not_take_is_told(here: Here, ada: Agent) -> None:
    approval_id = await waiting(here, ada)
    refused(await here.horos("deny", approval_id, "--reason", "x" * 1025), 1, "reason has 1025 bytes")
    refused(await here.horos("deny", approval_id, "--who", "a\nb"), 1, "who", "printable")


async def test_agents_that_wait_for_a_decision_say_so(here: Here, ada: Agent) -> None:
    await waiting(here, ada)
    assert "waits for 1 decision: see `horos approvals ada`" in (await here.horos("agents")).out
    described = (await here.horos("describe", "ada")).out
    assert "Decisions of people:\n" in described
    assert "pending, denied by itself in " in described
    assert (await here.horos("describe", "ada", "-o", "json")).json["approvals"][0]["tool"] == "shop__buy"


async def test_whoever_waits_for_an_answer_is_told_how_to_decide(here: Here, ada: Agent) -> None:
    running = await here.start("send", "ada", "Buy a pot", "--wait")
    turn = await ada.turn()
    approval_id = await call_to_approve(ada.runtime, turn, item="pot")
    await end_turn(ada.runtime, turn)
    await here.horos("approve", approval_id, "--who", "alice")
    acting = await ada.turn()
    await ada.answer(acting, "Bought.")
    done = await running.end()
    assert (done.code, done.out) == (0, "Bought.\n")
    how = f"`horos approve {approval_id}` or `horos deny {approval_id}` within 10m"
    assert f"? shop__buy(item=pot): {how}\n" in done.err
    assert "shop__buy: approved by alice\n" in done.err


async def test_events_about_decisions_are_lines_that_can_be_read(here: Here, ada: Agent) -> None:
    approval_id = await waiting(here, ada)
    await here.horos("deny", approval_id, "--who", "alice", "--reason", "dear")
    lines = (await here.horos("events", "ada", "--after", "0", "--no-follow")).out.splitlines()
    told = [line.split(maxsplit=2)[2] for line in lines if " approval " in line]
    assert told[0].startswith(f"approval {approval_id} shop__buy(item=pot, note=xxx")
    assert told[1] == f"approval {approval_id} shop__buy: denied by alice: dear"
