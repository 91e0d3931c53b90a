"""What servers answer, as the model reads it."""

import base64
from typing import Any

import pytest
from mcp_types import CallToolResult, GetPromptResult, ReadResourceResult

from horos_runtime.mcp_content import prompt_text, resource_text, result_text

DATA = base64.b64encode(b"12345").decode()


@pytest.mark.parametrize(
    ("content", "structured", "text"),
    [
        ([], None, "done"),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], None, "a\nb"),
        ([], {"a": [1]}, '{"a":[1]}'),
        ([], {"a": 10**21}, '{"a":1000000000000000000000}'),
        ([{"type": "text", "text": '{ "a": 1 }'}], {"a": 1}, '{ "a": 1 }'),
        ([{"type": "text", "text": "3"}], {"result": 3}, "3"),
        ([{"type": "text", "text": "three"}], {"result": "three"}, "three"),
        ([{"type": "text", "text": "three\n"}], {"content": "three\n"}, "three\n"),
        ([{"type": "text", "text": "one row"}], {"rows": 1}, 'one row\n{"rows":1}'),
        (
            [{"type": "image", "data": DATA, "mimeType": "image/png"}],
            None,
            "[image, image/png, 5 bytes, not shown]",
        ),
        (
            [{"type": "audio", "data": DATA, "mimeType": "audio/wav"}],
            None,
            "[audio, audio/wav, 5 bytes, not played]",
        ),
        (
            [
                {
                    "type": "resource_link",
                    "uri": "a://b",
                    "name": "b",
                    "mimeType": "text/x",
                    "description": "B",
                }
            ],
            None,
            "[resource a://b (b, text/x): B]",
        ),
        (
            [{"type": "resource", "resource": {"uri": "a://b", "text": "hello"}}],
            None,
            "[resource a://b]\nhello",
        ),
        (
            [{"type": "resource", "resource": {"uri": "a://b", "blob": DATA}}],
            None,
            "[resource a://b, of unknown type, 5 bytes, not shown]",
        ),
    ],
)
def test_every_kind_of_content_becomes_text(content: list[Any], structured: Any, text: str) -> None:
    result = CallToolResult.model_validate({"content": content, "structuredContent": structured})
    assert result_text(result) == text


def test_resources_and_prompts_become_text() -> None:
    read = ReadResourceResult.model_validate({"contents": [{"uri": "a://b", "text": "x"}]})
    assert resource_text(read) == "[resource a://b]\nx"
    assert resource_text(ReadResourceResult(contents=[])) == "[the resource is empty]"
    prompt = GetPromptResult.model_validate(
        {"description": "Hi", "messages": [{"role": "user", "content": {"type": "text", "text": "hello"}}]}
    )
    assert prompt_text(prompt) == "Hi\nuser: hello"
