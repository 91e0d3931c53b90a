"""OAuth for a pod that nobody logs in to: client credentials, tokens kept in memory only."""

import warnings
from collections.abc import Mapping

from mcp.client.auth import TokenStorage
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from mcp.shared.exceptions import MCPDeprecationWarning


class _Memory(TokenStorage):
    def __init__(self) -> None:
        self._tokens: OAuthToken | None = None
        self._client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._client = client_info


def oauth_of(url: str, client: Mapping[str, str]) -> ClientCredentialsOAuthProvider:
    """Make the provider of a server's tokens.

    A Secret with the key `issuer` binds its client to that authorization server: without it the tool server
    says where the client shows its secret.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MCPDeprecationWarning)  # the issuer is optional here
        return ClientCredentialsOAuthProvider(
            url,
            _Memory(),
            client["clientId"],
            client["clientSecret"],
            scope=client.get("scope") or None,
            issuer=client.get("issuer") or None,
        )
