"""What is relied on of aiosmtplib beyond its documentation. Whoever raises its bound in pyproject.toml reads here what to look
at in delivery/smtp.py; how it behaves is held by tests/unit/delivery/test_smtp_security.py and test_email.py."""

from __future__ import annotations

import asyncio
import inspect
from importlib.metadata import version

import aiosmtplib
import pytest
from aiosmtplib.protocol import SMTPProtocol

VERSION = version("aiosmtplib")


def test_a_body_can_be_waited_for_until_the_kernel_has_it() -> None:
    wait = inspect.getattr_static(SMTPProtocol, "_drain_helper", None)
    assert wait is not None, (
        f"aiosmtplib {VERSION} has no SMTPProtocol._drain_helper: `_write_body` would not know when a body is sent, and a "
        "mail could be thought delivered that is still in our own memory. Look for what it calls it now"
    )
    assert inspect.iscoroutinefunction(wait)
    assert list(inspect.signature(wait).parameters) == ["self"]


@pytest.mark.anyio
async def test_what_a_server_said_unasked_can_be_seen() -> None:
    left = asyncio.Event()

    async def greet_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test\r\n250 unasked\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(greet_twice, "127.0.0.1", 0)
    client = aiosmtplib.SMTP(
        hostname="127.0.0.1", port=server.sockets[0].getsockname()[1], use_tls=False, start_tls=False
    )
    await client.connect()
    try:
        assert client.protocol is not None
        held = getattr(client.protocol, "_buffer", None)
        assert held == b"250 unasked\r\n", (
            f"aiosmtplib {VERSION} does not keep what it has not read in SMTPProtocol._buffer: `_command` would take what a "
            "server said too much for the answer to its next command. Look for where it is now"
        )
    finally:
        client.close()
        await left.wait()
        server.close()
        await server.wait_closed()
