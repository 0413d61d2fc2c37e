// The browser client against a real server, over node's own WebSocket: run by test_sdk.py, which reads the journal after it.
import { Cuebird } from "../../sdk/cuebird.js";

const cb = new Cuebird({ url: process.argv[2], writeKey: "wk_any" });
const rejected = [];
cb.on("rejected", ({ message, code, text }) => rejected.push({ event: message?.event, code, text }));
const stored = new Promise((resolve) => cb.on("ok", ({ pending }) => pending || resolve()));

cb.track("Good One");
cb.track("Bad One", { name: "caf😀".slice(0, 4) });
cb.track("Too Long", { text: "x".repeat(9000) });
cb.connect();
await new Promise((resolve) => cb.on("open", resolve));
cb.track("Order Completed", { order_id: "o1", total: 89 });
await stored;
cb.close();
console.log(JSON.stringify(rejected));
