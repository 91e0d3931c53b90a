"""What all resources share: Kubernetes' metadata, and the way from and to a manifest."""

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field

from horos_api.fields import ApiModel, ObjectName


class Metadata(ApiModel):
    """The part of Kubernetes' object metadata that horos reads; the rest is left to the API server."""

    model_config = ConfigDict(extra="ignore")

    name: ObjectName
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class Resource(ApiModel):
    """Base of the kinds; each adds `kind`, `metadata`, `spec` and `status`."""

    api_version: Literal["horos.dev/v1alpha1"] = "horos.dev/v1alpha1"

    @classmethod
    def from_manifest(cls, manifest: dict[str, Any]) -> Self:
        """Read what `kubectl apply` sends or the API server returns; only camelCase names are known there.

        Raises pydantic.ValidationError, which names each field that is wrong.
        """
        return cls.model_validate(manifest, by_alias=True, by_name=False)

    def to_manifest(self) -> dict[str, Any]:
        """Build the object to send: JSON values, the spec's defaults filled in, what is None left out."""
        head = self.model_dump(mode="json", by_alias=True, include={"api_version", "kind"})
        metadata = self.model_dump(mode="json", by_alias=True, exclude_defaults=True, include={"metadata"})
        spec = self.model_dump(mode="json", by_alias=True, exclude_none=True, include={"spec"})
        return head | metadata | spec
