/**
 * Cuebird browser client: events out and pushes in over one WebSocket, by SSE and fetch where none can connect.
 * What is not acknowledged stays in storage and is sent again with the same messageId: nothing lost, nothing twice.
 *
 * @typedef {{title?: string, body?: string, url?: string, [key: string]: any}} PushData
 * @typedef {{id: string, kind: string, data: PushData, offset: number, seen: () => void, clicked: () => void, dismissed: () => void}} Push
 * @typedef {object} Options
 * @property {string} writeKey public key of the site, `wk_…`
 * @property {string} [url] where Cuebird answers; default: this page's origin
 * @property {string | (() => string | Promise<string>)} [token] proof of the user id, signed by your back end
 * @property {number} [queueMax] events kept while offline; past it the oldest goes (default 500)
 * @property {Storage} [storage]
 * @property {typeof WebSocket} [WebSocket]
 * @property {typeof EventSource} [EventSource]
 * @property {typeof fetch} [fetch]
 * @property {() => number} [random] of [0, 1)
 * @property {typeof setTimeout} [setTimeout]
 * @property {typeof clearTimeout} [clearTimeout]
 */

const MESSAGE_CHARS_MAX = 32000; // one message the server would close on must not sit in the queue for ever
const FRAME_CHARS_MAX = 60000; // sendBeacon takes 64 kB, and a character may be 3 bytes: halved in #beacon
const QUIET_FACTOR = 2.5; // heart-beats missed before the line counts as dead
const g = globalThis;

