"""Every limit of the ways in, with what happens at it."""

from __future__ import annotations

import msgspec


class IngressLimits(msgspec.Struct, frozen=True, kw_only=True):
    frame_bytes_max: int = 262_144
    """A larger WebSocket message: close 1009."""
    batch_events_max: int = 500
    """Messages in one `ev` frame: `err batch_too_large`."""
    credit_events: int = 1_000
    """Events of one connection that are not yet acknowledged: `err over_credit`, then close 4102."""
    bad_frames_per_minute_max: int = 20
    """Frames that could not be understood: close 1008."""
    unreadable_frames_max: int = 3
    """Frames of one session of which not even the id can be told: close 4104, the last of them 4007."""
    send_queue_bytes_max: int = 1_048_576
    """What waits for a client that does not read: close 4101, and what waited is dropped."""
    connections_max: int = 20_000
    """Open WebSockets and event streams together: close 4100."""
    connections_per_address_max: int = 1_000
    """The same from one network address: close 4029."""
    http_connections_max: int = 8_000
    """HTTP connections, event streams left out: the one that has waited longest for a request is cut; if none waits, the
    newcomer hears 503."""
    http_connections_per_address_max: int = 1_000
    """The same from one network address, unless it is a proxy of ours (`FORWARDED_ALLOW_IPS`): 429."""
    waiting_connections_max: int = 3_000
    """Connections that wait for a request, the next one, or their hello, or do not take their answer: the one that has waited
    longest is cut."""
    sessions_max: int = 50_000
    """Sessions that could be resumed; the oldest is forgotten."""
    hello_wait_ms_max: int = 5_000
    """Without a hello: close 4002."""
    hello_bytes_max: int = 16_384
    """What a WebSocket sends before its hello is taken: close 1009."""
    control_frames_per_minute_max: int = 120
    """Pings and pongs of the WebSocket layer: close 1008. Who does not read gets no pongs."""
    ping_ms: int = 25_000
    """A connection that said nothing for so long is asked."""
    silence_ms_max: int = 75_000
    """A connection that said nothing for so long is dead: close 4103. Pings of the WebSocket layer say nothing."""
    close_wait_ms_max: int = 5_000
    """A connection that does not take its close frame is cut."""
    tick_ms: int = 1_000
    """How often connections are looked at for the waits above."""
    resume_ms_max: int = 120_000
    """How long a session outlives its connection."""
    body_bytes_max: int = 1_048_576
    """An HTTP body as it comes: 413."""
    inflated_bytes_max: int = 4_194_304
    """An HTTP body after gunzip: 413, and no more than this is inflated."""
    keyless_bytes_max: int = 16_384
    """How much of a body is read to find the key in it, where no header and no address has one: 401."""
    buffered_bytes_max: int = 33_554_432
    """Bodies and WebSocket messages that have not come whole, of all connections together: 503, close 4100. A quarter more
    for small bodies."""
    slow_ms: int = 2_000
    """Whose body or message takes longer gives way first when they are too much."""
    body_events_max: int = 10_000
    """Messages in one HTTP body: 413."""
    message_bytes_max: int = 65_536
    """Properties or traits of one message together with its context, the envelope's included, as JSON: `too_large`."""
    value_bytes_max: int = 8_192
    """One text among them at any depth, or one name, in UTF-8: `too_long`."""
    properties_max: int = 1_000
    """Properties or traits of one message, those within them not counted: `too_large`."""
    small_bytes_max: int = 4_096
    """A body below it (one event, an order) waits for no batch; gzip counts as what it becomes."""
    bulk_inputs_max: int = 2_000
    """Inputs in flight past which no larger body is decoded and no stream of batches is read: they wait."""
    slice_inputs_max: int = 200
    """A body of a server with more is given to the engine in parts, so that what is urgent comes in between."""
    waiting_bytes_max: int = 1_048_576
    """Larger bodies that wait to be decoded, together; past it `overloaded`, before they are read."""
    overload_retry_ms_max: int = 60_000
    """To so much grows what those who are refused are told to wait, while an overload lasts."""
    refusals_per_second_max: int = 100
    """So many requests are refused at once; past it they wait to hear it, which slows down who heeds no Retry-After."""
    refusal_wait_ms_max: int = 2_000
    """But no longer than this; also how long a connection that spoke too fast is not read from, at most."""
    key_events_per_second_max: int = 10_000
    """Of all who show one write key; a second's worth may come at once. Past it: `too_many_for_key`. 0: no limit."""
    server_key_events_per_second_max: int = 0
    """The same of a server key."""
    address_events_per_second_max: int = 250
    """Of all who come from one network address (IPv6: one /64) without a server key, sustained. Past it:
    `too_many_for_address`. 0: no limit."""
    address_burst_events_max: int = 2_500
    """So many of them may come at once."""
    address_bytes_per_second_max: int = 256_000
    """The same, of what it sends, once inflated. 0: no limit."""
    address_burst_bytes_max: int = 2_000_000
    """So many of them may come at once."""
    header_wait_ms_max: int = 10_000
    """A connection that does not complete its request line and headers is cut."""
    body_wait_ms_max: int = 30_000
    """A body that does not arrive: 408, and the connection is closed."""
    header_bytes_max: int = 65_536
    """Headers of a request, with its address: 431."""
    headers_max: int = 100
    """Their number: 431."""
    pipelined_requests_max: int = 16
    """Requests of one connection that wait for the answers before them: those are answered, and the connection is closed."""
    write_wait_ms_max: int = 30_000
    """An HTTP client that takes nothing of its answer for so long is cut."""
    heartbeat_ms: int = 15_000
    """Between comments on a quiet event stream."""
    pushes_per_user_max: int = 100
    """Pushes kept for a page that comes back; older ones are gone for it (`recovered: false`)."""
    push_keep_ms: int = 86_400_000
    """How long they are kept."""
    push_users_max: int = 100_000
    """Users whose pushes are kept; the one longest without a push is forgotten."""
    drain_ms: int = 3_000
    """On SIGTERM: how long clients have to leave by themselves."""
    settle_ms_max: int = 10_000
    """And then for the engine's word on what it has taken; without it they send it again elsewhere."""
    drain_jitter_ms: int = 5_000
    """Over how long they spread their return."""
    retry_ms: int = 2_000
    """What a refused client is told to wait if the engine does not say."""
