"""The parts of a spec that are passed on to the agent's pod, spelled as in a pod."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, model_validator

from horos_api.fields import NOT_TEXT, ApiModel, DataKey, ObjectName, Quantity, rule, rules

RESERVED_ENV_PREFIX: Final = "HOROS_"
LABEL_NAME: Final = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)"

LABEL_KEY: Final = rf"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?{LABEL_NAME}$"

LabelValue = Annotated[str, Field(pattern=rf"^{LABEL_NAME}?$", max_length=63)]
"""The value of a label; may be empty."""


class SecretKeyRef(ApiModel):
    """One key of a Secret in the same namespace."""

    name: ObjectName = Field(description="Name of the Secret, in the same namespace.")
    key: DataKey = Field(description="Which key of the Secret's data is meant.")


class ConfigMapKeyRef(ApiModel):
    """One key of a ConfigMap in the same namespace."""

    name: ObjectName = Field(description="Name of the ConfigMap, in the same namespace.")
    key: DataKey = Field(description="Which key of the ConfigMap's data is meant.")


_ONE_SOURCE: Final = rule(
    "has(self.secretKeyRef) != has(self.configMapKeyRef)",
    "expected exactly one of secretKeyRef and configMapKeyRef",
)
_ONE_VALUE: Final = rule("!(has(self.value) && has(self.valueFrom))", "expected value or valueFrom, not both")
_NOT_RESERVED: Final = rule(
    f"!self.name.startsWith('{RESERVED_ENV_PREFIX}')",
    f"names that begin with {RESERVED_ENV_PREFIX} are horos' own",
)


class EnvVarSource(ApiModel):
    """Where the value of an environment variable comes from."""

    model_config = ConfigDict(json_schema_extra=rules(_ONE_SOURCE))

    secret_key_ref: SecretKeyRef | None = Field(None, description="A key of a Secret in the same namespace.")
    config_map_key_ref: ConfigMapKeyRef | None = Field(
        None, description="A key of a ConfigMap in the same namespace."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.secret_key_ref is None) == (self.config_map_key_ref is None):
            raise ValueError(_ONE_SOURCE["message"])
        return self


class EnvVar(ApiModel):
    """An environment variable of the agent's container."""

    model_config = ConfigDict(json_schema_extra=rules(_ONE_VALUE, _NOT_RESERVED))

    name: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        max_length=256,
        description="Name of the variable; names that begin with HOROS_ belong to horos.",
    )
    value: str | None = Field(
        None, max_length=32768, description="The value as it is; empty when nothing is given."
    )
    value_from: EnvVarSource | None = Field(
        None, description="Where the value is read from when the pod starts."
    )

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        if self.value is not None and self.value_from is not None:
            raise ValueError(_ONE_VALUE["message"])
        if self.name.startswith(RESERVED_ENV_PREFIX):
            raise ValueError(_NOT_RESERVED["message"])
        return self


class LocalObjectRef(ApiModel):
    """Something in the Agent's namespace, by name."""

    name: ObjectName = Field(description="Name of the object, in the namespace of the Agent.")


Seconds = Annotated[int, Field(ge=0, le=2**31 - 1), NOT_TEXT]