const uid = () => Array.from(g.crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
const now = () => new Date().toISOString();

/** A page may deny storage altogether: then the client works without. */
const attempt = (fn) => {
  try {
    return fn();
  } catch {
    return undefined;
  }
};

export class Cuebird {
  #o;
  #tab = uid();
  #me; // {anonymousId, userId, since: {epoch, offset}}: shared by the tabs
  #queue = []; // {m: message, f: id of the frame it went in, 0 = not under way}
  #receipts = [];
  #listeners = {};
  #shown = new Set(); // ids of pushes this page was given
  #ws;
  #sse;
  #up = false;
  #stopped = true;
  #posting = false;
  #planned = false;
  #welcome = {};
  #frame = 0;
  #credit = 0;
  #holdUntil = 0;
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
      random: Math.random,
      setTimeout: g.setTimeout.bind(g),
      clearTimeout: g.clearTimeout.bind(g),
      ...options,
    };
    this.#me = this.#read("cuebird.me") ?? { anonymousId: uid() };
    this.#write("cuebird.me", this.#me);
    this.#adopt();
    g.addEventListener?.("pagehide", () => this.#beacon());
    g.addEventListener?.("online", () => !this.#up && !this.#stopped && this.#open());
  }

  get anonymousId() {
    return this.#me.anonymousId;
  }

  /** The known user's id; undefined before `identify` and after `reset`. */
  get userId() {
    return this.#me.userId;
  }

  /** Events not yet acknowledged as stored. */
  get pending() {
    return this.#queue.length;
  }

  get connected() {
    return this.#up;
  }

  /** Connects, and stays connected until `close`. Calling it again changes nothing. */
  connect() {
    if (this.#stopped) {
      this.#stopped = false;
      this.#tries = 0;
      this.#open();
    }
    return this;
  }

  /** Disconnects. Later events are kept for the next `connect`. */
  close() {
    this.#stopped = true;
    this.#down();
  }

  /**
   * Names: open, close {code, retryInMs}, push, ok, rejected {message, code}, gap (pushes were missed), stopped {code}.
   * @param {string} name
   * @param {(detail: any) => void} listener
   * @returns {() => void} takes the listener away
   */
  on(name, listener) {
    const all = (this.#listeners[name] ??= new Set());
    all.add(listener);
    return () => all.delete(listener);
  }

  /**
   * @param {string} event
   * @param {object} [properties]
   * @returns {string} the message id
   */
  track(event, properties = {}) {
    return this.#add({ type: "track", event, properties });
  }

  /** @param {string} [name] @param {object} [properties] */
  page(name, properties = {}) {
    const { href: url, pathname: path } = g.location ?? {};
    const { title, referrer } = g.document ?? {};
    return this.#add({ type: "page", name, properties: { url, path, title, referrer, ...properties } });
  }

  /**
   * Says who the visitor is. What was done before, anonymously, becomes theirs. Without an id: traits of the visitor.
   * @param {string | undefined} userId
   * @param {object} [traits]
   */
  identify(userId, traits = {}) {
    const changed = userId && userId !== this.#me.userId;
    if (changed) this.#become({ ...this.#me, userId });
    const id = this.#add({ type: "identify", traits });
    if (changed) this.#rejoin();
    return id;
  }

  /** @param {{marketing?: boolean, tracking?: boolean}} given the visitor's yes or no */
  consent(given) {
    return this.identify(undefined, { consent: given });
  }

  /** Signs out: says so, and goes on as a new anonymous visitor. */
  reset() {
    if (this.#me.userId) this.track("Signed Out");
    this.#become({ anonymousId: uid() });
    this.#rejoin();
  }

  #emit(name, detail) {
    for (const listener of this.#listeners[name] ?? []) listener(detail);
  }

  // -- what is kept

  #read(key) {
    return attempt(() => JSON.parse(this.#o.storage.getItem(key))) ?? undefined;
  }

  #write(key, value) {
    attempt(() => this.#o.storage.setItem(key, JSON.stringify(value)));
  }

  #become(me) {
    this.#me = me;
    this.#write("cuebird.me", me);
  }

  #keep() {
    const key = `cuebird.q.${this.#tab}`;
    if (this.#queue.length) this.#write(key, this.#queue.map((item) => item.m));
    else attempt(() => this.#o.storage.removeItem(key));
  }

  /** Takes over what earlier pages could not deliver. If their tab still lives, both send it and the server counts once. */
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
    const { anonymousId, userId } = this.#me;
    const { href: url, pathname: path } = g.location ?? {};
    const m = {
      ...message,
      messageId: uid(),
      timestamp: now(),
      anonymousId,
      userId,
      context: {
        page: { url, path },
        locale: g.navigator?.language,
        timezone: attempt(() => Intl.DateTimeFormat().resolvedOptions().timeZone),
      },
    };
    if (JSON.stringify(m).length > MESSAGE_CHARS_MAX) {
      this.#emit("rejected", { message: m, code: "too_large" });
      return m.messageId;
    }
    this.#queue.push({ m, f: 0 });
    if (this.#queue.length > this.#o.queueMax) {
      this.#emit("rejected", { message: this.#queue.shift().m, code: "queue_full" });
    }
    this.#plan();
    return m.messageId;
  }

  /** All that one tick of the page tracked goes in one frame, and is kept by one write. */
  #plan() {
    if (this.#planned) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      this.#keep();
      this.#flush();
    });
  }

  // -- sending

  #flush() {
    if (!this.#up || this.#posting || this.#holdUntil > Date.now()) return;
    if (this.#sse) return void this.#post();
    for (let batch; (batch = this.#next(this.#credit - this.#queue.filter((item) => item.f).length)).length; ) {
      this.#frame += 1;
      for (const item of batch) item.f = this.#frame;
      this.#say({ t: "ev", id: this.#frame, sentAt: now(), e: batch.map((item) => item.m) });
    }
  }

  /** The next events to go, within the room given, the batch limit and the frame limit. */
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
    this.#ws?.send(JSON.stringify(frame));
  }

  /** Events of `items` are stored, or refused for good: either way they are ours no more. */
  #settle(gone, rejected = []) {
    const items = this.#queue.filter(gone);
    this.#queue = this.#queue.filter((item) => !gone(item));
    this.#keep();
    for (const r of rejected) this.#emit("rejected", { message: items[r.i ?? r.index]?.m, code: r.code, text: r.message });
    this.#emit("ok", { stored: items.length - rejected.length, pending: this.#queue.length });
  }

  #hold(ms) {
    this.#holdUntil = Date.now() + ms;
    this.#later("hold", () => ((this.#holdUntil = 0), this.#flush()), ms);
  }

  #body(batch) {
    return JSON.stringify({ writeKey: this.#o.writeKey, sentAt: now(), batch: batch.map((item) => item.m) });
  }

  async #post() {
    const batch = this.#next(500);
    if (!batch.length) return;
    this.#posting = true;
    try {
      const token = await this.#token();
      const headers = { "Content-Type": "text/plain" }; // a simple request: no CORS preflight
      if (token) headers.Authorization = `Bearer ${token}`;
      const answer = await this.#o.fetch(`${this.#o.url}/v1/events`, { method: "POST", headers, body: this.#body(batch) });
      if (answer.status === 429 || answer.status >= 500) throw (answer.headers.get("Retry-After") ?? 2) * 1000;
      const said = await answer.json();
      const all = batch.map((_, index) => ({ index, code: said.code, message: said.message }));
      this.#settle((item) => batch.includes(item), answer.ok ? said.rejected : all);
    } catch (wait) {
      this.#hold(wait > 0 ? wait : 2000);
    }
    this.#posting = false;
    this.#flush();
  }

  /** The page goes away: what is in doubt goes once more, by the one way that outlives it. */
  #beacon() {
    this.#keep();
    for (const item of this.#queue) item.f = 0;
    const batch = this.#next(500, FRAME_CHARS_MAX / 2);
    if (batch.length) attempt(() => g.navigator.sendBeacon(`${this.#o.url}/v1/events`, this.#body(batch)));
  }

  // -- the line

  #later(name, fn, ms) {
    this.#o.clearTimeout(this.#timers[name]);
    this.#timers[name] = this.#o.setTimeout(fn, ms);
  }

  async #token() {
    const { token } = this.#o;
    return typeof token === "function" ? token() : token;
  }

  async #open() {
    this.#down();
    const { WebSocket, EventSource, url } = this.#o;
    // Every third try goes by SSE: a proxy that eats WebSockets looks just like a server that is down.
    if (EventSource && (!WebSocket || this.#tries % 3 === 2)) return this.#stream();
    const ws = attempt(() => new WebSocket(`${url.replace(/^http/, "ws")}/v1/ws`, ["cuebird.v1.json"]));
    if (!ws) return this.#retry({});
    this.#ws = ws;
    this.#later("quiet", () => ws === this.#ws && this.#retry({ code: 4103 }), 10000);
    ws.onopen = async () => {
      const { since, ...user } = this.#me;
      const token = await attempt(() => this.#token());
      const session = this.#welcome.session;
      this.#say({ t: "hello", token: this.#o.writeKey, proof: token, client: "cuebird.js/1", user, session, since, want: ["push"] });
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
    for (const name in this.#timers) this.#o.clearTimeout(this.#timers[name]);
    this.#holdUntil = 0;
  }

  /** Another user, another stream: the server learns it by a new hello, on a new connection. */
  #rejoin() {
    if (this.#stopped) return;
    this.#welcome = {};
    this.#open();
  }

  /** Close codes say by their range what to do: 40xx stop, 41xx back off, 42xx come again soon. */
  #retry({ code = 1006, reason = "" }) {
    this.#down();
    if ((code >= 4000 && code < 4100) || code === 1009) {
      this.#stopped = true;
      return this.#emit("stopped", { code, reason });
    }
    const soon = code >= 4200 && code < 4300;
    const top = soon ? this.#jitter : Math.min(30000, 500 * 2 ** this.#tries);
    const least = +(/retry_ms=(\d+)/.exec(reason)?.[1] ?? 0);
    const retryInMs = least + this.#o.random() * top;
    if (!soon) this.#tries += 1;
    this.#later("open", () => this.#open(), retryInMs);
    this.#emit("close", { code, retryInMs });
  }

  #ready() {
    this.#up = true;
    this.#later("steady", () => (this.#tries = 0), 60000);
    this.#emit("open", {});
    this.#flush();
  }

  #take(frame) {
    if (this.#welcome.ping_ms) this.#listen();
    if (frame.credit !== undefined) this.#credit = frame.credit;
    this.#on[frame.t]?.call(this, frame);
  }

  /** A line that is silent past its heart-beats is dead, though the browser has not noticed. */
  #listen() {
    this.#later("quiet", () => this.#retry({ code: 4103 }), this.#welcome.ping_ms * QUIET_FACTOR);
  }

  #on = {
    welcome(w) {
      const same = w.session === this.#welcome.session;
      this.#welcome = w;
      if (same) this.#settle((item) => item.f && item.f <= w.acked);
      for (const item of this.#queue) item.f = 0;
      if (this.#me.since && w.recovered === false) this.#emit("gap", {});
      if (w.epoch && (w.epoch !== this.#me.since?.epoch || !w.recovered)) this.#since(w.epoch, w.offset);
      this.#listen();
      this.#ready();
      for (const receipt of this.#receipts.splice(0)) this.#say(receipt);
    },
    ok(f) {
      this.#settle((item) => item.f && item.f <= f.id, f.rejected);
      this.#flush();
    },
    credit() {
      this.#flush();
    },
    ping() {
      this.#say({ t: "pong" });
    },
    err(f) {
      const theirs = (item) => item.f && item.f === f.id;
      if (f.retry_ms === undefined) {
        const refused = this.#queue.filter(theirs);
        if (refused.length) this.#settle(theirs, refused.map((_, i) => ({ i, code: f.code, message: f.message })));
        return;
      }
      for (const item of this.#queue) if (theirs(item)) item.f = 0;
      this.#hold(f.retry_ms);
    },
    push(f) {
      this.#push(this.#welcome.epoch, f);
    },
    async token_expiring() {
      this.#say({ t: "auth", token: await this.#token() });
    },
    drain(f) {
      this.#jitter = f.jitter_ms ?? this.#jitter;
    },
  };

  // -- SSE

  #stream() {
    const { since, ...user } = this.#me;
    const query = new URLSearchParams({ writeKey: this.#o.writeKey, ...JSON.parse(JSON.stringify(user)) });
    if (since) query.set("last_event_id", `${since.epoch}:${since.offset}`);
    const source = (this.#sse = new this.#o.EventSource(`${this.#o.url}/v1/sse?${query}`));
    source.onopen = () => {
      for (const item of this.#queue) item.f = 0;
      this.#ready();
    };
    // The browser's own retry stops for good on an error status: ours does not.
    source.onerror = () => source === this.#sse && this.#retry({});
    source.addEventListener("push", (event) => {
      const epoch = event.lastEventId.split(":")[0];
      this.#push(epoch, JSON.parse(event.data));
    });
  }

  // -- pushes

  #since(epoch, offset) {
    this.#become({ ...this.#me, since: { epoch, offset } });
  }

  #push(epoch, { id, kind, data, offset }) {
    this.#since(epoch, offset);
    const receipt = (status) => () => {
      const frame = { t: "ack", offset, id, status };
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
