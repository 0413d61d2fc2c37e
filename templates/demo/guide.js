// The way through the demo, on each of its pages: five steps that tick themselves off, with a countdown to the letter,
// a badge on "Inbox" and a card when it has come. What it shows is the engine's word, not a second set of rules.
import "/demo/fresh.js";
import { engineNow, engineSpeed } from "/ui/clock.js";
import { follow } from "/demo/letters.js";
import { toast } from "/demo/toast.js";

const CAMPAIGN = "cart_reminder";
const LOOK_MS = 2000;
const { idle, over, spoken, user: shown } = document.body.dataset;
const element = (tag, className, textContent = "") => Object.assign(document.createElement(tag), { className, textContent });
const kept = (name) => JSON.parse(localStorage.getItem(name) ?? "{}");

const signedIn = () => kept("cuebird.me").userId ?? "";
const fresh = () => ({ user: signedIn(), letter: null, seen: [], why: false, closed: guide?.closed ?? false });
const letters = new Map();
const isMine = ({ to }) => to.toLowerCase() === signedIn();
let guide = { seen: [], ...kept("guide") };
let due = null; // the engine's time of the next look at the cart; 0: it has nothing to wait for, null: not known yet
const keep = () => localStorage.setItem("guide", JSON.stringify(guide));

// -- the strip

const strip = element("section", "guide");
strip.setAttribute("aria-label", "The demo in five steps");
const list = strip.appendChild(element("ol", ""));
const word = strip.appendChild(element("p", "word"));
word.setAttribute("role", "status");
const count = strip.appendChild(element("p", "countdown"));
const close = strip.appendChild(element("button", "quiet", "Hide"));
close.type = "button";
close.addEventListener("click", () => {
  guide.closed = !guide.closed;
  keep();
  draw();
});
document.querySelector(".top").after(strip);

const whyLink = (letter) => `/users/${encodeURIComponent(letter.to)}?campaign=${encodeURIComponent(letter.campaign)}`;

function steps() {
  const { consent, total = 0 } = kept("shop");
  const { letter, seen, why } = guide;
  return [
    ["Sign in, say yes to letters", letter || (signedIn() && consent), "/shop", signInWord(consent)],
    [`Put more than $${over} into the cart`, letter || total > Number(over), "/shop", ""],
    [`Leave it for ${spoken}`, letter, "", ""],
    ["Read the letter", letter && seen.includes(letter.id), letter && `/inbox?letter=${letter.id}`, "It has come."],
    ["See why it was sent", letter && why, letter && whyLink(letter), ""],
  ];
}

const signInWord = (consent) => (signedIn() && !consent ? "Signed in without a yes to letters: none about the cart will come. The box beside the products changes that." : "");

function draw() {
  if (guide.user !== signedIn()) {
    guide = fresh();
    due = null;
    for (const letter of letters.values()) note(letter);
  }
  const all = steps();
  const now = all.findIndex(([, done]) => !done);
  list.replaceChildren(...all.map(([text, done, href], i) => step(text, done, i === now && href, i === now)));
  const said = now < 0 ? "That was all of it: a cart, a pause, one letter, and its reasons." : now === 2 ? "" : all[now][3];
  if (word.textContent !== said) word.textContent = said;
  strip.classList.toggle("closed", guide.closed);
  close.textContent = guide.closed ? "Show the steps" : "Hide";
  count.hidden = now !== 2;
  if (now === 2) countDown();
  badge();
}

function step(text, done, href, isNow) {
  const item = element("li", done ? "done" : "");
  if (isNow) item.setAttribute("aria-current", "step");
  item.append(element("span", "tick", done ? "✓" : ""));
  item.append(href ? Object.assign(element("a", "", text), { href }) : element("span", "", text));
  return item;
}

function countDown() {
  if (due === null) count.textContent = "";
  else if (!due) count.textContent = "Nothing is under way for this cart: put one more thing into it.";
  else {
    const seconds = Math.ceil(Math.min(due - engineNow(), Number(idle)) / engineSpeed / 1000);
    const left = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    count.textContent = seconds > 0 ? `A reminder in ${left}, unless you buy or sign out. Whatever you do in the shop begins it anew.` : "The letter is on its way …";
  }
}

/** Asks the engine whether it waits for this cart, and until when. */
async function look() {
  const user = signedIn();
  if (!user || guide.letter || document.hidden) return;
  const answer = await fetch(`/v1/users/${encodeURIComponent(user)}`);
  if (!answer.ok || user !== signedIn()) return;
  const { runs, last_seen: last } = await answer.json();
  due = runs.some(({ campaign }) => campaign === CAMPAIGN) ? Date.parse(last) + Number(idle) : 0;
  draw();
}

// -- letters

function badge() {
  const link = document.querySelector('.top nav a[href="/inbox"]');
  const unread = [...letters.values()].filter((letter) => isMine(letter) && !guide.seen.includes(letter.id)).length;
  link.querySelector(".badge")?.remove();
  if (!unread) return;
  const mark = link.appendChild(element("span", "badge", String(unread)));
  mark.setAttribute("aria-label", `${unread} unread`);
}

function note(letter) {
  if (isMine(letter) && letter.campaign === CAMPAIGN) guide.letter ??= letter;
}

follow((letter, isNew) => {
  letters.set(letter.id, letter);
  if (!isMine(letter) || guide.user !== signedIn()) return;
  note(letter);
  keep();
  if (!isNew) return;
  draw();
  if (location.pathname === "/inbox") return;
  const read = ["Read it", `/inbox?letter=${letter.id}`, "primary"];
  toast({ title: "A letter has come", body: letter.subject, kind: "letter", actions: [read, ["Why?", whyLink(letter)]] });
});

/** The letter was looked at. */
export function seen({ id }) {
  if (!guide.seen.includes(id)) guide.seen.push(id);
  keep();
  draw();
}

// -- what happens on this page and in other tabs

if (shown && shown === signedIn() && guide.letter) {
  guide.why = true;
  keep();
}
// Before what the shop told is on disk, the engine may not have heard of the user.
document.addEventListener("shop", ({ detail }) => (draw(), detail.isOnDisk && look()));
addEventListener("storage", ({ key }) => {
  if (key === "guide") guide = { seen: [], ...kept("guide") };
  draw();
});
draw();
look();
setInterval(() => !count.hidden && countDown(), 250);
setInterval(() => !count.hidden && look(), LOOK_MS);
