// The demo's inbox: the list is live, the letter is rendered in a frame that may run nothing.
const $ = (id) => document.getElementById(id);
const letters = new Map();
const read = new Set();
let shown;

const time = (ms) => new Date(ms).toLocaleTimeString([], { weekday: "short", hour: "2-digit", minute: "2-digit" });
const element = (tag, className, textContent) => Object.assign(document.createElement(tag), { className, textContent });

function row(letter) {
  const item = document.createElement("li");
  const button = item.appendChild(document.createElement("button"));
  button.type = "button";
  button.dataset.id = String(letter.id);
  button.append(element("strong", "", letter.subject), element("span", "small muted", time(letter.at)));
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
}

function take(letter) {
  if (letters.has(letter.id)) return;
  letters.set(letter.id, letter);
  $("letters").prepend(row(letter));
  $("no-letters").hidden = true;
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
  $("received").textContent = time(letter.at);
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

for (const letter of await (await fetch("/demo/letters")).json()) take(letter);
if (letters.size) show([...letters.keys()].at(-1));

const stream = new EventSource(`/demo/letters/stream?after=${Math.max(0, ...letters.keys())}`);
stream.addEventListener("letter", ({ data }) => {
  const letter = JSON.parse(data);
  take(letter);
  $("news").textContent = `New letter: ${letter.subject}`;
  if (!shown) show(letter.id);
});
