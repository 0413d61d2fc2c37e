// The browser client against a server made of values: run by test_sdk.py under node.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Cuebird } from "../../sdk/cuebird.js";

const timers = new Map();
let nextTimer = 1;
globalThis.setTimeout = (fn, ms) => (timers.set(nextTimer, { fn, ms }), nextTimer++);
globalThis.clearTimeout = (id) => timers.delete(id);
Math.random = () => 0.5;

/** Lets promises and microtasks run out. */
const settled = () => new Promise((resolve) => setImmediate(resolve));
const due = (ms) => [...timers.values()].filter((timer) => timer.ms === ms);
async function fire(ms) {
  const [id, timer] = [...timers].find(([, t]) => t.ms === ms) ?? assert.fail(`no timer of ${ms} ms, only ${[...timers.values()].map((t) => t.ms)}`);
  timers.delete(id);
  timer.fn();
  await settled();
}

class Storage {
  constructor(all = {}) {
    this.all = new Map(Object.entries(all));
  }
  get length() {
    return this.all.size;
  }
  key(i) {
    return [...this.all.keys()][i];
  }
  getItem(key) {
    return this.all.get(key) ?? null;
  }
  setItem(key, value) {
    this.all.set(key, value);
  }
  removeItem(key) {
    this.all.delete(key);
  }
}

function world({ storage = new Storage(), ...more } = {}) {
  timers.clear();
  const sockets = [];
  class Socket {
    constructor(url, protocols) {
      Object.assign(this, { url, protocols, sent: [] });
      sockets.push(this);
    }
    send(text) {
      this.sent.push(JSON.parse(text));
    }
    close(code) {
      this.closed = code;
    }
    async open(welcome = {}) {
      this.onopen();
      await settled();
      await this.say({ t: "welcome", session: "s1", epoch: "e1", ping_ms: 20000, max_frame: 262144, max_batch: 500, credit: 1000, acked: 0, recovered: false, offset: 0, ...welcome });
    }
    async say(...frames) {
      this.onmessage({ data: JSON.stringify(frames.length === 1 ? frames[0] : frames) });
      await settled();
    }
    async end(code, reason = "") {
      this.onclose({ code, reason });
      await settled();
    }
    events() {
      return this.sent.filter((frame) => frame.t === "ev");
    }
  }
  const told = [];
  const cb = new Cuebird({ url: "http://shop.example", writeKey: "wk_1", storage, WebSocket: Socket, ...more });
  for (const name of ["open", "close", "stopped", "push", "ok", "rejected", "gap"]) cb.on(name, (detail) => told.push([name, detail]));
  return { cb, sockets, storage, told, last: () => sockets.at(-1) };
}

const names = (frames) => frames.map((frame) => frame.e.map((m) => m.event));

test("a visitor's events go out after the welcome, what one tick tracked in one frame", async () => {
  const { cb, last } = world();
  cb.connect();
  cb.track("Product Viewed", { product_id: "lamp" });
  cb.track("Product Added", { product_id: "lamp" });
  await settled();
  assert.equal(last().url, "ws://shop.example/v1/ws");
  assert.deepEqual(last().protocols, ["cuebird.v1.json"]);
  assert.equal(last().sent.length, 0);
  await last().open();
  const [hello, ev] = last().sent;
  assert.equal(hello.t, "hello");
  assert.equal(hello.token, "wk_1");
  assert.deepEqual(hello.user, { anonymousId: cb.anonymousId });
  assert.equal(ev.id, 1);
  assert.deepEqual(ev.e.map((m) => [m.type, m.event, m.anonymousId]), [["track", "Product Viewed", cb.anonymousId], ["track", "Product Added", cb.anonymousId]]);
  assert.equal(new Set(ev.e.map((m) => m.messageId)).size, 2);
  await last().say({ t: "ok", id: 1, n: 2, dup: 0, credit: 1000 });
  assert.equal(cb.pending, 0);
});

