"""The local inbox."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cuebird.demo.catcher import Catcher, Caught
from tests.unit.delivery.making import NOW, a_send
from tests.unit.delivery.world import running

pytestmark = pytest.mark.anyio


async def test_a_mail_is_caught_whole(tmp_path: Path) -> None:
    heard: list[Caught] = []
    catcher = Catcher(lambda: NOW, on_message=heard.append)
    await catcher.start()
    try:
        async with running(tmp_path, catcher.port) as world:
            await world.decide(a_send())
            await asyncio.wait_for(catcher.wait_for(1), 5)
            row = await world.state(a_send(), "sent")
        (mail,) = catcher.messages
        assert heard == [mail]
        assert row.reply == "250 2.0.0 caught as 1"
        assert (mail.id, mail.at, mail.sender, mail.to) == (1, NOW, "news@shop.example", "ann@example.test")
        assert mail.subject == "Your cart"
        assert mail.html.startswith("<p>Hi</p>")
        assert mail.text.startswith("Hi\n\nBuy <https://t.shop.example/c/")
        assert mail.header("list-unsubscribe-post") == "List-Unsubscribe=One-Click"
        assert mail.raw.startswith(b"From: ")
        assert catcher.find(1) is mail
        assert catcher.find(2) is None
    finally:
        await catcher.stop()


async def test_only_the_last_mails_are_kept(tmp_path: Path) -> None:
    catcher = Catcher(lambda: NOW, messages_max=2)
    await catcher.start()
    try:
        async with running(tmp_path, catcher.port, smtp={"connections_max": 1}) as world:
            await world.decide(*(a_send(number) for number in (1, 2, 3)))
            await asyncio.wait_for(catcher.wait_for(3), 5)
        assert [mail.id for mail in catcher.messages] == [2, 3]
    finally:
        await catcher.stop()


async def test_what_is_not_mime_is_caught_too() -> None:
    catcher = Catcher(lambda: NOW)
    await catcher.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", catcher.port)
        writer.write(b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nDATA\r\n\xff\x00 no headers\r\n.\r\nQUIT\r\n")
        await asyncio.wait_for(catcher.wait_for(1), 5)
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
        assert catcher.messages[0].to == "a@b.test"
    finally:
        await catcher.stop()


def test_it_listens_on_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback only"):
        Catcher(lambda: NOW, host="0.0.0.0")
