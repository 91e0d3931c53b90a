"""A small authorisation server (client credentials of RFC 6749, RFC 8414, RFC 9728) and what it guards."""

import base64
import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.mcp.raw_http import RawHttp


@dataclass
class Authorisation:
    """Issues tokens to the one client it knows, and remembers the requests for them."""

    client_id: str = "horos"
    client_secret: str = "s3cret: with / all%20kinds"
    lasts_seconds: float = 3600.0
    asked: list[dict[str, str]] = field(default_factory=list)
    issuer: str = ""
    _tokens: dict[str, float] = field(default_factory=dict)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/oauth-authorization-server", self._metadata),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    def accepts(self, token: str) -> bool:
        return self._tokens.get(token, 0.0) > time.monotonic()

    def revoke(self) -> None:
        """No token that was issued is good any more."""
        self._tokens.clear()

    async def _metadata(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "response_types_supported": ["code"],
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            }
        )

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            # RFC 6749 2.3.1: both are form-encoded before they are joined.
            name, _, secret = base64.b64decode(credentials).decode().partition(":")
            form |= {"client_id": unquote(name), "client_secret": unquote(secret)}
        self.asked.append(form)
        known = (form.get("client_id"), form.get("client_secret")) == (self.client_id, self.client_secret)
        if not known:
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, status_code=400)
        token = secrets.token_hex(16)
        self._tokens[token] = time.monotonic() + self.lasts_seconds
        told = {"access_token": token, "token_type": "Bearer", "expires_in": int(self.lasts_seconds)}
        return JSONResponse(told, headers={"cache-control": "no-store"})


def guarded(resource: RawHttp, authorisation: Authorisation) -> Starlette:
    """Build the app of a resource that wants a token; it says where its metadata is."""
    app = resource.app()
    resource.bearer = authorisation.accepts

    async def metadata(request: Request) -> Response:
        own = str(request.base_url).rstrip("/")
        return JSONResponse({"resource": f"{own}/mcp", "authorization_servers": [authorisation.issuer]})

    app.routes.append(Route("/.well-known/oauth-protected-resource/mcp", metadata))
    return app
