// The letters that the demo's mail server caught, as they come: one line for each page, and only while it is looked at,
// because a browser opens six to a server in all its tabs together.
const known = new Map();
const hearers = [];
let line;

function take(letter) {
  if (known.has(letter.id)) return;
  known.set(letter.id, letter);
  for (const hear of hearers) hear(letter, true);
}

function open() {
  line = new EventSource(`/demo/letters/stream?after=${Math.max(0, ...known.keys())}`);
  line.addEventListener("letter", ({ data }) => take(JSON.parse(data)));
}

for (const letter of await (await fetch("/demo/letters")).json()) known.set(letter.id, letter);
if (!document.hidden) open();
document.addEventListener("visibilitychange", () => (document.hidden ? line?.close() : open()));

/** Calls it with each letter that is there, and (letter, true) with each that comes. */
export function follow(hear) {
  for (const letter of known.values()) hear(letter, false);
  hearers.push(hear);
}
