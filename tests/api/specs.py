"""Specs of Agents for property tests: valid ones, and ones with a single thing changed."""

import copy
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from horos_api.resources import BuiltinTool

Json = Any


def by_name(item: Json) -> Json:
    return item["name"]


NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
TEXT = st.text(st.characters(codec="utf-8"), max_size=60)
REFS: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {"name": NAMES, "key": st.from_regex(r"[-._a-zA-Z0-9]{1,20}", fullmatch=True)}
)
LABELS = st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,20}[A-Za-z0-9])?", fullmatch=True)
LABEL_KEYS = st.one_of(LABELS, st.builds("{}/{}".format, NAMES, LABELS))

AMOUNTS = st.sampled_from(["0", "0.25", "2", "12.000000001", "999999999.999999999"])
SAID_OF_A_MODEL: dict[str, st.SearchStrategy[Json]] = {
    "name": st.text(st.characters(codec="utf-8"), min_size=1, max_size=60),
    "baseUrl": st.sampled_from(["http://model:8080/v1", "https://llm.example/v1"]),
    "apiKeySecretRef": REFS,
    "temperature": st.sampled_from(["0", "0.2", "1.999", "2", "2.0"]),
    "contextWindowTokens": st.integers(512, 10_000_000),
    "maxOutputTokens": st.integers(1, 511),
}
FALLBACKS: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {}, optional={**SAID_OF_A_MODEL, "configName": NAMES}
)
ANSWERS: st.SearchStrategy[Json] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), TEXT),
    lambda inside: st.one_of(st.lists(inside, max_size=3), st.dictionaries(TEXT, inside, max_size=3)),
    max_leaves=6,
)
MODELS: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {},
    optional={
        **SAID_OF_A_MODEL,
        "configName": NAMES,
        "responseSchema": st.dictionaries(TEXT, ANSWERS, max_size=3),
        "fallbacks": st.lists(FALLBACKS, max_size=3),
    },
)
_MUST_SAY = {"name", "baseUrl"}
MODEL_CONFIGS: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {name: said for name, said in SAID_OF_A_MODEL.items() if name in _MUST_SAY},
    optional={
        **{name: said for name, said in SAID_OF_A_MODEL.items() if name not in _MUST_SAY},
        "pricePerMillionTokens": st.fixed_dictionaries(
            {}, optional={"prompt": AMOUNTS, "completion": AMOUNTS}
        ),
    },
)
SOURCES: st.SearchStrategy[Json] = st.one_of(
    st.fixed_dictionaries({"secretKeyRef": REFS}), st.fixed_dictionaries({"configMapKeyRef": REFS})
)
ENV_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True).filter(
    lambda name: not name.startswith("HOROS_")
)
ENV: st.SearchStrategy[Json] = st.one_of(
    st.fixed_dictionaries({"name": ENV_NAMES}, optional={"value": TEXT}),
    st.fixed_dictionaries({"name": ENV_NAMES, "valueFrom": SOURCES}),
)
EFFECTS = st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"])
TOLERATIONS: st.SearchStrategy[Json] = st.one_of(
    st.fixed_dictionaries({"operator": st.just("Exists")}, optional={"key": LABEL_KEYS, "effect": EFFECTS}),
    st.fixed_dictionaries(
        {"key": LABEL_KEYS}, optional={"operator": st.just("Equal"), "value": LABELS, "effect": EFFECTS}
    ),
    st.fixed_dictionaries(
        {"key": LABEL_KEYS, "effect": st.just("NoExecute"), "tolerationSeconds": st.integers(0, 2**31 - 1)}
    ),
)
RESOURCES: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {},
    optional={
        "requests": st.fixed_dictionaries(
            {},
            optional={
                "cpu": st.sampled_from(["1m", "0.05", 0, "100m"]),
                "memory": st.sampled_from(["1", "64Mi", 1_000_000, "100M"]),
                "ephemeral-storage": st.sampled_from(["1Ki", 1]),
            },
        ),
        "limits": st.fixed_dictionaries(
            {},
            optional={
                "cpu": st.sampled_from(["100m", 1, "2.5"]),
                "memory": st.sampled_from(["1Gi", 2**30, "1E"]),
                "ephemeral-storage": st.sampled_from(["1Ki", "5G"]),
            },
        ),
    },
)
SECRETS: st.SearchStrategy[Json] = st.fixed_dictionaries({"name": NAMES})
URLS = st.sampled_from(["http://docs-mcp.tools/mcp", "https://mcp.example:8443/a?b=c"])
REMOTE: dict[str, st.SearchStrategy[Json]] = {"headersSecretRef": SECRETS, "oauthSecretRef": SECRETS}
WILDCARDS = st.lists(st.sampled_from(["*", "get_*", "a?", "[x]", "write file", "ä"]), max_size=3, unique=True)
ARGUMENTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
SERVER_ENV: st.SearchStrategy[Json] = st.one_of(
    st.fixed_dictionaries({"name": ENV_NAMES}, optional={"value": ARGUMENTS}),
    st.fixed_dictionaries({"name": ENV_NAMES, "valueFrom": st.fixed_dictionaries({"secretKeyRef": REFS})}),
)
PLACES: st.SearchStrategy[Json] = st.one_of(
    st.fixed_dictionaries({"url": URLS}, optional=REMOTE),
    st.fixed_dictionaries({"serverName": NAMES}),
    st.fixed_dictionaries(
        {"command": st.builds(lambda rest: ["mcp-server-time", *rest], st.lists(ARGUMENTS, max_size=3))},
        optional={"env": st.lists(SERVER_ENV, max_size=3, unique_by=by_name)},
    ),
)
APPROVALS: st.SearchStrategy[Json] = st.one_of(
    st.fixed_dictionaries({}, optional={"approval": st.sampled_from(["Never", "Always"])}),
    st.fixed_dictionaries({"approval": st.just("Matching"), "approvalFor": WILDCARDS.filter(bool)}),
)
SERVER_RULES: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {"name": NAMES},
    optional={
        "allow": WILDCARDS,
        "timeoutSeconds": st.integers(1, 86_400),
        "approvalTimeoutSeconds": st.integers(1, 2_592_000),
    },
)
SERVERS: st.SearchStrategy[Json] = st.builds(
    lambda *parts: {key: value for part in parts for key, value in part.items()},
    PLACES,
    APPROVALS,
    SERVER_RULES,
)
AGENT_POOLS: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {"maxRunning": st.integers(0, 100_000)},
    optional={
        "idleSeconds": st.integers(0, 2_592_000),
        "evict": st.sampled_from(["IdleLongest", "Never"]),
    },
)
MEMBERS: st.SearchStrategy[Json] = st.lists(NAMES, max_size=4, unique=True)
SELECTORS: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {
        "matchLabels": st.dictionaries(
            st.sampled_from(["team", "horos.dev/root", "a.b-c/d_e.f"]),
            st.sampled_from(["", "x", "research", "a.b_c-d"]),
            min_size=1,
        )
    }
)
GROUP_RULES: dict[str, st.SearchStrategy[Json]] = {
    "wake": st.sampled_from(["Mentioned", "All"]),
    "retainMessages": st.integers(1, 100_000),
}
GROUPS: st.SearchStrategy[Json] = st.one_of(
    st.fixed_dictionaries({"members": MEMBERS.filter(bool)}, optional=GROUP_RULES),
    st.fixed_dictionaries({"memberSelector": SELECTORS}, optional={"members": MEMBERS, **GROUP_RULES}),
)
TOOL_SERVERS: st.SearchStrategy[Json] = st.fixed_dictionaries({"url": URLS}, optional=REMOTE)
SPECS: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {},
    optional={
        "instructions": TEXT,
        "model": MODELS,
        "tools": st.fixed_dictionaries(
            {},
            optional={
                "builtin": st.lists(st.sampled_from([each.value for each in BuiltinTool]), unique=True),
                "servers": st.lists(SERVERS, max_size=3, unique_by=by_name),
            },
        ),
        "operatingMode": st.sampled_from(["Running", "Suspended", "Terminated"]),
        "lifetime": st.sampled_from(["Permanent", "Task"]),
        "ttlSecondsAfterFinished": st.integers(0, 2_592_000),
        "priority": st.integers(-1000, 1000),
        "idleSeconds": st.integers(0, 2_592_000),
        "parentName": st.one_of(st.just(""), st.from_regex(r"parent-[a-z0-9]{1,20}", fullmatch=True)),
        "image": st.sampled_from(["", "a", "registry.example:5000/team/agent@sha256:0123", "agent:1.0"]),
        "imagePullSecrets": st.lists(st.fixed_dictionaries({"name": NAMES}), max_size=3, unique_by=by_name),
        "env": st.lists(ENV, max_size=4, unique_by=by_name),
        "nodeSelector": st.dictionaries(LABEL_KEYS, st.one_of(st.just(""), LABELS), max_size=3),
        "tolerations": st.lists(TOLERATIONS, max_size=3),
        "resources": RESOURCES,
        "budget": st.fixed_dictionaries(
            {},
            optional={
                "toolRounds": st.integers(1, 1000),
                "turnSeconds": st.integers(1, 86_400),
                "requestSeconds": st.integers(1, 2_592_000),
                "tokensPerDay": st.integers(1, 10**12),
                "costPerDay": AMOUNTS,
                "children": st.integers(0, 1000),
                "depth": st.integers(0, 16),
            },
        ),
    },
)

