"""Which models an agent asks: its spec, filled in from ModelConfigs or the operator's settings. Pure.

Each model of a spec (its own, and each fallback) is filled in by itself from exactly one place: the
ModelConfig that it names, else the one called `default`, else the settings. Nothing is mixed from two of
them, or a window or a price would go with a model that it does not belong to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from horos_api.model_choice import ModelChoice
from horos_api.model_fields import FallbackSpec, ModelSpec
from horos_api.names import DEFAULT_MODEL_CONFIG, Env
from horos_api.resources import AgentSpec, SecretKeyRef
from horos_operator.model_configs import ModelConfigFacts
from horos_operator.settings import Settings

Configs: TypeAlias = Mapping[str, ModelConfigFacts]
"""The ModelConfigs of one namespace by name."""


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """One model of an agent.

    `field` is where the spec says it, `key` where the pod gets its key from. `missing` names a ModelConfig
    that does not exist, `problem` says what else keeps it from being asked; both are empty when it can be.
    """

    field: str
    choice: ModelChoice
    key: SecretKeyRef | None = None
    missing: str = ""
    problem: str = ""

    @property
    def usable(self) -> bool:
        """Whether it can be asked."""
        return not (self.missing or self.problem)


@dataclass(frozen=True, slots=True)
class Models:
    """All models of an agent in the order of its spec; `own` is the one that is asked first."""

    own: ResolvedModel
    fallbacks: tuple[ResolvedModel, ...] = ()

    @property
    def all(self) -> tuple[ResolvedModel, ...]:
        """Its own and its fallbacks."""
        return (self.own, *self.fallbacks)

    @property
    def choices(self) -> tuple[ModelChoice, ...]:
        """What the runtime is told: fallbacks that cannot be asked are left out, its own never is."""
        return (self.own.choice, *(each.choice for each in self.fallbacks if each.usable))


@dataclass(frozen=True, slots=True)
class _Defaults:
    """What fills in what a spec does not say, and a key that belongs to its address."""

    choice: ModelChoice
    key: SecretKeyRef | None = None


def resolve(spec: AgentSpec, configs: Configs, settings: Settings) -> Models:
    """Find out which models an agent of this namespace asks."""
    said = spec.model or ModelSpec()
    own = _resolved(0, said, configs, settings)
    rest = (_resolved(number, each, configs, settings) for number, each in enumerate(said.fallbacks, 1))
    return Models(own, tuple(rest))


def _resolved(index: int, said: FallbackSpec, configs: Configs, settings: Settings) -> ResolvedModel:
    field = "spec.model" if index == 0 else f"spec.model.fallbacks[{index - 1}]"
    variable = Env.model_api_key(index)
    config = configs.get(said.config_name or DEFAULT_MODEL_CONFIG)
    if config is None and said.config_name is not None:
        return ResolvedModel(field, ModelChoice(key_variable=variable), missing=said.config_name)
    if config is not None and config.spec is None:
        problem = f"ModelConfig {config.name}: {config.problem}"
        return ResolvedModel(field, ModelChoice(key_variable=variable), problem=problem)
    defaults = _of_settings(settings) if config is None else _of_config(config)
    choice = _filled(said, defaults, variable)
    # A key is shown to the server it belongs to, and to no other that a spec names.
    own_address = said.base_url is not None and said.base_url != defaults.choice.base_url
    key = said.api_key_secret_ref or (None if own_address else defaults.key)
    return ResolvedModel(field, choice, key, problem=_problem(field, choice))


def _filled(said: FallbackSpec, defaults: _Defaults, variable: str) -> ModelChoice:
    fields = ("name", "base_url", "temperature", "context_window_tokens", "max_output_tokens")
    here = {field: value for field in fields if (value := getattr(said, field)) is not None}
    return defaults.choice.model_copy(update={**here, "key_variable": variable})


def _of_config(config: ModelConfigFacts) -> _Defaults:
    spec = config.spec
    if spec is None:
        raise ValueError(f"ModelConfig {config.name} has no spec that is understood")
    choice = ModelChoice(
        name=spec.name,
        base_url=spec.base_url,
        temperature=spec.temperature,
        context_window_tokens=spec.context_window_tokens,
        max_output_tokens=spec.max_output_tokens,
        price=spec.price_per_million_tokens,
    )
    return _Defaults(choice, spec.api_key_secret_ref)


def _of_settings(settings: Settings) -> _Defaults:
    choice = ModelChoice(
        name=settings.model_name or None,
        base_url=settings.model_base_url or None,
        temperature=settings.model_temperature or None,
        context_window_tokens=settings.model_context_window_tokens,
        max_output_tokens=settings.model_max_output_tokens,
        price=settings.model_price,
    )
    return _Defaults(choice, settings.model_api_key_secret_ref)


def _problem(field: str, choice: ModelChoice) -> str:
    missing = [name for name, value in (("name", choice.name), ("baseUrl", choice.base_url)) if not value]
    if missing:
        fields = " and ".join(f"{field}.{name}" for name in missing)
        return (
            f"no model to ask: set {fields}, or make a ModelConfig named {DEFAULT_MODEL_CONFIG}, or set a"
            " default for all agents in the chart's values model.*"
        )
    output, window = choice.max_output_tokens, choice.context_window_tokens
    if output is not None and window is not None and output >= window:
        return f"{field}: maxOutputTokens ({output}) must be below contextWindowTokens ({window})"
    return ""
