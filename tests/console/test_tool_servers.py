"""The window before an agent with a real MCP server: it is listed, and what it asks in a call is answered."""

from pathlib import Path

from tests.console.conftest import Window
from tests.mcp.recording import RawStdio
from tests.mcp.test_in_turns import agent, use


async def test_a_server_is_listed_and_its_question_answered_in_the_middle_of_a_call(
    window: Window, tmp_path: Path
) -> None:
    server = RawStdio.told(tmp_path / "raw", {"tools": ["elicit", "echo"]})
    await agent(window.stage, use(server, allow=("elicit",)))
    await window.stage.model.load(
        {"toolCalls": [{"name": "raw__elicit", "arguments": {}}]}, {"text": "Red it is."}
    )
    async with window.stage.running():
        await window.log_in("ada")
        await window.browser.shows("1 tool server", ".servers summary")
        await window.say("Which colour do they want?")
        await window.browser.shows("raw asks, for raw__elicit", ".ask")
        await window.browser.shows("Which colour?", ".ask .question")
        await window.browser.reload()
        await window.browser.shows("Which colour?", ".ask .question")
        await window.browser.run("document.querySelector('.ask [name=colour]').value = 'red'")
        await window.browser.type(".ask .who", "alice")
        await window.browser.click(".ask .primary")
        await window.browser.shows("raw__elicit was answered by alice", ".decision")
        await window.browser.shows("Red it is.", ".answer")
        assert '"colour": "red"' in (await window.browser.texts(".call .outcome"))[0]
        await window.browser.click(".servers summary")
        await window.browser.shows("1 tool, 1 hidden", ".panel")
        await window.browser.shows("Connected since", ".panel")
