"""Who comes in when the engine has no room: over real sockets, with the engine's load in the test's hands."""

from __future__ import annotations

import asyncio
import gzip
import json
from itertools import pairwise
from typing import Any

import pytest

from actors.model.event import Event
from ingress.bounds.limits import IngressLimits
from tests.acceptance.ingress_site import RealSite, bearer, now_ms, running, until
from tests.unit.ingress.site import ev, track

pytestmark = pytest.mark.anyio

LIMITS = IngressLimits(tick_ms=20, bulk_inputs_max=1_000)


class Load:
    """What the engine says is in flight."""

    def __init__(self) -> None:
        self.inputs = 0
        self.taken: list[Event] = []

    def __call__(self) -> int:
        return self.inputs or 1_000 * len(self.taken)


def batch(events: int = 100, first: int = 0) -> bytes:
    return json.dumps({"batch": [track(number) for number in range(first, first + events)]}).encode()


async def post(site: RealSite, body: bytes) -> Any:
    return await site.http.post("/v1/batch", content=body, headers=bearer())


def posting(site: RealSite, body: bytes) -> asyncio.Task[Any]:
    return asyncio.create_task(post(site, body))


def waiting(site: RealSite) -> int:
    return site.doors.world.admission.waiting_bytes


async def test_a_batch_waits_undecoded_until_the_engine_has_room_and_an_order_does_not_wait() -> None:
    load = Load()
    async with running(limits=LIMITS, in_flight=load) as site:
        load.inputs = 1_000
        large = posting(site, batch())
        await until(lambda: waiting(site) == len(batch()), "the batch waits")
        order = await post(site, json.dumps(track(1, event="Order Completed")).encode())
        assert (order.status_code, site.engine.names) == (200, ["order_completed"])
        load.inputs = 999
        assert (await large).json()["accepted"] == 99, "m1 is the order's"
        assert waiting(site) == 0


async def test_what_does_not_fit_among_those_that_wait_is_refused_before_it_is_read() -> None:
    load = Load()
    async with running(limits=IngressLimits(tick_ms=20, waiting_bytes_max=10_000), in_flight=load) as site:
        load.inputs = 1_000_000
        first = posting(site, batch())
        await until(lambda: waiting(site) > 0, "the first waits")
        reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
        head = "POST /v1/batch HTTP/1.1\r\nHost: x\r\nX-Write-Key: sk_secret\r\nContent-Length: 500000\r\n\r\n"
        writer.write(head.encode())
        said = await reader.readuntil(b"}")
        assert b" 429 " in said, "not a byte of its body was sent"
        assert b'"code":"overloaded"' in said
        assert b"retry-after: " in said.lower()
        assert site.doors.world.counts.refused["http", "overloaded"] == 1
        # The connection is still good for another.
        writer.write(b"?" * 500_000 + b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        writer.close()
        load.inputs = 0
        assert (await first).status_code == 200


async def test_a_zipped_batch_counts_as_what_it_becomes() -> None:
    load = Load()
    async with running(limits=LIMITS, in_flight=load) as site:
        load.inputs = 1_000
        zipped = gzip.compress(batch())
        assert len(zipped) < LIMITS.small_bytes_max
        task = posting(site, zipped)
        await until(lambda: waiting(site) == len(batch()), "it waits as a batch")
        load.inputs = 0
        assert (await task).json()["accepted"] == 100


async def test_one_batch_is_decoded_each_time_round_and_small_bodies_come_in_between() -> None:
    load = Load()
    async with running(limits=LIMITS, in_flight=load) as site:
        load.inputs = 1_000
        batches = [posting(site, batch(first=1_000 * number)) for number in range(1, 6)]
        await until(lambda: waiting(site) > 4 * len(batch()), "all wait")
        taken: list[int] = []
        loop = asyncio.get_running_loop()

        def look() -> None:
            taken.append(len(site.engine.events))
            if taken[-1] < 500:
                loop.call_soon(look)

        loop.call_soon(look)
        load.inputs = 0
        await asyncio.gather(*batches)
        steps = [after - before for before, after in pairwise(taken)]
        assert max(steps) == 100, steps


async def test_a_large_body_of_a_back_end_goes_in_parts_and_is_answered_once_as_a_whole() -> None:
    async with running(limits=IngressLimits(tick_ms=20, slice_inputs_max=30), hold=True) as site:
        task = posting(site, batch(100))
        await until(lambda: len(site.engine.events) == 100, "all parts are with the engine")
        assert site.doors.in_flight() == 1
        site.engine.commit(0, 2, 3)
        assert not task.done()
        site.engine.commit()
        assert (await task).json() == {"success": True, "accepted": 100, "duplicates": 0, "rejected": []}


async def test_a_large_body_of_which_a_part_was_refused_is_to_be_sent_again() -> None:
    load = Load()
    limits = IngressLimits(tick_ms=20, bulk_inputs_max=1_000, slice_inputs_max=40)
    async with running(limits=limits, in_flight=load, hold=True) as site:
        load.taken = site.engine.events
        task = posting(site, batch(100))
        await until(lambda: len(site.engine.events) == 40, "the first part is with the engine")
        site.engine.refuse = "storage_full"
        load.taken = []
        site.engine.commit()
        answer = await task
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_full")
        site.engine.refuse, site.engine.hold = None, False
        assert (await post(site, batch(100))).json() == {
            "success": True, "accepted": 60, "duplicates": 40, "rejected": [],
        }  # fmt: skip


async def test_a_stream_of_batches_is_not_read_from_while_there_is_no_room_and_is_not_taken_for_silent() -> None:
    load = Load()
    async with running(limits=LIMITS, in_flight=load, hold=True) as site:
        page = await site.open_page()
        load.inputs = 1_000
        await page.say(ev(1, *(track(number) for number in range(60))))
        await until(lambda: [c.paused for c in site.doors.connections] == [True], "it is not read from")
        await page.say(ev(2, track(100)))
        (connection,) = site.doors.connections
        an_hour_later = now_ms() + 3_600_000
        site.doors.now_ms = lambda: an_hour_later
        site.doors.tick()
        assert connection.session.close is None
        assert len(site.engine.events) == 60
        load.inputs = 0
        await until(lambda: len(site.engine.events) == 61, "it is read from again")
        site.engine.commit()
        assert (await page.hear())["id"] == 2
        await page.close()


async def test_a_page_that_sends_single_events_is_always_read_from() -> None:
    load = Load()
    async with running(limits=LIMITS, in_flight=load) as site:
        load.inputs = 1_000_000
        page = await site.open_page()
        for number in range(1, 20):
            await page.say(ev(number, track(number)))
            assert (await page.hear())["t"] == "ok"
        await page.close()


async def test_many_who_heed_no_retry_after_wait_longer_and_longer_for_their_refusal() -> None:
    limits = IngressLimits(tick_ms=20, refusals_per_second_max=10, refusal_wait_ms_max=300)
    async with running(limits=limits) as site:
        admission = site.doors.world.admission
        waits = [admission.refusal_wait_ms() for _ in range(20)]
        assert waits[:10] == [0] * 10
        assert 0 < waits[11] < waits[13]
        assert max(waits) == waits[-1] == 300