class TolerationOperator(StrEnum):
    """How a toleration compares the taint's value."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


_EXISTS: Final = "has(self.operator) && self.operator == 'Exists'"
_NO_VALUE: Final = rule(
    f"!({_EXISTS}) || !has(self.value) || self.value == ''", "value must be empty when operator is Exists"
)
_KEY_NEEDED: Final = rule(
    f"(has(self.key) && self.key != '') || ({_EXISTS})",
    "without a key (all taints) the operator must be Exists",
)
_SECONDS: Final = rule(
    "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
    "tolerationSeconds needs effect NoExecute",
)


class Toleration(ApiModel):
    """A taint of nodes that the agent's pod bears."""

    model_config = ConfigDict(json_schema_extra=rules(_NO_VALUE, _KEY_NEEDED, _SECONDS))

    key: str | None = Field(
        None,
        pattern=rf"^(([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?{LABEL_NAME})?$",
        max_length=317,
        description="Key of the taint; empty means every taint and needs operator Exists.",
    )
    operator: TolerationOperator | None = Field(
        None, description="How the value is compared; Equal when not given."
    )
    value: LabelValue | None = Field(
        None, description="Value of the taint; empty when the operator is Exists."
    )
    effect: TaintEffect | None = Field(None, description="Effect of the taint; every effect when not given.")
    toleration_seconds: Seconds | None = Field(
        None, description="How many seconds a NoExecute taint is borne; for ever when not given."
    )

    @model_validator(mode="after")
    def _as_a_pod_wants_it(self) -> Self:
        exists = self.operator is TolerationOperator.EXISTS
        if exists and self.value:
            raise ValueError(_NO_VALUE["message"])
        if not self.key and not exists:
            raise ValueError(_KEY_NEEDED["message"])
        if self.toleration_seconds is not None and self.effect is not TaintEffect.NO_EXECUTE:
            raise ValueError(_SECONDS["message"])
        return self


class ResourceRequests(ApiModel):
    """What a node must have free for the pod."""

    cpu: Quantity = Field(
        "10m", description="Processor time that is set aside, in cores (`250m` is a quarter)."
    )
    memory: Quantity = Field("96Mi", description="Memory that is set aside, in bytes (`96Mi`).")
    ephemeral_storage: Quantity | None = Field(
        None, alias="ephemeral-storage", description="Disk space on the node that is set aside, in bytes."
    )


class ResourceLimits(ApiModel):
    """What the pod may use at most."""

    cpu: Quantity | None = Field(None, description="Most processor time, in cores; no bound when not given.")
    memory: Quantity = Field("256Mi", description="Most memory, in bytes; above it the container is killed.")
    ephemeral_storage: Quantity | None = Field(
        None,
        alias="ephemeral-storage",
        description="Most disk space on the node, in bytes; no bound when not given.",
    )


def _within(name: str) -> dict[str, str]:
    asked, most = f"self.requests.{name}", f"self.limits.{name}"
    return rule(
        f"!has({asked}) || !has({most})"
        f" || quantity(string({asked})).compareTo(quantity(string({most}))) <= 0",
        f"requests.{name.replace('__dash__', '-')} must not be above limits.{name.replace('__dash__', '-')}",
    )


class PodResources(ApiModel):
    """Requests and limits of the agent's container."""

    model_config = ConfigDict(
        json_schema_extra=rules(_within("cpu"), _within("memory"), _within("ephemeral__dash__storage"))
    )

    requests: ResourceRequests = Field(
        default_factory=ResourceRequests, description="What a node must have free for the agent's pod."
    )
    limits: ResourceLimits = Field(
        default_factory=ResourceLimits, description="What the pod may use at most."
    )

    @model_validator(mode="after")
    def _requests_within_limits(self) -> Self:
        for name in ("cpu", "memory", "ephemeral_storage"):
            asked, most = getattr(self.requests, name), getattr(self.limits, name)
            if asked is not None and most is not None and quantity_value(asked) > quantity_value(most):
                shown = name.replace("_", "-")
                raise ValueError(f"requests.{shown} must not be above limits.{shown}")
        return self


_FACTORS: Final = {"m": Decimal("0.001"), "k": Decimal(1000)} | {
    letter + suffix: Decimal(base**power)
    for power, letter in enumerate("KMGTPE", start=1)
    for suffix, base in (("", 1000), ("i", 1024))
}


def quantity_value(quantity: str) -> Decimal:
    """Turn a quantity such as `250m` or `96Mi` into a number (cores, bytes)."""
    digits = quantity.rstrip("mkKMGTPEi")
    unit = quantity[len(digits) :]
    return Decimal(digits) * (_FACTORS[unit] if unit else 1)
