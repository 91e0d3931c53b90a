"""A model's server behind TLS: whom the runtime trusts, and that it does not look for them without need."""

import contextlib
import datetime
import ipaddress
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from horos_api.model_choice import ModelChoice
from horos_model.scripted import scripted_app
from horos_model.scripted_script import parse_script
from horos_runtime.llm_client import LLMClient
from horos_runtime.model_errors import TransientModelError
from horos_runtime.model_request import ModelRequest
from tests.model_fixtures import ScriptedModel

SCRIPT = {"replies": [{"text": "over TLS"}], "repeat": "last"}


def certificate(folder: Path) -> Path:
    """A certificate for the loopback address that is its own authority, with its key in the same file."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "m")]),
    )
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - day, now + day
    )
    made = made.add_extension(address, critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    signed = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (file := folder / "server.pem").write_bytes(signed + key.private_bytes(*form))
    return file


@contextlib.contextmanager
def served(file: Path) -> Iterator[str]:
    """The scripted model over TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = scripted_app(parse_script(SCRIPT))
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="critical", ssl_certfile=file, ssl_keyfile=file)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join(timeout=10)


async def said(base_url: str) -> str:
    client = LLMClient({})
    model = ModelChoice(name="scripted", base_url=base_url)
    request = ModelRequest(model, [{"role": "user", "content": "Hello"}], [])
    text = ""
    try:
        async for chunk in client.stream(request):
            for choice in chunk["choices"]:  # type: ignore[index]
                text += choice["delta"].get("content") or ""
    finally:
        await client.aclose()
    return text


async def test_a_server_with_a_trusted_certificate_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with served(file) as base_url:
        assert await said(base_url) == "over TLS"


async def test_a_server_with_another_certificate_is_not(tmp_path: Path) -> None:
    broken = pytest.raises(TransientModelError, match=r"could not be read: Connection error\..*certificate")
    with served(certificate(tmp_path)) as base_url, broken:
        await said(base_url)


async def test_without_tls_no_authorities_are_read(
    scripted_model: ScriptedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))
    await scripted_model.load({"text": "in the clear"})
    assert await said(scripted_model.base_url) == "in the clear"
    broken = pytest.raises(
        TransientModelError, match=r"could not be read: Connection error\.: .*No such file"
    )
    with served(certificate(tmp_path)) as base_url, broken:
        await said(base_url)