test("a page shows the visitor token that it was given, and what waits goes under the id in it", async () => {
  const { cb, last, storage } = world();
  cb.connect();
  cb.track("a");
  await settled();
  await last().open({ visitor: { id: "v.1", token: "signed" } });
  assert.equal(last().sent[0].visitor, "");
  assert.equal(cb.anonymousId, "v.1");
  assert.deepEqual(last().events()[0].e.map((m) => [m.event, m.anonymousId]), [["a", "v.1"]]);
  assert.ok(!JSON.stringify(last().events()).includes("signed"), "no event bears it");
  const next = world({ storage });
  next.cb.connect();
  await next.last().open({ visitor: { id: "v.1" } });
  assert.deepEqual([next.last().sent[0].visitor, next.last().sent[0].user], ["signed", { anonymousId: "v.1" }]);
  next.cb.reset();
  await settled();
  await next.last().open({ session: "s2", visitor: { id: "v.2", token: "another" } });
  assert.notEqual(next.last().sent[0].visitor, "signed");
  assert.deepEqual([next.cb.anonymousId, storage.getItem("cuebird.visitor")], ["v.2", '"another"']);
});

test("what was not acknowledged is sent again with the same message id", async () => {
  const { cb, last } = world();
  cb.connect();
  await last().open();
  cb.track("a");
  await settled();
  cb.track("b");
  await settled();
  await last().say({ t: "ok", id: 1, n: 1, dup: 0, credit: 1000 });
  const lost = last().events()[1].e[0].messageId;
  await last().end(1006);
  await fire(250);
  await last().open({ session: "another" });
  assert.deepEqual(names(last().events()), [["b"]]);
  assert.equal(last().events()[0].e[0].messageId, lost);
});

test("a resumed session leaves out what the server says it has", async () => {
  const { cb, sockets, last } = world();
  cb.connect();
  await last().open();
  for (const name of ["a", "b"]) {
    cb.track(name);
    await settled();
  }
  await last().end(1006);
  await fire(250);
  await last().open({ acked: 1 });
  assert.equal(last().sent[0].session, "s1");
  assert.deepEqual(names(last().events()), [["b"]]);
  assert.ok(last().events()[0].id > sockets[0].events().at(-1).id, "ids of a session only grow");
});

test("events outlive the page, and the next page sends them", async () => {
  const { cb, storage } = world();
  cb.track("kept");
  await settled();
  const next = world({ storage });
  assert.equal(next.cb.anonymousId, cb.anonymousId);
  assert.equal(next.cb.pending, 1);
  next.cb.connect();
  await next.last().open();
  assert.deepEqual(names(next.last().events()), [["kept"]]);
  await next.last().say({ t: "ok", id: 1, n: 1, dup: 0, credit: 1000 });
  assert.equal([...storage.all.keys()].filter((key) => key.startsWith("cuebird.q.")).length, 0);
});

test("an offline page keeps only so many events, the newest, and says what it let go", async () => {
  const { cb, told, storage } = world({ queueMax: 3 });
  for (let i = 0; i < 5; i++) cb.track(`e${i}`);
  await settled();
  assert.equal(cb.pending, 3);
  assert.deepEqual(told.map(([name, d]) => [name, d.code, d.message.event]), [["rejected", "queue_full", "e0"], ["rejected", "queue_full", "e1"]]);
  assert.equal(world({ storage, queueMax: 3 }).cb.pending, 3);
});

test("a message too large for the server is refused at once instead of blocking the others", async () => {
  const { cb, told } = world();
  cb.track("big", { text: "x".repeat(30000) });
  assert.equal(cb.pending, 0);
  assert.equal(told[0][1].code, "too_large");
});

test("no more events are under way than the server gave credit for", async () => {
  const { cb, last } = world();
  cb.connect();
  await last().open({ credit: 2 });
  for (let i = 0; i < 5; i++) cb.track(`e${i}`);
  await settled();
  assert.deepEqual(names(last().events()), [["e0", "e1"]]);
  await last().say({ t: "ok", id: 1, n: 2, dup: 0, credit: 2 });
  assert.deepEqual(names(last().events()), [["e0", "e1"], ["e2", "e3"]]);
  await last().say({ t: "credit", credit: 3 });
  assert.deepEqual(names(last().events()).at(-1), ["e4"]);
});

test("frames keep to the server's batch and frame limits", async () => {
  const { cb, last } = world();
  cb.connect();
  await last().open({ max_batch: 2, max_frame: 6000 });
  for (let i = 0; i < 5; i++) cb.track(`e${i}`, { text: i > 2 ? "x".repeat(1900) : "" });
  await settled();
  assert.deepEqual(names(last().events()), [["e0", "e1"], ["e2"], ["e3"], ["e4"]]);
});

test("close codes say by their range what to do", async () => {
  for (const [code, expected] of [[4001, "stopped"], [4009, "stopped"], [1009, "stopped"], [4100, "close"], [4200, "close"], [1012, "close"], [1006, "close"]]) {
    const { cb, last, told } = world();
    cb.connect();
    await last().open();
    told.length = 0;
    await last().end(code);
    assert.equal(told[0][0], expected, `close ${code}`);
    assert.equal(timers.size, expected === "stopped" ? 0 : 1, `timers after ${code}`);
  }
});

