"""Every example answers in `horos run`, as its comment says it does."""

import asyncio
import json
import re
import shlex
from typing import Any

import pytest
import typer

from horos.cli import app
from horos.local.documents import checked_documents
from tests.examples.stories import PROJECT, STORIES, Story, connected
from tests.run.conftest import SECONDS, Workshop


async def played(workshop: Workshop, story: Story) -> list[dict[str, Any]]:
    """Run a story to its end; returns all events that were told."""
    script = story.script
    await workshop.model.load(*script.pop("replies"), **script)
    society = await workshop.start(str(story.file), "-o", "json")
    await society.says("in another terminal")
    async with asyncio.timeout(SECONDS):
        for agent in story.servers:
            while not connected((await society.horos("tools", agent, "-o", "json")).out):
                continue
    for each in story.says:
        done = await society.horos("send", each.to, each.text, "--wait")
        assert done.code == 0, done.err
        assert all(done.out.count(line) >= each.answers.count(line) for line in each.answers), done.out
    events = [json.loads(line) for line in society.out]
    while not story.is_over(events):
        events.append(await society.tells(lambda _: True))
    society.interrupt()
    done = await society.end()
    assert done.code == 0, done.err
    return events


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_the_example_answers(workshop: Workshop, story: Story) -> None:
    events = await played(workshop, story)
    assert set(story.agents) <= set(story.turns)
    assert {event["agent"] for event in events} == set(story.turns)


async def test_a_team_is_asked_and_answers_from_the_command_line(workshop: Workshop) -> None:
    [story] = [each for each in STORIES if each.name == "research-team"]
    script = story.script
    await workshop.model.load(*script.pop("replies"), **script)
    [said] = story.says
    done = await workshop.run(str(story.file), "--ask", said.text)
    assert (done.code, done.out.splitlines()) == (0, list(said.answers)), done.err
    for line in (
        "lead → costs  (new) What does a tram line cost, and what do bus lanes cost?",
        "costs  FINDING: a tram line costs ten times as much as bus lanes.",
        "costs  · has done its task",
        "lead  I wait for riders.",
    ):
        assert line in done.err.splitlines()
    assert "cannot work" not in done.err


async def test_a_group_is_asked_and_all_who_are_mentioned_answer(workshop: Workshop) -> None:
    [story] = [each for each in STORIES if each.name == "review-board"]
    script = story.script
    await workshop.model.load(*script.pop("replies"), **script)
    said, later = story.says
    done = await workshop.run(str(story.file), "--agent", said.to, "--ask", said.text)
    answers = [
        f"{name}: {text}" for name, text in zip(("readability", "security"), said.answers, strict=True)
    ]
    assert (done.code, sorted(done.out.splitlines())) == (0, answers), done.err
    done = await workshop.run(str(story.file), "--agent", later.to, "--ask", later.text)
    assert (done.code, done.out) == (0, f"chair: {later.answers[0]}\n"), done.err


def test_all_examples_can_be_run_together() -> None:
    files = sorted((PROJECT / "examples").glob("*.yaml"))
    found = checked_documents(files, "default")
    assert len(found.names("Agent")) == len(set(found.names("Agent"))) == 7
    assert {file.stem for file in files} == {story.name for story in STORIES}


def commands_of(story: Story) -> list[list[str]]:
    """The commands that the comment above an example shows."""
    head = story.file.read_text().partition("apiVersion")[0].replace("\\\n#", "")
    shown = [line[1:].strip() for line in head.splitlines() if line.startswith("#   ")]
    parts = [part for line in shown for part in line.split("&&")]
    words = [shlex.split(re.split(r"\s{3,}", part.strip())[0]) for part in parts]
    return [each[1:] for each in words if each[0] == "horos"]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_the_commands_above_an_example_are_understood(story: Story) -> None:
    group = typer.main.get_command(app)
    shown = commands_of(story)
    assert f"examples/{story.name}.yaml" in [words[1] for words in shown if words[0] == "run"]
    for words in shown:
        command = group.commands[words[0]]  # type: ignore[attr-defined]
        with command.make_context(words[0], words[1:]) as context:
            assert not context.args, words