ODD_SCALARS: st.SearchStrategy[Json] = st.sampled_from([None, True, False, 0, -1, 1, 0.2, 1.5, 2**40, 2**70])
ODD_WORDS = st.sampled_from(["5", "3", "-1", "1e3", "1Gi", "x", "-", "ä", "ftp://x", "http://"])
KNOWN_WORDS = st.sampled_from(["HOROS_AGENT", "Exists", "Terminated", "NoExecute", "create_agent"])
ODD_TEXT = st.sampled_from(["", "Bad Value!", "a\n", *("n" * size for size in (64, 254, 320, 2050, 65_537))])
ODD_PARTS: st.SearchStrategy[Json] = st.sampled_from(
    [
        *(
            [],
            {},
            [None],
            ["x"],
            [{}],
            {"x": 1},
            {"x": None},
            ["send", "send"],
            [{"name": "a"}, {"name": "a"}],
        ),
        *({"name": "a", "key": "b"}, {"name": "a"}, {"a": "b"}, {"A/b": "c"}, {"a b": "c"}, {"a": None}),
    ]
)
ODD_VALUES: st.SearchStrategy[Json] = st.one_of(ODD_SCALARS, ODD_WORDS, KNOWN_WORDS, ODD_TEXT, ODD_PARTS)
WRONG_NAMES = st.one_of(
    st.from_regex(r"[a-z0-9]{53,70}", fullmatch=True),
    st.sampled_from(["n" * 52, "a.b", "Ada", "ada-", "-ada", "ada_b", "ädä", "", "ada\n", "0", "a--b"]),
)


