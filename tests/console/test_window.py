"""The window as a person uses it."""

from horos_runtime.tool_registry import ToolRegistry
from horos_runtime.tool_registry import tool as as_tool
from tests.console.conftest import Window

TURN_BEGINS = {"chunks": ["It is ", {"text": "raining.", "hold": True}]}


@as_tool
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


async def test_a_wrong_token_is_refused_and_the_right_one_opens_the_window(window: Window) -> None:
    await window.stage.agent("ada")
    await window.log_in(token="0123456789abcdef-wrong")
    await window.browser.shows("not the gateway’s token", "#login-error")
    assert await window.browser.texts("#agents") == []
    await window.browser.clear("#token")
    await window.browser.type("#token", "0123456789abcdef-test\ue007")
    await window.browser.shows("ada", "#agents")
    await window.browser.shows("Choose an agent", "#main")
    await window.browser.click("#logout")
    await window.browser.shows("Enter the gateway’s token")
    await window.browser.reload()
    await window.browser.shows("Enter the gateway’s token")


async def test_a_namespace_without_agents_says_how_to_make_one(window: Window) -> None:
    await window.log_in()
    await window.browser.shows("No agents here yet")
    await window.browser.shows(f"kubectl apply -n {window.namespace}", "#main .command")
    await window.stage.agent("bob")
    await window.browser.shows("bob", "#agents")
    await window.browser.hides("No agents here yet")


async def test_an_answer_streams_in_before_the_model_has_finished(window: Window) -> None:
    await window.stage.agent()
    await window.stage.model.load(TURN_BEGINS)
    async with window.stage.running():
        await window.log_in()
        await window.browser.click("#agents a")
        await window.browser.shows("Nothing was said here yet")
        await window.say("What is the weather?")
        await window.browser.shows("It is", ".answer")
        await window.browser.shows("running", ".state")
        assert await window.browser.texts(".message .said") == ["What is the weather?"]
        # The model goes on only now.
        await window.stage.model.step()
        await window.browser.shows("It is raining.", ".answer")
        await window.browser.shows("idle", ".state")
        await window.browser.shows("1 turn", ".usage")
        assert await window.browser.texts(".message .foot") == []
    assert await window.browser.texts(".answer") == ["It is raining."]


async def test_a_tool_is_shown_with_its_arguments_and_its_result(window: Window) -> None:
    await window.stage.agent()
    await window.stage.model.load(
        {"text": "Let me see.", "toolCalls": [{"name": "add", "arguments": {"a": 2, "b": 3}}]},
        {"text": "Five."},
    )
    async with window.stage.running(tools=ToolRegistry(add)):
        await window.log_in("ada")
        await window.say("2 + 3?")
        await window.browser.shows("Five.", ".answer")
        assert await window.browser.texts(".call .tool") == ["add"]
        assert await window.browser.texts(".call .brief") == ["a: 2, b: 3"]
        await window.browser.click(".call summary")
        assert await window.browser.texts(".call .code") == ['{\n  "a": 2,\n  "b": 3\n}', "5.0"]


async def test_a_reload_keeps_everything_and_doubles_nothing(window: Window) -> None:
    await window.stage.agent()
    await window.stage.model.load(
        {"text": "Let me see.", "toolCalls": [{"name": "add", "arguments": {"a": 2, "b": 3}}]},
        {"chunks": ["Fi", {"text": "ve.", "hold": True}]},
    )
    async with window.stage.running(tools=ToolRegistry(add)):
        await window.log_in("ada")
        await window.say("2 + 3?")
        await window.browser.shows("Fi", ".answer")
        before = await window.browser.texts(".item")
        await window.browser.reload()
        await window.browser.shows("Fi", ".answer")
        await window.browser.shows("5.0", ".outcome")
        assert await window.browser.texts(".item") == before
        await window.stage.model.step()
        await window.browser.shows("Five.", ".answer")
        await window.browser.shows("idle", ".state")
        after = await window.browser.texts(".item")
        await window.browser.reload()
        await window.browser.shows("Five.", ".answer")
        assert await window.browser.texts(".item") == after
        assert await window.browser.texts(".answer") == ["Let me see.", "Five."]


async def test_thoughts_and_notes_of_a_turn_can_be_read_after_a_reload(window: Window) -> None:
    await window.stage.agent()
    await window.stage.model.load(
        {"reasoning": "They want a sum.", "toolCalls": [{"name": "add", "arguments": {"a": 2, "b": 3}}]},
        {"reasoning": "The tool says five.", "text": "Five."},
    )
    async with window.stage.running(tools=ToolRegistry(add)):
        await window.log_in("ada")
        await window.say("2 + 3?")
        await window.browser.shows("Five.", ".answer")
        await window.browser.shows("idle", ".state")
    await window.browser.shows("Hibernated", ".note")
    before = await window.browser.texts(".item")
    for _ in range(2):
        await window.browser.click(".step:not(:has(.call)) .reasoning summary")
        await window.browser.shows("The tool says five.", ".thoughts")
        assert await window.browser.texts(".reasoning summary") == ["Thought", "Thought"]
        await window.browser.reload()
        await window.browser.shows("Hibernated", ".note")
        assert await window.browser.texts(".item") == before


