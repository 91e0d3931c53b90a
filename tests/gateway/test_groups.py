"""Groups at the gateway: what is told of them, what is posted, and the stream of what is said."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from horos_api.mentions import Wake
from horos_api.names import BODY_BYTES, INBOX_CAP
from horos_bus.group_records import GroupSpan, NewPost
from horos_bus.group_service import GroupService
from horos_gateway.backend import Backend
from horos_gateway.group_stream import misses
from horos_gateway.groups import Groups
from horos_gateway.inputs import Page
from tests.gateway.conftest import Events
from tests.gateway.test_messages import refused

GROUP_UID = "uid-of-review"


async def a_group(space, *members, wake=Wake.MENTIONED, retain=100, name="review"):
    """A group whose members exist on the bus."""
    for member in members:
        await space.control.create(member, f"uid-{member}")
    lives = {member: f"uid-{member}" for member in members}
    await GroupService(space.bus).put(name, GROUP_UID, wake, retain, lives)
    return space.agents_url.removesuffix("agents") + "groups"


async def post(space, url, text, headers=None, group="review", **more):
    answer = await space.http.post(
        f"{url}/{group}/messages", json={"text": text, **more}, headers=headers or {}
    )
    assert answer.status_code == 202, answer.text
    return answer.json()


def texts(answer):
    assert answer.status_code == 200, answer.text
    return [each["text"] for each in answer.json()["items"]]


async def test_groups_are_listed_with_what_they_are(space):
    url = await a_group(space, "ada", "bob", wake=Wake.ALL, retain=5)
    await a_group(space, "ada", name="board")
    assert (await space.http.get(url)).json() == {
        "items": [
            {
                "name": "board",
                "wake": "Mentioned",
                "members": 1,
                "messages": 0,
                "retain": 100,
                "lastAt": None,
            },
            {"name": "review", "wake": "All", "members": 2, "messages": 0, "retain": 5, "lastAt": None},
        ]
    }
    empty = space.agents_url.replace(space.bus.prefix.partition("{")[2].partition("}")[0], "nowhere")
    assert (await space.http.get(empty.removesuffix("agents") + "groups")).json() == {"items": []}


async def test_a_group_tells_its_members_and_what_each_has_not_read(space):
    url = await a_group(space, "ada", "bob")
    before = (await space.http.get(f"{url}/review")).json()
    assert (before["oldest"], before["newest"], before["lastAt"]) == ("0-0", "0-0", None)
    posted = await post(space, url, "hello")
    told = (await space.http.get(f"{url}/review")).json()
    assert told["members"] == [{"name": "ada", "unread": 1}, {"name": "bob", "unread": 1}]
    assert told["newest"] == told["oldest"] == posted["place"]
    assert datetime.now(UTC) - datetime.fromisoformat(told["lastAt"]) < timedelta(minutes=1)


async def test_whoever_posts_is_told_who_was_woken_whose_inbox_is_full_and_who_is_no_member(space):
    url = await a_group(space, "ada", "bob", "cyd")
    await space.control.create("dan", "uid-dan")
    for number in range(INBOX_CAP):
        await space.bus.command("XADD", space.bus.keys.inbox("bob"), "*", "mid", str(number))
    posted = await post(space, url, "@ada and @bob, have a look; @dan too", mentions=["nobody", "ada"])
    assert posted == {
        "id": posted["id"],
        "place": posted["place"],
        "duplicate": False,
        "woken": ["ada"],
        "full": ["bob"],
        "strangers": ["dan", "nobody"],
    }
    (entry,) = await space.control.inbox("ada")
    assert (entry.mid, entry.thread, entry.kind) == (f"{posted['id']}@ada", "group.review", "mention")
    assert [(await space.control.view(name)).waiting for name in ("cyd", "dan")] == [0, 0]


async def test_a_mention_of_nobody_wakes_nobody_and_the_message_is_kept(space):
    url = await a_group(space, "ada")
    posted = await post(space, url, "anybody?", who="Eve")
    assert (posted["woken"], posted["full"], posted["strangers"]) == ([], [], [])
    items = (await space.http.get(f"{url}/review/messages")).json()["items"]
    assert [(each["text"], each["who"], each["sender"], each["mentions"]) for each in items] == [
        ("anybody?", "Eve", "", [])
    ]
    assert items[0]["messageId"] == posted["id"] and items[0]["id"] == posted["place"]
    assert datetime.now(UTC) - datetime.fromisoformat(items[0]["at"]) < timedelta(minutes=1)


async def test_a_repeated_idempotency_key_is_one_message(space):
    url = await a_group(space, "ada")
    answers = [await post(space, url, "@ada once", {"Idempotency-Key": "monday"}) for _ in range(3)]
    assert [each["duplicate"] for each in answers] == [False, True, True]
    assert len({each["id"] for each in answers}) == 1
    assert texts(await space.http.get(f"{url}/review/messages")) == ["@ada once"]
    assert (await space.control.view("ada")).waiting == 1


async def test_the_same_key_for_an_agent_of_the_same_name_is_another_message(space):
    url = await a_group(space, "review")
    key = {"Idempotency-Key": "k"}
    to_group = await post(space, url, "hi", key)
    to_agent = (await space.http.post("/review/messages", json={"text": "hi"}, headers=key)).json()
    assert to_group["duplicate"] is to_agent["duplicate"] is False
    assert to_group["id"] != to_agent["id"]


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        (b'{"text": ""}', "text", "text is empty; expected what to say to the group"),
        (b'{"text": " \\n"}', "text", "empty"),
        (b'{"mentions": []}', "text", "missing"),
        (b'{"text": "a", "mentions": "ada"}', "mentions", "valid list, not 'ada'"),
        (b'{"text": "a", "mentions": ["ada", "Bob"]}', "mentions.1", "'Bob' is not a DNS label"),
        (b'{"text": "a", "mentions": ["' + b"n" * 53 + b'"]}', "mentions.0", "at most 52"),
        (b'{"text": "a", "mentions": [' + b'"a",' * 1000 + b'"a"]}', "mentions", "at most 1000 items"),
        (b'{"text": "a", "who": " Eve"}', "who", "no space at either end"),
        (b'{"text": "a", "who": "a\\u0007b"}', "who", "printable"),
        (b'{"text": "a", "thread": "x"}', "thread", "expected text, mentions, who"),
    ],
)
async def test_a_wrong_body_is_refused_with_its_field(space, body, field, said):
    url = await a_group(space, "ada")
    answer = await space.http.post(
        f"{url}/review/messages", content=body, headers={"Content-Type": "application/json"}
    )
    refused(answer, 400, "bad-request", field, said)
    assert (await space.http.get(f"{url}/review/messages")).json()["items"] == []


async def test_text_that_is_too_long_is_refused(space):
    url = await a_group(space, "ada")
    fits = "ü" * (BODY_BYTES // 2)
    await post(space, url, fits)
    refused(
        await space.http.post(f"{url}/review/messages", json={"text": fits + "x"}), 413, "too-large", "text"
    )


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("POST", "/messages"), ("GET", "/messages"), ("GET", "/events")]
)
async def test_a_group_that_is_not_there_is_named(space, method, path):
    url = await a_group(space, "ada")
    more = {"json": {"text": "hi"}} if method == "POST" else {}
    answer = await space.http.request(method, f"{url}/nothing{path}", **more)
    refused(answer, 404, "not-found", "group", "there is no group nothing in namespace")
    answer = await space.http.request(method, f"{url}/Not.A.Name{path}", **more)
    refused(answer, 400, "bad-request", "group", "is not a DNS label")


async def test_pages_of_messages_are_read_forwards_and_backwards(space):
    url = await a_group(space, "ada")
    places = [(await post(space, url, f"m{number}"))["place"] for number in range(6)]
    of = f"{url}/review/messages"
    assert texts(await space.http.get(of)) == [f"m{number}" for number in range(6)]
    assert texts(await space.http.get(of, params={"limit": "2"})) == ["m4", "m5"]
    assert texts(await space.http.get(of, params={"before": places[4], "limit": "2"})) == ["m2", "m3"]
    assert texts(await space.http.get(of, params={"after": places[1], "limit": "2"})) == ["m2", "m3"]
    assert texts(await space.http.get(of, params={"after": "0", "limit": "1"})) == ["m0"]
    assert texts(await space.http.get(of, params={"before": "0"})) == [], "nothing lies before the beginning"
    told = (await space.http.get(of, params={"after": places[5]})).json()
    assert told == {"items": [], "oldest": places[0], "newest": places[5]}


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ({"after": "yesterday"}, "after", "expected the id of a message, or 0"),
        ({"before": "1-"}, "before", "expected the id of a message, or 0"),
        ({"after": "9999999999999999-1"}, "after", "expected the id of a message, or 0"),
        ({"after": "1-1", "before": "2-2"}, "before", "one of them, not both"),
        ({"limit": "0"}, "limit", "1 or more"),
        ({"limit": "1001"}, "limit", "expected at most 1000"),
        ({"last": "5"}, "last", "expected after, before, limit"),
    ],
)
async def test_a_page_that_cannot_be_is_refused(space, query, field, said):
    url = await a_group(space, "ada")
    refused(await space.http.get(f"{url}/review/messages", params=query), 400, "bad-request", field, said)


def watching(space, url, last="", **query):
    headers = {"Last-Event-ID": last} if last else {}
    return space.http.stream("GET", f"{url}/review/events", params=query, headers=headers)


def said(events):
    return [event["value"]["text"] if event["name"] == "post" else event["name"] for _, event in events]


async def test_a_message_is_streamed_as_soon_as_it_is_posted(space):
    url = await a_group(space, "ada")
    await post(space, url, "old")
    async with watching(space, url) as response:
        events = Events(response)
        assert await events.caught_up() == []
        for text in ("one", "two"):
            posted = await post(space, url, text)
            async with asyncio.timeout(5):
                place, event = await events.next()
            assert (place, event["value"]["text"], event["value"]["id"]) == (posted["place"], text, place)
            assert event["metadata"]["sequence"] == place


async def test_a_stream_resumes_behind_the_last_message_without_gap_or_repeat(space):
    url = await a_group(space, "ada", retain=1000)
    words = [f"m{number}" for number in range(250)]  # more than is read at once
    for word in words[:200]:
        await post(space, url, word)
    async with watching(space, url, after="0") as response:
        events = Events(response)
        first = [await events.next() for _ in range(120)]
    for word in words[200:]:
        await post(space, url, word)
    async with watching(space, url, last=first[-1][0], after="0") as response:
        rest = await Events(response).caught_up()
    assert said(first + rest) == words


async def test_watchers_see_the_same_order(space):
    url = await a_group(space, "ada", retain=1000)
    words = [f"m{number}" for number in range(40)]

    async def watch():
        async with watching(space, url, after="0") as response:
            events = Events(response)
            return [(await events.next())[1]["value"]["id"] for _ in words]

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        watchers = [group.create_task(watch()) for _ in range(3)]
        for word in words:
            group.create_task(post(space, url, word))
    orders = [watcher.result() for watcher in watchers]
    assert (
        orders[0] == orders[1] == orders[2] == sorted(orders[0], key=lambda place: int(place.split("-")[1]))
    )


async def test_a_place_whose_followers_are_no_longer_kept_gives_a_gap(space):
    url = await a_group(space, "ada", retain=2)
    places = [(await post(space, url, f"m{number}"))["place"] for number in range(5)]
    async with watching(space, url, last=places[0]) as response:
        events = await Events(response).caught_up()
    assert said(events) == ["gap", "m3", "m4"]
    assert events[0][1]["value"] == {"after": places[0]}
    async with watching(space, url, last=events[0][0]) as response:
        assert said(await Events(response).caught_up()) == ["m3", "m4"], "the gap's own place is a good one"
    async with watching(space, url, last=places[2]) as response:
        assert said(await Events(response).caught_up()) == ["m3", "m4"], "nothing behind it is missing"


async def test_a_place_of_an_earlier_group_of_the_name_gives_a_gap(space):
    url = await a_group(space, "ada")
    last = [await post(space, url, f"m{number}") for number in range(3)][-1]["place"]
    await GroupService(space.bus).delete("review", GROUP_UID)
    await a_group(space, "ada")
    await post(space, url, "anew")
    async with watching(space, url, last=last) as response:
        assert said(await Events(response).caught_up()) == ["gap", "anew"]


@pytest.mark.parametrize(
    ("after", "missing"),
    [("0-0", False), ("100-3", False), ("100-4", False), ("101-5", False), ("90-2", True), ("102-6", True)],
)
def test_what_is_missing_behind_a_place(after, missing):
    assert misses(GroupSpan(oldest="100-4", last="101-5"), after) is missing


async def test_the_stream_of_a_deleted_group_ends(space):
    url = await a_group(space, "ada")
    async with watching(space, url) as response:
        events = Events(response)
        await events.caught_up()
        await GroupService(space.bus).delete("review", GROUP_UID)
        async with asyncio.timeout(15):
            assert said(await events.rest()) == ["deleted"]


async def test_what_the_answers_have_is_what_the_document_describes(space, gateway):
    url = await a_group(space, "ada")
    document = (await space.http.get(f"{gateway}/api/v1/openapi.json")).json()["components"]["schemas"]
    posted = await post(space, url, "@ada hi")
    messages = (await space.http.get(f"{url}/review/messages")).json()
    groups, one = (await space.http.get(url)).json(), (await space.http.get(f"{url}/review")).json()
    answers = {
        "GroupListBody": groups,
        "GroupBody": groups["items"][0],
        "GroupDetailBody": one,
        "GroupMemberBody": one["members"][0],
        "GroupPostedBody": posted,
        "GroupPostsBody": messages,
        "GroupPostBody": messages["items"][0],
    }
    for name, answer in answers.items():
        assert set(document[name]["properties"]) == set(answer), name


class Lively(GroupService):
    """A group in which somebody says something right after each look at it."""

    said = 0

    async def span(self, group):
        return await self._and_somebody_posts(group, await super().span(group))

    async def latest(self, group, count=100, before=""):
        return await self._and_somebody_posts(group, await super().latest(group, count, before))

    async def _and_somebody_posts(self, group, seen):
        self.said += 1
        await self.post(NewPost(group, f"m{self.said}", "", f"text {self.said}"))
        return seen


async def test_whoever_reads_the_newest_and_watches_from_there_on_misses_nothing(space):
    await a_group(space, "ada")
    lively = Lively(space.bus)

    class OfOne(Backend):
        def group_service(self, namespace):
            return lively

    page = await Groups(OfOne(space.bus, "test")).messages("any", "review", Page(None, None, 10))
    behind = await GroupService(space.bus).read("review", page.newest)
    assert [each.text for each in page.items] + [each.body for each in behind] == ["text 1", "text 2"]
