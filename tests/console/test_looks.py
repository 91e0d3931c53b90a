"""How the window looks: legible in light and dark, and nothing sticks out on a phone.

With HOROS_PICTURES set to a folder, the screenshots are kept there.
"""

import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from horos_api import events
from horos_api.events import Event
from horos_api.mentions import Wake
from horos_bus.control import Control
from horos_bus.group_records import NewPost
from horos_bus.group_service import GroupService
from horos_bus.message_service import MessageService
from horos_bus.records import Ending, Identity, Turn, Usage
from tests.console.conftest import Window
from tests.runtime.stage import Stage

SIZES = {"wide": (1180, 760), "phone": (390, 780)}
CONTRAST = """
const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
const over = (colours) => {
  canvas.fillStyle = '#fff'; canvas.fillRect(0, 0, 1, 1);
  for (const c of colours) { canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); }
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const linear = (c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = (rgb) => rgb.map((c) => linear(c / 255))
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const low = [];
for (const node of document.querySelectorAll('body *')) {
  const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  if (!own || !node.checkVisibility() || node.closest('.unseen, :disabled')) continue;
  const grounds = [];
  for (let n = node; n; n = n.parentElement) grounds.unshift(getComputedStyle(n).backgroundColor);
  const back = light(over(grounds)), front = light(over([...grounds, getComputedStyle(node).color]));
  const ratio = (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05);
  if (ratio < 4.5) low.push([node.className || node.tagName, node.innerText.slice(0, 30), ratio.toFixed(2)]);
}
return low;
"""
WIDER = """
return [...document.querySelectorAll('body *')]
  .filter((e) => e.checkVisibility() && !e.closest('.unseen, pre'))
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
  .map((e) => e.className || e.tagName)
"""
PLAN = """Here is the plan for the migration:

1. Freeze writes, take a snapshot.
2. Restore it next door and compare row counts.
3. Switch the alias, keep the old index for **one week**.

```sql
SELECT count(*) FROM orders
WHERE created_at < now() - interval '30 days';
```

The counts match so far; `orders` is the largest table, so I check it first."""


def record(run: str, role: str, content: str, **more: Any) -> bytes:
    return orjson.dumps({"role": role, "content": content, "run": run, "by": "x", **more})


def call(number: str, name: str, **arguments: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": orjson.dumps(arguments).decode()}
    return {"id": number, "type": "function", "function": function}


async def played(stage: Stage) -> None:
    """Four agents in different states, and one of them in the middle of a turn."""
    control = Control(stage.bus)
    for name in ("archivist", "bob", "ada", "release-notes"):
        assert await control.create(name, f"uid-{name}") == "OK"
    await control.ctl("archivist", "pause")
    await failing(stage)
    ada = MessageService(stage.bus, Identity("ada", "uid-ada", "token-ada"))
    await ada.claim(None)
    await stage.say("Which tables are older than the backup?")
    turn = await ada.all_unread()
    assert isinstance(turn, Turn)
    calls = [call("c1", "count_rows", table="orders", older_than="30 days"), call("c2", "read_log", lines=20)]
    await ada.append(
        turn.id,
        0,
        [
            record(turn.id, "user", turn.inputs[0].body, mid=turn.inputs[0].mid),
            record(turn.id, "assistant", "I look at the largest table first.", tool_calls=calls),
            record(turn.id, "tool", "1,204,118", tool_call_id="c1"),
            record(turn.id, "tool", "error: permission denied: /var/log/pg", tool_call_id="c2"),
        ],
    )
    answer = record(turn.id, "assistant", "`orders` has **1,204,118** rows that are older than the backup.")
    await ada.commit(turn.id, 4, [answer], Ending(text="x"), Usage(1830, 212))
    await stage.say("Good. Write down how we move it, please.")
    turn = await ada.all_unread()
    assert isinstance(turn, Turn)
    message = f"{turn.id}/6"
    told: list[Event] = [
        events.custom("compaction", {"before": 9200, "after": 3700, "through": 4}),
        *events.reasoning_start(message),
        events.reasoning_delta(message, "They want a plan they can follow. Three steps, and a check."),
        *events.reasoning_end(message),
        events.text_start(message),
        events.text_delta(message, PLAN),
    ]
    await ada.emit(turn.id, told)
    await stage.say("And tell the others when it is done.")


async def failing(stage: Stage) -> None:
    bob = MessageService(stage.bus, Identity("bob", "uid-bob", "token-bob"))
    await bob.claim(None)
    await stage.say("hello", to="bob")
    turn = await bob.all_unread()
    assert isinstance(turn, Turn)
    await bob.fail(turn.id, "ModelRefusesKey", "the model server answered 401: check Secret llm, key apiKey")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_the_window_is_legible_and_fits(window: Window, scheme: str, size: str) -> None:
    browser = window.browser
    await played(window.stage)
    await browser.looks(*SIZES[size], scheme)
    await browser.open(f"{window.address}/console/")
    await browser.until("document.querySelector('#token').checkVisibility()")
    await looked_at(window, f"login-{size}-{scheme}")
    await window.log_in("ada")
    await browser.shows("check it first", ".answer")
    await browser.shows("9,200 tokens became 3,700", ".note")
    await browser.shows("Waits for its turn.", ".queue")
    await browser.click(".reasoning:not([hidden]) summary")
    await looked_at(window, f"thread-{size}-{scheme}")
    await browser.run("location.hash = `#/${arguments[0]}/bob`", window.namespace)
    await browser.shows("check Secret llm", ".banner")
    await looked_at(window, f"error-{size}-{scheme}")
    await browser.run("location.hash = '#/empty'")
    await browser.shows("No agents here yet", "#main")
    await looked_at(window, f"empty-{size}-{scheme}")


async def a_discussion(stage: Stage) -> None:
    """A group in which several have said something, one at length, and one could not."""
    control, service = Control(stage.bus), GroupService(stage.bus)
    members = ("ada", "archivist", "bob", "release-notes", "the-one-who-reads-all-of-it-twice")
    for name in members:
        await control.create(name, f"uid-{name}")
    lives = {name: f"uid-{name}" for name in members}
    await service.put("migration-board", "uid", Wake.MENTIONED, 100, lives)
    await service.put("all-hands", "uid-2", Wake.ALL, 100, lives)
    for who, text in (
        ("Eve", "@ada what is the plan? @bob please check what it costs."),
        ("kubernetes-admin", PLAN),
        ("", "I can do that tomorrow."),
    ):
        await service.post(NewPost("migration-board", f"mid-{len(text)}", who, text))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_a_group_is_legible_and_fits(window: Window, scheme: str, size: str) -> None:
    browser = window.browser
    await a_discussion(window.stage)
    await browser.looks(*SIZES[size], scheme)
    await window.log_in("@migration-board")
    await browser.shows("I can do that tomorrow.", ".said")
    await browser.shows("5 members", ".belongs")
    await browser.click(".belongs > summary")
    await window.say("@bob and @mallory, go on")
    await browser.shows("It wakes bob. Not a member: mallory.")
    await looked_at(window, f"group-{size}-{scheme}")


async def looked_at(window: Window, name: str) -> None:
    assert await window.browser.run(CONTRAST) == []
    assert await window.browser.run(WIDER) == []
    if folder := os.environ.get("HOROS_PICTURES"):
        picture = await window.browser.picture()
        (Path(folder) / f"{name}.png").write_bytes(picture)