test("back-off doubles with full jitter up to half a minute, and a drain comes back within its jitter", async () => {
  const { cb, last, told } = world();
  cb.connect();
  const waits = [];
  for (let i = 0; i < 9; i++) {
    await last().end(4100);
    waits.push(told.at(-1)[1].retryInMs);
    await fire(waits.at(-1));
  }
  assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]);
  await last().open();
  await last().say({ t: "drain", in_ms: 3000, jitter_ms: 4000 });
  await last().end(4200, "drain");
  assert.equal(told.at(-1)[1].retryInMs, 2000);
});

test("a server that names a time is not asked before it", async () => {
  const { cb, last, told } = world();
  cb.connect();
  await last().end(4102, "retry_ms=7000");
  assert.equal(told.at(-1)[1].retryInMs, 7250);
});

test("a minute of good connection forgets the failures before it", async () => {
  const { cb, last, told } = world();
  cb.connect();
  await last().end(1006);
  await fire(250);
  await last().end(1006);
  await fire(500);
  await last().open();
  await fire(60000);
  await last().end(1006);
  assert.equal(told.at(-1)[1].retryInMs, 250);
});

test("heart-beats are answered, and a line that falls silent is given up", async () => {
  const { cb, last, sockets } = world();
  cb.connect();
  await last().open();
  await last().say({ t: "ping" });
  assert.deepEqual(last().sent.at(-1), { t: "pong" });
  await fire(50000);
  assert.equal(sockets[0].closed, 1000);
  await fire(250);
  assert.equal(sockets.length, 2);
});

test("what the server refuses for now is sent again, what it refuses for good is let go with its reason", async () => {
  const { cb, last, told } = world();
  cb.connect();
  await last().open();
  cb.track("later");
  await settled();
  cb.track("never");
  cb.track("good");
  await settled();
  await last().say({ t: "err", id: 1, code: "overloaded", message: "", retry_ms: 1500 });
  await last().say({ t: "ok", id: 2, n: 1, rejected: [{ i: 0, code: "no_event", message: "why" }], credit: 1000 });
  assert.deepEqual(told.filter(([name]) => name === "rejected").map(([, d]) => [d.message.event, d.code]), [["never", "no_event"]]);
  assert.equal(cb.pending, 1);
  await fire(1500);
  assert.deepEqual(names(last().events()).at(-1), ["later"]);
});

test("a push reaches the page once, and what became of it goes back", async () => {
  const { cb, last, told } = world();
  cb.connect();
  await last().open();
  await last().say({ t: "push", offset: 7, id: "p1", kind: "push", data: { title: "Still thinking?" } });
  await last().say({ t: "push", offset: 7, id: "p1", kind: "push", data: { title: "Still thinking?" } });
  const pushes = told.filter(([name]) => name === "push");
  assert.equal(pushes.length, 1);
  assert.equal(pushes[0][1].data.title, "Still thinking?");
  pushes[0][1].seen();
  pushes[0][1].clicked();
  pushes[0][1].dismissed();
  const acks = last().sent.filter((frame) => frame.t === "ack").map((frame) => [frame.offset, frame.status]);
  assert.deepEqual(acks, [[7, "delivered"], [7, "delivered"], [7, "seen"], [7, "clicked"], [7, "dismissed"]]);
});

test("a page says how far it had read, and hears when something was missed", async () => {
  const { cb, last, told, storage } = world();
  cb.connect();
  await last().open({ offset: 3 });
  await last().say({ t: "push", offset: 4, id: "p4", kind: "push", data: {} });
  const next = world({ storage });
  next.cb.connect();
  await next.last().open({ recovered: true, offset: 9 });
  assert.deepEqual(next.last().sent[0].since, { epoch: "e1", offset: 4 });
  assert.equal(told.filter(([name]) => name === "gap").length, 0);
  await next.last().end(1006);
  await fire(250);
  await next.last().open({ epoch: "e2", recovered: false, offset: 1 });
  assert.equal(next.told.filter(([name]) => name === "gap").length, 1);
});

