"""Watches that have gone silent are told from watches that are only late."""

from horos_operator.health import Health
from horos_operator.vigil import GRACE_SECONDS, Listed, Vigil


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def pod(name: str, version: int) -> dict[str, Listed]:
    return {f"uid-of-{name}": Listed(f"research/{name}", f"uid-of-{name}", version)}


def test_what_a_list_shows_and_no_event_tells_is_silence() -> None:
    clock = Clock()
    vigil = Vigil(clock)
    vigil.listed("pods", pod("ada-1", 5), {})
    clock.now += GRACE_SECONDS
    assert vigil.silent() == ""
    vigil.listed("pods", pod("ada-1", 5), {"uid-of-ada-1": 5})
    assert vigil.silent() == "the watch of pods is silent: lists show what it has not told of research/ada-1"


def test_a_watch_that_tells_late_is_well_again() -> None:
    clock = Clock()
    vigil = Vigil(clock)
    vigil.listed("pods", pod("ada-1", 5), {"uid-of-ada-1": 4})
    clock.now += GRACE_SECONDS
    vigil.listed("pods", pod("ada-1", 5), {"uid-of-ada-1": 5})
    assert vigil.silent() != ""
    vigil.heard("agents", "uid-of-ada-1", 9)
    vigil.heard("pods", "uid-of-ada-1", 4)
    assert vigil.silent() != ""
    vigil.heard("pods", "uid-of-ada-1", 6)
    assert vigil.silent() == ""


def test_what_is_told_between_two_lists_is_no_silence() -> None:
    clock = Clock()
    vigil = Vigil(clock)
    vigil.listed("agents", pod("ada", 5), {})
    vigil.heard("agents", "uid-of-ada", 5)
    clock.now += 10 * GRACE_SECONDS
    vigil.listed("agents", pod("ada", 5), {"uid-of-ada": 5})
    assert vigil.silent() == ""


def test_lists_that_follow_at_once_prove_nothing() -> None:
    clock = Clock()
    vigil = Vigil(clock)
    for _ in range(10):
        vigil.listed("agents", pod("ada", 5), {})
        clock.now += GRACE_SECONDS / 20
    assert vigil.silent() == ""


def test_what_was_deleted_before_any_event_told_of_it_is_no_silence() -> None:
    clock = Clock()
    vigil = Vigil(clock)
    vigil.listed("agents", pod("ada", 5), {})
    clock.now += GRACE_SECONDS
    vigil.listed("agents", {}, {})
    clock.now += GRACE_SECONDS
    vigil.listed("agents", pod("bob", 7), {"uid-of-bob": 7})
    assert vigil.silent() == ""


def test_a_few_are_named_and_the_others_counted() -> None:
    clock = Clock()
    vigil = Vigil(clock)
    many = {uid: each for name in "abcde" for uid, each in pod(name, 1).items()}
    vigil.listed("pods", many, {})
    clock.now += GRACE_SECONDS
    vigil.listed("pods", many, {})
    assert vigil.silent().endswith("has not told of research/a, research/b, research/c and 2 more")


def test_a_silent_watch_ends_a_life_and_one_that_tells_again_does_not() -> None:
    clock = Clock()
    health = Health(clock, silence_seconds=600)
    health.swept()
    assert [health.answer(path)[0] for path in ("/healthz", "/readyz")] == [200, 200]
    health.vigil.listed("pods", pod("ada-1", 5), {})
    clock.now += GRACE_SECONDS
    health.vigil.listed("pods", pod("ada-1", 5), {})
    health.swept()
    for path in ("/healthz", "/readyz"):
        status, said = health.answer(path)
        assert (status, "the watch of pods is silent" in said) == (503, True)
    health.vigil.heard("pods", "uid-of-ada-1", 5)
    assert [health.answer(path)[0] for path in ("/healthz", "/readyz")] == [200, 200]
