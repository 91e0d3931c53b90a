"""One question to one model, and the JSON body that it becomes; pure."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from horos_api.conditions import Reason
from horos_api.model_choice import ModelChoice
from horos_runtime.model_dialect import Concession
from horos_runtime.model_errors import ModelRefusedError
from horos_runtime.token_estimates import ChatMessage, message_tokens, schema_tokens

Schema = dict[str, Any]

_OPENAI_HOST: Final = "api.openai.com"
SCHEMA_INSTRUCTION: Final = (
    "Your final answer, the one in which you call no tool, must be JSON that satisfies this JSON Schema, "
    "and nothing else:\n"
)


@dataclass(frozen=True)
class ModelRequest:
    """What one model is asked: what it sees, what it may call, what its final answer must look like."""

    model: ModelChoice
    messages: list[ChatMessage]
    tools: list[ChatMessage]
    response_schema: Schema | None = None

    @cached_property
    def prompt_tokens(self) -> int:
        """An estimate of what the model has to read."""
        return sum(map(message_tokens, self.messages)) + schema_tokens(self.tools)

    def body(self, concessions: AbstractSet[Concession] = frozenset()) -> dict[str, Any]:
        """Build the body; raises ModelRefusedError when no model, or none with an address, is configured."""
        model = self.model
        if not model.name or not model.base_url:
            missing = "name" if not model.name else "baseUrl"
            raise ModelRefusedError(
                Reason.MODEL_MISCONFIGURED, f"no model is configured: spec.model.{missing} is not set"
            )
        host = _host(model.base_url)
        body: dict[str, Any] = {"model": model.name, "messages": self.messages, "stream": True}
        if Concession.NO_USAGE not in concessions:
            body["stream_options"] = {"include_usage": True}
        if self.tools:
            body["tools"] = self.tools
        if model.temperature is not None:
            body["temperature"] = float(model.temperature)
        if model.max_output_tokens is not None:
            # OpenAI's newer models refuse the name that all other servers understand.
            new = host == _OPENAI_HOST or Concession.NEW_OUTPUT_LIMIT in concessions
            body["max_completion_tokens" if new else "max_tokens"] = model.max_output_tokens
        if self.response_schema is not None:
            if Concession.SCHEMA_AS_TEXT in concessions:
                body["messages"] = _with_schema(self.messages, self.response_schema)
            else:
                body["response_format"] = response_format(self.response_schema)
        return body


def _host(base_url: str) -> str | None:
    """Read the host of an address; raises ModelRefusedError when it is none."""
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise no_address(base_url, str(error)) from error
    if not host:
        raise no_address(base_url, "it names no host")
    return host


def no_address(base_url: str, problem: str) -> ModelRefusedError:
    """Say that nothing can be sent there, in words for a person."""
    return ModelRefusedError(
        Reason.MODEL_MISCONFIGURED,
        "spec.model.baseUrl is no address, expected one as in https://llm.example/v1: "
        f"{base_url} ({problem})",
    )


def response_format(schema: Schema) -> dict[str, Any]:
    """Build OpenAI's `response_format`; `strict` only where its rules for strict schemas are kept."""
    described = {"name": "answer", "schema": schema, "strict": _strict(schema)}
    return {"type": "json_schema", "json_schema": described}


def _strict(schema: object) -> bool:
    """Whether every object names all its properties as required, and allows no others."""
    if isinstance(schema, list):
        return all(map(_strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        names = set(schema.get("properties") or {})
        if schema.get("additionalProperties") is not False or set(schema.get("required") or ()) != names:
            return False
    return all(map(_strict, schema.values()))


def _with_schema(messages: list[ChatMessage], schema: Schema) -> list[ChatMessage]:
    text = SCHEMA_INSTRUCTION + orjson.dumps(schema).decode()
    if messages and messages[0]["role"] == "system":
        first = {**messages[0], "content": f"{messages[0]['content']}\n\n{text}"}
        return [first, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]