test("signing in keeps the anonymous id, signing out takes a new one and says hello again", async () => {
  const { cb, last, sockets, storage } = world();
  cb.connect();
  await last().open();
  const before = cb.anonymousId;
  cb.identify("ann", { email: "ann@example.test", consent: { marketing: true } });
  await settled();
  const [message] = last().events()[0].e;
  assert.deepEqual([message.type, message.userId, message.anonymousId], ["identify", "ann", before]);
  assert.equal(sockets.length, 1, "the stream follows the visitor by itself");
  assert.equal(world({ storage }).cb.userId, "ann");
  cb.reset();
  await settled();
  assert.equal(cb.userId, undefined);
  assert.notEqual(cb.anonymousId, before);
  await last().open({ session: "s2" });
  assert.equal(sockets.length, 2);
  assert.deepEqual(last().sent[0].user, { anonymousId: cb.anonymousId });
  const out = last().events().flatMap((frame) => frame.e).find((m) => m.event === "Signed Out");
  assert.equal(out.userId, "ann");
});

test("consent is a trait of whoever gives it", async () => {
  const { cb, last } = world();
  cb.connect();
  await last().open();
  cb.consent({ marketing: true });
  await settled();
  const [message] = last().events()[0].e;
  assert.deepEqual([message.type, message.userId, message.traits], ["identify", undefined, { consent: { marketing: true } }]);
});

test("a proof is asked for again when the server says that it ends", async () => {
  let n = 0;
  const { cb, last } = world({ token: async () => `proof-${++n}` });
  cb.connect();
  await last().open();
  assert.equal(last().sent[0].proof, "proof-1");
  await last().say({ t: "token_expiring", in_ms: 60000 });
  assert.deepEqual(last().sent.at(-1), { t: "auth", token: "proof-2" });
});

test("where no WebSocket connects, pushes come by SSE and events go by fetch", async () => {
  const sources = [];
  class Source {
    constructor(url, options) {
      Object.assign(this, { url, options, on: {} });
      sources.push(this);
    }
    addEventListener(name, listener) {
      this.on[name] = listener;
    }
    close() {
      this.closed = true;
    }
  }
  const posts = [];
  const answers = [
    { ok: true, status: 200, json: async () => ({ success: true, visitor: { id: "v.1", token: "signed" } }) },
    { ok: true, status: 200, json: async () => ({ success: true, accepted: 1, rejected: [] }) },
    { ok: false, status: 503, headers: new Map([["Retry-After", "3"]]) },
    { ok: true, status: 200, json: async () => ({ success: true, accepted: 0, rejected: [{ index: 0, code: "no_event", message: "" }] }) },
  ];
  const fetch = async (url, init) => (posts.push([url, JSON.parse(init.body), init]), answers.shift());
  const { cb, last, told } = world({ EventSource: Source, fetch });
  cb.connect();
  await last().end(1006);
  await fire(250);
  await last().end(1006);
  await fire(500);
  const url = new URL(sources[0].url);
  assert.equal(url.pathname, "/v1/sse");
  assert.deepEqual([url.searchParams.get("key"), url.searchParams.get("anonymousId"), url.searchParams.get("userId")], ["wk_1", cb.anonymousId, null]);
  const [, asked, options] = posts.shift();
  assert.deepEqual([asked, options.credentials, options.headers], [{ writeKey: "wk_1" }, "include", {}]);
  assert.deepEqual([cb.anonymousId, sources[0].options], ["v.1", { withCredentials: true }], "the cookie shows the token");
  assert.ok(!sources[0].url.includes("signed"), "no address bears it");
  sources[0].on.open({});
  sources[0].on.open({ data: '{"epoch":"e1","offset":5,"recovered":false}' });
  cb.track("a");
  await settled();
  assert.equal(posts[0][0], "http://shop.example/v1/events");
  assert.deepEqual([posts[0][1].writeKey, posts[0][1].batch.map((m) => m.event)], ["wk_1", ["a"]]);
  assert.equal(posts[0][1].visitor, "signed");
  assert.equal(cb.pending, 0);
  cb.track("b");
  await settled();
  assert.equal(cb.pending, 1);
  await fire(3000);
  assert.equal(posts[2][1].batch[0].messageId, posts[1][1].batch[0].messageId);
  assert.equal(told.at(-2)[1].code, "no_event");
  sources[0].on.push({ data: '{"offset":6,"id":"p6","kind":"push","data":{"title":"Hi"}}' });
  assert.equal(told.find(([name]) => name === "push")[1].data.title, "Hi");
  sources[0].onerror();
  assert.equal(sources[0].closed, true);
});

