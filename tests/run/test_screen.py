"""The screen of `horos run`: coloured names and progress on a terminal, plain lines anywhere else."""

import io
import re

import pytest

from horos.local.follower import Follower, Line, LineKind
from horos.local.screen import Screen


@pytest.fixture(autouse=True)
def a_usual_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_without_a_terminal_there_are_lines_without_colours_and_no_progress() -> None:
    file = io.StringIO()
    with Screen(file) as screen:
        screen.said_to("ada", "Hello.")
        screen.line(Line(LineKind.TOLD, "ada", "Why?\nSay.", to="bob", where="plan"))
        screen.progress({"ada": Follower("ada", doing="thinks")})
        screen.line(Line(LineKind.ERROR, "ada", "401"))
        screen.note("beside it")
    assert file.getvalue() == ("you → ada  Hello.\nada → bob in plan  Why?\n  Say.\nada  ! 401\nbeside it\n")


def test_a_long_line_is_not_cut_where_nobody_looks() -> None:
    file = io.StringIO()
    with Screen(file) as screen:
        screen.line(Line(LineKind.SAID, "ada", "word " * 1000))
    assert file.getvalue().count("word") == 1000
    assert file.getvalue().count("\n") == 1


def test_on_a_terminal_names_have_colours_of_their_own() -> None:
    file = Tty()
    with Screen(file) as screen:
        screen.line(Line(LineKind.SAID, "ada", "One."))
        screen.line(Line(LineKind.SAID, "bob", "Two."))
        screen.line(Line(LineKind.SAID, "ada", "Three."))
    colours = re.findall(r"\x1b\[([0-9;]+)m(ada|bob)", file.getvalue())
    assert colours[0] == colours[2]
    assert colours[0][0] != colours[1][0]


def test_on_a_terminal_it_is_seen_who_does_what_and_what_is_being_said() -> None:
    file = Tty()
    ada = Follower("ada", doing="speaks", speaking="Good mor", turns=2, tokens=1234)
    with Screen(file) as screen:
        screen.progress({"ada": ada, "bob": Follower("bob", doing="hibernated")})
        seen = plain(file.getvalue())
        assert "ada  Good mor" in seen
        assert re.search(r"● ada +speaks +2 turns, 1,234 tokens", seen)
        assert re.search(r"○ bob +hibernated", seen)
        before = len(file.getvalue())
        screen.progress({"ada": ada, "bob": Follower("bob", doing="hibernated")})
        assert len(file.getvalue()) == before, "what has not changed is not drawn again"


def test_many_agents_are_summed_up_with_those_first_that_do_something() -> None:
    file = Tty()
    crowd = {f"agent-{n}": Follower(f"agent-{n}", doing="idle") for n in range(30)}
    crowd["agent-29"].doing = "thinks"
    with Screen(file) as screen:
        screen.progress(crowd)
    seen = plain(file.getvalue())
    assert "● agent-29" in seen
    assert "agent-28" not in seen
    assert "… and 18 more" in seen


def test_what_a_model_says_cannot_command_the_terminal() -> None:
    file = Tty()
    with Screen(file) as screen:
        screen.line(Line(LineKind.SAID, "ada", "a\x1b[2Jb\x9bc"))
    assert "\x1b[2J" not in file.getvalue()
    assert "a[2Jbc" in plain(file.getvalue().replace("\x1b[2J", "!"))
