"""Case 45: no mail and no password in clear text unless the operator said so."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.unit.delivery.making import a_send
from tests.unit.delivery.scripted import Scripted
from tests.unit.delivery.world import IMPATIENT, running

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that is its own authority, with its key, as one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scripted.test")])
    day = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(day)
        .not_valid_after(day.replace(year=2120))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_a_mail_goes_over_starttls_with_the_password_only_after_it(tmp_path: Path, certificate: Path) -> None:
    smtp = {"security": "starttls", "ca_file": str(certificate), "username": "shop", "password": "secret"}
    async with Scripted(tls=serving(certificate)) as server, running(tmp_path, server.port, smtp=smtp) as world:
        await world.decide(a_send())
        await world.state(a_send(), "sent")
        assert server.log[:5] == ["connect", "ehlo", "starttls", "ehlo", "auth"]
        assert len(server.accepted) == 1


@pytest.mark.parametrize("fault", ["454 4.7.0 not now", "close", "hang", "raw:220 go\r\nnot tls at all\r\n"])
async def test_starttls_that_fails_never_falls_back_to_clear_text(
    tmp_path: Path, certificate: Path, fault: str
) -> None:
    smtp = IMPATIENT | {"security": "starttls", "ca_file": str(certificate), "username": "shop", "password": "secret"}
    plan = {"starttls": [fault]}
    async with Scripted(plan, tls=serving(certificate)) as server, running(tmp_path, server.port, smtp=smtp) as world:
        await world.decide(a_send())
        row = await world.state(a_send(), "retry")
        assert row.reply.startswith("tls at starttls")
        assert not {"mail", "auth", "data"} & set(server.log)


async def test_a_server_without_starttls_gets_no_mail(tmp_path: Path) -> None:
    async with Scripted() as server, running(tmp_path, server.port, smtp={"security": "starttls"}) as world:
        await world.decide(a_send())
        row = await world.state(a_send(), "retry")
        assert row.reply == "tls at starttls: the server does not offer STARTTLS"
        assert "mail" not in server.log


async def test_a_certificate_that_nobody_vouches_for_gets_no_mail(tmp_path: Path, certificate: Path) -> None:
    smtp = {"security": "starttls"}
    async with Scripted(tls=serving(certificate)) as server, running(tmp_path, server.port, smtp=smtp) as world:
        await world.decide(a_send())
        row = await world.state(a_send(), "retry")
        assert "certificate" in row.reply.lower()
        assert "mail" not in server.log


async def test_a_wrong_password_is_the_relays_trouble_and_uses_up_no_mail(tmp_path: Path) -> None:
    smtp = {"username": "shop", "password": "wrong", "connections_max": 1}
    async with Scripted({"auth": ["535 5.7.8 no"]}) as server, running(tmp_path, server.port, smtp=smtp) as world:
        await world.decide(a_send(1), a_send(2))
        row = await world.state(a_send(1), "retry")
        assert row.reply == "refused at auth: 535 5.7.8 no"
        assert (await world.row(a_send(2))).state == "pending"
        world.clock.advance(5_000)
        await world.state(a_send(1), "sent")
        await world.state(a_send(2), "sent")


async def test_an_old_server_that_knows_only_helo_is_spoken_to(tmp_path: Path) -> None:
    async with Scripted({"ehlo": ["502 what"]}) as server, running(tmp_path, server.port) as world:
        await world.decide(a_send())
        await world.state(a_send(), "sent")
        assert server.log[:3] == ["connect", "ehlo", "helo"]