async def test_two_windows_of_one_thread_see_each_others_messages(window: Window) -> None:
    await window.stage.agent()
    await window.stage.model.load(TURN_BEGINS)
    async with window.stage.running():
        await window.log_in("ada")
        await window.browser.shows("Nothing was said here yet")
        await window.stage.say("asked from elsewhere")
        await window.browser.shows("asked from elsewhere", ".message")
        await window.browser.shows("It is", ".answer")
        await window.stage.model.step()
        await window.browser.shows("raining", ".answer")


async def test_threads_are_apart_and_one_can_be_begun(window: Window) -> None:
    await window.stage.agent()
    await window.stage.model.load({"text": "first answer"}, {"text": "second answer"})
    async with window.stage.running():
        await window.log_in("ada")
        await window.say("one")
        await window.browser.shows("first answer", ".answer")
        await window.browser.click(".threads button")
        await window.browser.type(".new-thread input", "trip\ue007")
        await window.browser.until("location.hash.endsWith('/ada/trip')")
        await window.browser.shows("Nothing was said here yet")
        await window.browser.shows("Something was said in main", ".empty")
        await window.say("two")
        await window.browser.shows("second answer", ".answer")
        assert await window.browser.texts(".answer") == ["second answer"]


async def test_what_a_model_says_is_never_markup(window: Window) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    await window.stage.agent()
    await window.stage.model.load({"text": evil, "chunkSize": 7})
    async with window.stage.running():
        await window.log_in("ada")
        await window.say(evil)
        await window.browser.shows("</script>", ".answer")
    assert await window.browser.texts(".answer") == [evil]
    assert await window.browser.texts(".said") == [evil]
    assert await window.browser.run("return document.title") == "ada · horos"
    assert await window.browser.run("return document.querySelectorAll('#main img, #main script').length") == 0


async def test_an_agent_that_is_deleted_while_it_is_watched_says_so(window: Window) -> None:
    await window.stage.agent()
    await window.stage.agent("bob")
    await window.log_in("ada")
    await window.browser.shows("Nothing was said here yet")
    await window.delete()
    await window.browser.shows("ada is not there (any more)", ".banner")
    await window.browser.shows("kubectl get agents", ".banner")
    assert await window.browser.run("return document.querySelector('textarea').disabled")
    await window.browser.until("document.querySelectorAll('#agents a').length === 1")


async def test_an_agent_that_never_was_is_told_the_same(window: Window) -> None:
    await window.log_in("nobody")
    await window.browser.shows("nobody is not there (any more)", ".banner")


async def test_a_refused_key_is_told_with_what_to_do(window: Window) -> None:
    await window.stage.agent()
    await window.stage.model.load({"fault": {"status": 401, "message": "no such key"}}, repeat="last")
    async with window.stage.running():
        await window.log_in("ada")
        await window.say("hello")
        await window.browser.shows("ModelRefusesKey", ".banner.error")
        await window.browser.shows(f"horos describe ada -n {window.namespace}", ".banner")
        await window.browser.shows("error", ".state")


async def test_an_answer_that_broke_off_is_taken_back(window: Window) -> None:
    await window.stage.agent()
    await window.stage.model.load({"text": "half an ans", "cutAfter": 2}, TURN_BEGINS)
    async with window.stage.running():
        await window.log_in("ada")
        await window.say("hello")
        await window.browser.shows("It is", ".answer")
        assert await window.browser.texts(".answer") == ["It is"]
        await window.browser.shows("Next try in", ".note")
        await window.stage.model.step()
        await window.browser.shows("It is raining.", ".answer")


async def test_stop_ends_the_turn(window: Window) -> None:
    await window.stage.agent()
    await window.stage.model.load(TURN_BEGINS)
    async with window.stage.running():
        await window.log_in("ada")
        await window.say("hello")
        await window.browser.shows("It is", ".answer")
        await window.browser.click(".stop")
        await window.browser.shows("A person stopped this turn.", ".note")
        await window.browser.shows("idle", ".state")
        await window.browser.until("!document.querySelector('.stop').checkVisibility()")


async def test_a_message_waits_visibly_until_its_turn_comes(window: Window) -> None:
    await window.stage.agent()
    await window.stage.model.load({"text": "here I am"})
    await window.log_in("ada")
    await window.say("anybody?")
    await window.browser.shows("Waits for its turn.", ".queue")
    await window.browser.shows("waking", ".state")
    await window.browser.reload()
    await window.browser.shows("Waits for its turn.", ".queue")
    assert await window.browser.texts(".said") == ["anybody?"]
    async with window.stage.running():
        await window.browser.shows("here I am", ".answer")
        assert await window.browser.texts(".queue .item") == []
        assert await window.browser.texts(".said") == ["anybody?"]
