// The demo's inbox: the list is live, the letter is rendered in a frame that may run nothing.
import "/demo/fresh.js";
import { show as showTime } from "/ui/clock.js";
import { seen } from "/demo/guide.js";
import { follow } from "/demo/letters.js";

const $ = (id) => document.getElementById(id);
const letters = new Map();
const read = new Set();
const me = JSON.parse(localStorage.getItem("cuebird.me") ?? "{}").userId ?? "";
const asked = Number(new URLSearchParams(location.search).get("letter"));
let onlyMine = Boolean(me);
let shown;

const isMine = (letter) => letter.to.toLowerCase() === me;
const isListed = (letter) => !onlyMine || isMine(letter);
const element = (tag, className, textContent) => Object.assign(document.createElement(tag), { className, textContent });

function row(letter) {
  const item = document.createElement("li");
  const button = item.appendChild(document.createElement("button"));
  button.type = "button";
  button.dataset.id = String(letter.id);
  button.append(element("strong", "", letter.subject), showTime(element("time", "small muted", ""), letter.at, "short"));
  item.hidden = !isListed(letter);
  button.append(element("span", "small muted to", `to ${letter.to}`));
  button.addEventListener("click", () => show(letter.id));
  return item;
}

function mark() {
  for (const button of document.querySelectorAll("#letters button")) {
    const { id } = button.dataset;
    button.toggleAttribute("aria-current", Number(id) === shown);
    button.classList.toggle("unread", !read.has(Number(id)));
  }
  $("no-letters").hidden = [...letters.values()].some(isListed);
}

function take(letter) {
  letters.set(letter.id, letter);
  $("letters").prepend(row(letter));
  mark();
}

function choosing(mine) {
  onlyMine = mine;
  $("mine").setAttribute("aria-pressed", mine);
  $("all").setAttribute("aria-pressed", !mine);
  for (const button of document.querySelectorAll("#letters button")) button.parentElement.hidden = !isListed(letters.get(Number(button.dataset.id)));
  mark();
}

async function show(id) {
  shown = id;
  read.add(id);
  mark();
  const letter = await (await fetch(`/demo/letters/${id}`)).json();
  if (shown !== id) return;
  $("letter").hidden = false;
  $("subject").textContent = letter.subject;
  $("from").textContent = letter.sender;
  $("to").textContent = letter.to;
  showTime($("received"), letter.at, "short");
  $("why").href = `/users/${encodeURIComponent(letter.to)}?campaign=${encodeURIComponent(letters.get(id).campaign)}`;
  if (isMine(letter)) seen(letter);
  $("text").textContent = letter.text;
  $("headers").replaceChildren(...letter.headers.flatMap(([name, value]) => [element("dt", "", name), element("dd", "", value)]));
  $("html").src = `/demo/letters/${id}/html`;
  if (matchMedia("(max-width: 900px)").matches) $("subject").focus();
}

const tabs = [...document.querySelectorAll("[role=tab]")];
function choose(tab) {
  for (const other of tabs) {
    const on = other === tab;
    other.setAttribute("aria-selected", on);
    other.tabIndex = on ? 0 : -1;
    $(other.getAttribute("aria-controls")).hidden = !on;
  }
}
for (const [i, tab] of tabs.entries()) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (!step) return;
    const next = tabs[(i + step + tabs.length) % tabs.length];
    choose(next);
    next.focus();
  });
}
choose(tabs[0]);

$("whose").hidden = !me;
$("mine").addEventListener("click", () => choosing(true));
$("all").addEventListener("click", () => choosing(false));

follow((letter, isNew) => {
  take(letter);
  if (!isNew) return;
  $("news").textContent = `New letter: ${letter.subject}`;
  if (!shown && isListed(letter)) show(letter.id);
});
const first = letters.has(asked) ? letters.get(asked) : [...letters.values()].filter(isListed).at(-1);
if (first && !isListed(first)) choosing(false);
if (first) show(first.id);