def paths(document: Json, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a document, outermost first."""
    found = [here]
    inside: Iterable[tuple[str | int, Json]] = ()
    if isinstance(document, dict):
        inside = document.items()
    elif isinstance(document, list):
        inside = enumerate(document)
    for key, value in inside:
        found += paths(value, (*here, key))
    return found


EVERY_SERVER_FIELD: Json = [
    {
        "name": "time",
        "command": ["mcp-server-time", "--local-timezone", ""],
        "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
        "allow": ["get_*"],
        "timeoutSeconds": 30,
        "approval": "Never",
    },
    {
        "name": "docs",
        "url": "http://docs-mcp.tools/mcp",
        "headersSecretRef": {"name": "docs-headers"},
        "oauthSecretRef": {"name": "docs-client"},
    },
    {
        "name": "tickets",
        "serverName": "tickets",
        "approval": "Matching",
        "approvalFor": ["write_*"],
        "approvalTimeoutSeconds": 600,
    },
]
EVERY_TOOL_SERVER_FIELD: Json = {
    "url": "http://tickets-mcp.tools/mcp",
    "headersSecretRef": {"name": "tickets-headers"},
    "oauthSecretRef": {"name": "tickets-client"},
}
EVERY_POOL_FIELD: Json = {"maxRunning": 20, "idleSeconds": 60, "evict": "Never"}
EVERY_GROUP_FIELD: Json = {
    "members": ["ada", "bob"],
    "memberSelector": {"matchLabels": {"team": "research", "horos.dev/root": ""}},
    "wake": "All",
    "retainMessages": 500,
}
EVERY_FIELD: Json = {
    "instructions": "You are Ada.",
    "model": {
        "name": "m",
        "baseUrl": "https://llm.example/v1",
        "apiKeySecretRef": {"name": "llm", "key": "apiKey"},
        "temperature": "0.2",
        "contextWindowTokens": 8000,
        "maxOutputTokens": 500,
        "configName": "default",
        "responseSchema": {"type": "object", "properties": {"city": {"type": "string"}}},
        "fallbacks": [
            {
                "configName": "spare",
                "name": "n",
                "baseUrl": "http://spare/v1",
                "apiKeySecretRef": {"name": "spare", "key": "k"},
                "temperature": "0",
                "contextWindowTokens": 4000,
                "maxOutputTokens": 100,
            }
        ],
    },
    "tools": {"builtin": ["send"], "servers": EVERY_SERVER_FIELD},
    "operatingMode": "Suspended",
    "lifetime": "Task",
    "ttlSecondsAfterFinished": 60,
    "priority": 5,
    "idleSeconds": 60,
    "parentName": "lead",
    "image": "registry.example/agent:1",
    "imagePullSecrets": [{"name": "pull"}],
    "env": [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
    ],
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [
        {"key": "gpu", "operator": "Equal", "value": "a", "effect": "NoExecute", "tolerationSeconds": 5}
    ],
    "resources": {
        "requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"},
        "limits": {"cpu": "2", "memory": "2Gi", "ephemeral-storage": "2Gi"},
    },
    "budget": {
        "toolRounds": 3,
        "turnSeconds": 60,
        "requestSeconds": 90,
        "tokensPerDay": 1000,
        "costPerDay": "0.5",
        "children": 2,
        "depth": 1,
    },
}
EVERY_CONFIG_FIELD: Json = {
    "name": "m",
    "baseUrl": "https://llm.example/v1",
    "apiKeySecretRef": {"name": "llm", "key": "apiKey"},
    "temperature": "0.2",
    "contextWindowTokens": 8000,
    "maxOutputTokens": 500,
    "pricePerMillionTokens": {"prompt": "0.25", "completion": "2"},
}
# Without 5.0: an integer to both, but the API server cannot give it to a rule (kubectl writes 5).
WRONG_FOR_MOST: Json = [None, True, 0, -1, 0.2, 2**40, "", "Bad Value!", "5", "n" * 2050, [], {}, [None]]


def changed_at(spec: Json, path: tuple[str | int, ...], value: Json) -> Json:
    """Copy a spec with another value at one place."""
    changed: Json = copy.deepcopy(spec)
    *way, last = path
    parent = changed
    for key in way:
        parent = parent[key]
    parent[last] = value
    return changed


def every_field_changed(whole: Json) -> list[Json]:
    """Every place of a spec that has all fields, with every value that is wrong for most."""
    return [changed_at(whole, path, value) for path in paths(whole)[1:] for value in WRONG_FOR_MOST]


def every_object_extended(whole: Json) -> list[Json]:
    """Every object of a spec that has all fields, with one field more that nobody knows."""
    found = []
    for path in paths(whole):
        spec: Json = copy.deepcopy(whole)
        place = spec
        for key in path:
            place = place[key]
        if isinstance(place, dict):
            place["extra"] = "x"
            found.append(spec)
    return found


@st.composite
def changed_specs(draw: st.DrawFn, specs: st.SearchStrategy[Json]) -> Json:
    """Draw a valid spec with one place replaced, removed, doubled, or given a field unknown there."""
    spec: Json = copy.deepcopy(draw(specs.filter(bool)))
    path = draw(st.sampled_from(paths(spec)[1:]))
    *way, last = path
    parent: Json = spec
    for key in way:
        parent = parent[key]
    change = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add", "double"]))
    if change == "remove":
        del parent[last]
    elif change == "double" and isinstance(last, int):
        parent.append(copy.deepcopy(parent[last]))
    elif change == "add" and isinstance(parent[last], dict):
        parent[last][draw(st.sampled_from(["extra", "base_url", "Name", ""]))] = draw(ODD_VALUES)
    else:
        parent[last] = draw(ODD_VALUES)
    return spec