test("a page that may store nothing still tells its events", async () => {
  const refusing = new Proxy({}, { get: () => { throw new Error("denied"); } });
  const { cb, last } = world({ storage: refusing });
  cb.connect();
  await last().open();
  cb.track("a");
  await settled();
  assert.deepEqual(names(last().events()), [["a"]]);
});

test("a listener that closes the client in the middle of a frame leaves it closed", async () => {
  const { cb, last, sockets } = world();
  cb.connect();
  await last().open();
  cb.on("push", () => cb.close());
  await last().say({ t: "push", offset: 1, id: "p", kind: "push", data: {} });
  for (const timer of [...timers.values()]) timer.fn();
  await settled();
  assert.equal(sockets.length, 1);
});

test("half an emoji goes as the sign for what cannot be read, whole ones and backslashes as they are", async () => {
  const { cb, last } = world();
  const texts = [];
  cb.connect();
  await last().open();
  const { send } = last();
  last().send = (text) => (texts.push(text), send.call(last(), text));
  cb.track("cut", { name: "caf😀".slice(0, 4), ["k😀".slice(2)]: "a\\ud83d\\\ud83d", whole: "😀" });
  await settled();
  const [{ properties }] = last().events()[0].e;
  assert.deepEqual(properties, { name: "caf\ufffd", "\ufffd": "a\\ud83d\\\ufffd", whole: "😀" });
  assert.doesNotMatch(texts[0].replaceAll("\\\\", ""), /\\ud/);
});

test("an err that names no frame lets go of nothing, and the page hears of it", async () => {
  const { cb, last, told } = world();
  cb.connect();
  await last().open();
  cb.track("a");
  await settled();
  await last().say({ t: "err", code: "invalid_json", message: "why" });
  assert.equal(cb.pending, 1);
  assert.deepEqual(told.filter(([name]) => name === "rejected").map(([, d]) => d), [{ message: undefined, code: "invalid_json", text: "why" }]);
  await last().end(4104, "unreadable");
  await fire(250);
  await last().open({ acked: 0 });
  assert.deepEqual(names(last().events()), [["a"]]);
});

test("a server that did not get the whole of it is sent it again", async () => {
  const statuses = [408, 200];
  const posts = [];
  const fetch = async (url, init) => {
    if (url.endsWith("/v1/visitor")) throw new TypeError("no network yet");
    const status = (posts.push(init.body), statuses.shift());
    return { ok: status === 200, status, headers: new Map(), json: async () => ({ success: true, accepted: 1, rejected: [] }) };
  };
  class Source {
    addEventListener(name, listener) {
      if (name === "open") this.open = listener;
    }
    close() {}
  }
  const sources = [];
  const { cb } = world({ WebSocket: undefined, EventSource: class extends Source { constructor() { super(); sources.push(this); } }, fetch });
  cb.connect();
  await settled();
  sources[0].open({ data: '{"epoch":"e1","offset":5,"recovered":false}' });
  cb.track("a");
  await settled();
  assert.equal(cb.pending, 1);
  await fire(2000);
  assert.equal(cb.pending, 0);
  assert.equal(posts.length, 2);
});

/** What is warned of in the console meanwhile. */
async function warnings(during) {
  const { warn } = console;
  const said = [];
  console.warn = (text) => said.push(text);
  try {
    await during();
  } finally {
    console.warn = warn;
  }
  return said;
}

test("a developer who names users without proof is told once what follows", async () => {
  for (const quiet of [false, true]) {
    const said = await warnings(async () => {
      const { cb, last } = world({ quiet });
      cb.connect();
      await last().open();
      cb.track("Product Viewed");
      await settled();
      for (const id of [1, 2]) await last().say({ t: "ok", id, n: 1, dup: 0, credit: 1000, unproven: 1, warnings: ["no proof"] });
    });
    assert.deepEqual(said, quiet ? [] : ["Cuebird: no proof"]);
  }
});

test("a wrong key or origin is told in the console, and nothing was stored by it", async () => {
  for (const [code, close] of [["unauthorized", 4001], ["forbidden", 4003]]) {
    let told;
    const said = await warnings(async () => {
      const page = world();
      told = page.told;
      page.cb.track("Product Viewed");
      page.cb.connect();
      page.last().onopen();
      await settled();
      await page.last().say({ t: "err", code, message: `${code}: the way out` });
      await page.last().end(close);
    });
    assert.deepEqual(said, [`Cuebird: ${code}: the way out`]);
    assert.deepEqual(told.map(([name]) => name), ["rejected", "stopped"]);
  }
});
