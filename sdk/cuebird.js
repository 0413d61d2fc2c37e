/**
 * Cuebird in the page: events out, pushes in, by WebSocket, else by SSE and fetch. What is not acknowledged is kept
 * and sent again with the same messageId: nothing lost, nothing twice. See README.md.
 *
 * @typedef {{id: string, kind: string, data: any, offset: number, seen(): void, clicked(): void, dismissed(): void}} Push
 * @typedef {{writeKey: string, url?: string, token?: string | (() => string | Promise<string>), queueMax?: number, quiet?: boolean}} Options
 */

// What the server closes on would be sent again for ever. A beacon takes 64 kB; a character may be 3 bytes.
const MESSAGE_CHARS_MAX = 20000;
const FRAME_CHARS_MAX = 60000;
const g = globalThis;

const uid = () => Array.from(g.crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("");
const now = () => new Date().toISOString();
const here = () => ({ url: g.location?.href, path: g.location?.pathname });

// Nothing but half an emoji, which `slice` leaves, is escaped so; no server takes it.
const json = (value) => JSON.stringify(value).replace(/\\(\\|ud[89a-f]..)/g, (s) => (s[2] ? "\ufffd" : s));

// Storage may be denied altogether: then the client works without.
const attempt = (fn) => {
  try {
    return fn();
  } catch {}
};

export class Cuebird {
  #o;
  #tab = uid();
  #me; // {anonymousId, userId}, shared by the tabs
  #visitor; // the server's word that this browser is that visitor; "" before there is one
  #since; // {epoch, offset}: how far pushes were read
  #queue = []; // {m: message, f: id of the frame it went in, 0 = not under way}
  #receipts = [];
  #listeners = {};
  #shown = new Set(); // ids of pushes this page was given
  #warned = new Set();
  #ws;
  #sse;
  #up = false;
  #stopped = true;
  #posting = false;
  #planned = false;
  #welcome = {};
  #frame = 0;
  #credit = 0;
  #held = false;
  #tries = 0;
  #jitter = 1000;
  #timers = {};

  /** @param {Options} options */
  constructor(options) {
    this.#o = {
      url: g.location?.origin,
      queueMax: 500,
      storage: attempt(() => g.localStorage),
      WebSocket: g.WebSocket,
      EventSource: g.EventSource,
      fetch: g.fetch?.bind(g),
      ...options,
    };
    this.#me = this.#read("cuebird.me") ?? { anonymousId: uid() };
    this.#become(this.#me);
    this.#visitor = this.#read("cuebird.visitor") ?? "";
    this.#since = this.#read("cuebird.since");
    this.#adopt();
    g.addEventListener?.("pagehide", () => this.#beacon());
    g.addEventListener?.("online", () => !this.#up && !this.#stopped && this.#open());
  }

  get anonymousId() {
    return this.#me.anonymousId;
  }

  get userId() {
    return this.#me.userId;
  }

  /** Events not yet acknowledged. */
  get pending() {
    return this.#queue.length;
  }

  /** Connects, and stays so until `close`. */
  connect() {
    if (this.#stopped) {
      this.#stopped = false;
      this.#tries = 0;
      this.#open();
    }
    return this;
  }

  /** Later events are kept for the next `connect`. */
  close() {
    this.#stopped = true;
    this.#down();
  }

  /**
   * @param {"open" | "close" | "stopped" | "push" | "ok" | "rejected" | "gap"} name
   * @param {(detail: any) => void} listener
   * @returns {() => void} takes it away
   */
  on(name, listener) {
    const all = (this.#listeners[name] ??= new Set());
    all.add(listener);
    return () => all.delete(listener);
  }

  /** @param {string} event @param {object} [properties] @returns {string} the message id */
  track(event, properties = {}) {
    return this.#add({ type: "track", event, properties });
  }

  /** @param {string} [name] @param {object} [properties] */
  page(name, properties = {}) {
    const { title, referrer } = g.document ?? {};
    return this.#add({ type: "page", name, properties: { ...here(), title, referrer, ...properties } });
  }

  /** Who the visitor is; what they did before becomes theirs. @param {string} [userId] @param {object} [traits] */
  identify(userId, traits = {}) {
    const before = this.#me.userId;
    if (userId) this.#become({ ...this.#me, userId });
    const id = this.#add({ type: "identify", traits });
    // An anonymous visitor's stream follows them by itself.
    if (before && userId && before !== userId) this.#rejoin();
    return id;
  }

  /** @param {{marketing?: boolean, tracking?: boolean}} given */
  consent(given) {
    return this.identify(undefined, { consent: given });
  }

  /** Signs out, and goes on as a new anonymous visitor. */
  reset() {
    if (this.#me.userId) this.track("Signed Out");
    this.#become({ anonymousId: uid() });
    this.#show("new"); // no token at all, so that a cookie does not bring the old visitor back
    this.#rejoin();
  }

  #emit(name, detail) {
    for (const listener of this.#listeners[name] ?? []) listener(detail);
  }

  /** For whoever wonders why nothing comes of it: each text once. */
  #warn(text) {
    if (!text || this.#o.quiet || this.#warned.has(text)) return;
    this.#warned.add(text);
    g.console?.warn(`Cuebird: ${text}`);
  }

  #read(key) {
    return attempt(() => JSON.parse(this.#o.storage.getItem(key))) ;
  }

  #write(key, value) {
    attempt(() => this.#o.storage.setItem(key, JSON.stringify(value)));
  }

  #become(me) {
    this.#me = me;
    this.#write("cuebird.me", me);
  }

  #show(token) {
    this.#visitor = token;
    this.#write("cuebird.visitor", token);
  }

  /** The server signs the visitor's id: what waits goes under that one. */
  #visit({ id, token } = {}) {
    if (token) this.#show(token);
    const { anonymousId } = this.#me;
    if (!id || id === anonymousId) return;
    for (const { m } of this.#queue) if (m.anonymousId === anonymousId) m.anonymousId = id;
    this.#become({ ...this.#me, anonymousId: id });
    this.#keep();
  }

  #keep() {
    const key = `cuebird.q.${this.#tab}`;
    if (this.#queue.length) this.#write(key, this.#queue.map((item) => item.m));
    else attempt(() => this.#o.storage.removeItem(key));
  }

  /** Takes over what earlier pages left. If their tab still lives, both send it and the server counts it once. */
  #adopt() {
    const keys = attempt(() => Array.from({ length: this.#o.storage.length }, (_, i) => this.#o.storage.key(i))) ?? [];
    for (const key of keys.filter((name) => name?.startsWith("cuebird.q."))) {
      for (const m of this.#read(key) ?? []) this.#queue.push({ m, f: 0 });
      attempt(() => this.#o.storage.removeItem(key));
    }
    this.#queue.splice(0, this.#queue.length - this.#o.queueMax);
    if (this.#queue.length) this.#keep();
  }

  #add(message) {
    const m = {
      ...message,
      messageId: uid(),
      timestamp: now(),
      ...this.#me,
      context: {
        page: here(),
        locale: g.navigator?.language,
        timezone: attempt(() => Intl.DateTimeFormat().resolvedOptions().timeZone),
      },
    };
    if (JSON.stringify(m).length > MESSAGE_CHARS_MAX) {
      this.#emit("rejected", { message: m, code: "too_large" });
      return m.messageId;
    }
    this.#queue.push({ m, f: 0 });
    if (this.#queue.length > this.#o.queueMax) this.#emit("rejected", { message: this.#queue.shift().m, code: "queue_full" });
    this.#plan();
    return m.messageId;
  }

  /** One tick of the page: one frame, one write. */
  #plan() {
    if (this.#planned) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      this.#keep();
      this.#flush();
    });
  }

  #flush() {
    if (!this.#up || this.#posting || this.#held) return;
    if (this.#sse) return void this.#post();
    for (let batch; (batch = this.#next(this.#credit - this.#queue.filter((item) => item.f).length)).length; ) {
      this.#frame += 1;
      for (const item of batch) item.f = this.#frame;
      this.#say({ t: "ev", id: this.#frame, sentAt: now(), e: batch.map((item) => item.m) });
    }
  }

  /** The next events to go, within all limits. */
  #next(room, chars = Math.min(FRAME_CHARS_MAX, (this.#welcome.max_frame || Infinity) / 3)) {
    const batch = [];
    for (const item of this.#queue) {
      if (item.f) continue;
      chars -= JSON.stringify(item.m).length;
      if (batch.length && (chars < 0 || batch.length >= this.#welcome.max_batch)) break;
      if (batch.length >= room) break;
      batch.push(item);
    }
    return batch;
  }

  #say(frame) {
    this.#ws?.send(json(frame));
  }

  /** Stored or refused for good: ours no more. */
  #settle(gone, rejected = []) {
    const before = this.#queue.length;
    this.#queue = this.#queue.filter((item) => !gone(item));
    this.#keep();
    for (const r of rejected) this.#emit("rejected", { message: r.item?.m, code: r.code, text: r.message });
    if (this.#queue.length < before) this.#emit("ok", { pending: this.#queue.length });
  }

  #hold(ms) {
    this.#held = true;
    this.#later("hold", () => ((this.#held = false), this.#flush()), ms);
  }

  #body(batch) {
    return json({ writeKey: this.#o.writeKey, visitor: this.#visitor, sentAt: now(), batch: batch.map((item) => item.m) });
  }

  async #post() {
    const batch = this.#next(500);
    if (!batch.length) return;
    this.#posting = true;
    try {
      const token = await this.#token();
      const headers = { "Content-Type": "text/plain" }; // a simple request: no CORS preflight
      if (token) headers.Authorization = `Bearer ${token}`;
      const answer = await this.#o.fetch(`${this.#o.url}/v1/events`, { method: "POST", credentials: "include", headers, body: this.#body(batch) });
      if (answer.status === 408 || answer.status === 429 || answer.status >= 500) throw (answer.headers.get("Retry-After") ?? 2) * 1000;
      const said = await answer.json();
      for (const text of said.warnings ?? [[401, 403].includes(answer.status) && said.message]) this.#warn(text);
      const bad = answer.ok ? said.rejected.map((r) => ({ ...r, item: batch[r.index] })) : batch.map((item) => ({ ...said, item }));
      this.#settle((item) => batch.includes(item), bad);
    } catch (wait) {
      this.#hold(wait > 0 ? wait : 2000);
    }
    this.#posting = false;
    this.#flush();
  }

  /** The page goes: what is in doubt goes once more, by the one way that outlives it. */
  #beacon() {
    this.#keep();
    for (const item of this.#queue) item.f = 0;
    const batch = this.#next(500, FRAME_CHARS_MAX / 2);
    if (batch.length) attempt(() => g.navigator.sendBeacon(`${this.#o.url}/v1/events`, this.#body(batch)));
  }

  #later(name, fn, ms) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(fn, ms);
  }

  #quiet(ms) {
    this.#later("quiet", () => this.#stopped || this.#retry({}), ms || 10000);
  }

  /** Never fails: without a proof the events still count, for an anonymous visitor. */
  async #token() {
    const { token } = this.#o;
    try {
      return await (typeof token === "function" ? token() : token);
    } catch {}
  }

  async #open() {
    this.#down();
    const { WebSocket, EventSource, url } = this.#o;
    // Every third try goes by SSE: a proxy that eats WebSockets looks like a server that is down.
    if (EventSource && (!WebSocket || this.#tries % 3 === 2)) return this.#stream();
    const ws = attempt(() => new WebSocket(`${url.replace(/^http/, "ws")}/v1/ws`, ["cuebird.v1.json"]));
    if (!ws) return this.#retry({});
    this.#ws = ws;
    this.#quiet();
    ws.onopen = async () => {
      const hello = { t: "hello", token: this.#o.writeKey, proof: await this.#token(), visitor: this.#visitor, user: this.#me };
      this.#say({ ...hello, session: this.#welcome.session, since: this.#since, want: ["push"] });
    };
    ws.onmessage = ({ data }) => {
      if (ws === this.#ws) for (const frame of [JSON.parse(data)].flat()) this.#take(frame);
    };
    ws.onclose = (event) => ws === this.#ws && this.#retry(event);
  }

  #down() {
    const ws = this.#ws;
    this.#ws = undefined;
    attempt(() => ws?.close(1000));
    this.#sse?.close();
    this.#sse = undefined;
    this.#up = false;
    for (const name in this.#timers) clearTimeout(this.#timers[name]);
    this.#held = false;
  }

  /** Another user's stream needs another hello. */
  #rejoin() {
    if (this.#stopped) return;
    this.#welcome = {};
    this.#open();
  }

  /** 40xx: stop; 41xx: back off; 42xx: come again soon. */
  #retry({ code = 1006, reason = "" }) {
    this.#down();
    if ((code >= 4000 && code < 4100) || code === 1009) {
      this.#stopped = true;
      return this.#emit("stopped", { code, reason });
    }
    const soon = code >= 4200 && code < 4300;
    const top = soon ? this.#jitter : Math.min(30000, 500 * 2 ** this.#tries);
    const least = +(/retry_ms=(\d+)/.exec(reason)?.[1] ?? 0);
    const retryInMs = least + Math.random() * top;
    if (!soon) this.#tries += 1;
    this.#later("open", () => this.#open(), retryInMs);
    this.#emit("close", { code, retryInMs });
  }

  #ready({ epoch, offset, recovered, visitor }) {
    this.#visit(visitor);
    if (!recovered) {
      if (this.#since) this.#emit("gap");
      this.#reached(epoch, offset);
    }
    for (const item of this.#queue) item.f = 0;
    this.#up = true;
    this.#later("steady", () => (this.#tries = 0), 60000);
    this.#emit("open");
    this.#flush();
  }

  #take(frame) {
    this.#credit = frame.credit ?? this.#credit;
    this.#on[frame.t]?.(frame);
    // A line silent past its heart-beats is dead, noticed or not.
    this.#quiet(this.#welcome.ping_ms * 2.5);
  }

  #on = {
    welcome: (w) => {
      const same = w.session === this.#welcome.session;
      this.#welcome = w;
      if (same) this.#settle((item) => item.f && item.f <= w.acked);
      this.#ready(w);
      for (const receipt of this.#receipts.splice(0)) this.#say(receipt);
    },
    ok: (f) => {
      for (const text of f.warnings ?? []) this.#warn(text);
      const frame = this.#queue.filter((item) => item.f === f.id);
      this.#settle((item) => item.f && item.f <= f.id, f.rejected?.map((r) => ({ ...r, item: frame[r.i] })));
      this.#flush();
    },
    err: (f) => {
      if (["unauthorized", "forbidden"].includes(f.code)) this.#warn(f.message);
      const theirs = this.#queue.filter((item) => item.f && item.f === f.id);
      if (f.retry_ms === undefined) return this.#settle((item) => theirs.includes(item), f.id ? theirs.map((item) => ({ ...f, item })) : [f]);
      for (const item of theirs) item.f = 0;
      this.#hold(f.retry_ms);
    },
    credit: () => this.#flush(),
    ping: () => this.#say({ t: "pong" }),
    push: (f) => this.#push(f),
    token_expiring: async () => this.#say({ t: "auth", token: await this.#token() }),
    drain: (f) => (this.#jitter = f.jitter_ms),
  };

  async #stream() {
    const { writeKey, url, fetch } = this.#o;
    // An event stream can show the token in a cookie alone.
    const headers = this.#visitor ? { "X-Cuebird-Visitor": this.#visitor } : {};
    try {
      const answer = await fetch(`${url}/v1/visitor`, { method: "POST", credentials: "include", headers, body: JSON.stringify({ writeKey }) });
      this.#visit((await answer.json()).visitor);
    } catch {}
    const query = new URLSearchParams({ key: writeKey, ...this.#me });
    if (this.#since) query.set("last_event_id", `${this.#since.epoch}:${this.#since.offset}`);
    const proof = await this.#token();
    if (proof) query.set("proof", proof);
    if (this.#stopped) return;
    const source = (this.#sse = new this.#o.EventSource(`${url}/v1/sse?${query}`, { withCredentials: true }));
    // The browser has an event of this name too, without data.
    source.addEventListener("open", ({ data }) => data && this.#ready(JSON.parse(data)));
    // The browser's own retry stops for good on an error status.
    source.onerror = () => source === this.#sse && this.#retry({});
    source.addEventListener("push", ({ data }) => this.#push(JSON.parse(data)));
  }

  #reached(epoch, offset) {
    this.#since = { epoch, offset };
    this.#write("cuebird.since", this.#since);
  }

  #push({ id, kind, data, offset }) {
    this.#reached(this.#since.epoch, offset);
    const receipt = (status) => () => {
      const frame = { t: "ack", offset, status };
      if (this.#ws && this.#up) this.#say(frame);
      else if (this.#sse) this.track(`push_${status}`, { message: id });
      else this.#receipts.push(frame);
    };
    receipt("delivered")();
    if (this.#shown.has(id)) return;
    this.#shown.add(id);
    this.#emit("push", { id, kind, data, offset, seen: receipt("seen"), clicked: receipt("clicked"), dismissed: receipt("dismissed") });
  }
}
