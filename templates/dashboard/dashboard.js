// The dashboard: one message a second with everything on it; nothing is computed here but the drawing.
import { show } from "/ui/clock.js";

const $ = (id) => document.getElementById(id);
const element = (tag, className, textContent) => Object.assign(document.createElement(tag), { className, textContent });
const number = (n) => (Number.isInteger(n) ? n.toLocaleString() : n.toLocaleString([], { maximumFractionDigits: n < 10 ? 1 : 0 }));

function spark(values) {
  const top = Math.max(1, ...values);
  const points = values.map((v, i) => `${(i / Math.max(1, values.length - 1)) * 240},${54 - (v / top) * 46}`);
  const line = `M${points.join("L")}`;
  document.querySelector(".spark .stroke").setAttribute("d", points.length > 1 ? line : "");
  document.querySelector(".spark .area").setAttribute("d", points.length > 1 ? `${line}L240,56L0,56Z` : "");
}

function campaign(c) {
  const row = document.createElement("tr");
  row.append(element("th", "", c.campaign));
  row.firstChild.scope = "row";
  const skipped = Object.entries(c.skipped);
  const not = element("td", "", number(skipped.reduce((sum, [, n]) => sum + n, 0)));
  if (skipped.length) not.append(element("span", "why", skipped.map(([why, n]) => `${why} ${n}`).join(", ")));
  const worth = c.value ? `$${number(c.value)}` : "–";
  row.append(element("td", "", number(c.entered)), element("td", "", number(c.sent)), not);
  row.append(element("td", "", number(c.clicked)), element("td", "", number(c.goals)), element("td", "", worth));
  return row;
}

function decision(d) {
  const row = document.createElement("li");
  const at = show(element("time", "", ""), d.at, "clock");
  const user = element("a", "", d.label);
  user.href = `/users/${encodeURIComponent(d.user)}${d.campaign ? `?campaign=${encodeURIComponent(d.campaign)}` : ""}`;
  row.append(at, user, element("span", `tag ${d.tone}`, d.campaign), element("span", "what", d.text));
  return row;
}

let newest = "";
function draw(stats) {
  for (const cell of document.querySelectorAll("[data-bind]")) {
    const value = stats[cell.dataset.bind];
    cell.textContent = typeof value === "number" ? number(value) : "–";
  }
  spark(stats.history);
  $("campaigns").replaceChildren(...stats.campaigns.map(campaign));
  $("no-campaigns").hidden = stats.campaigns.length > 0;
  $("no-decisions").hidden = stats.decisions.length > 0;
  const first = stats.decisions[0];
  const key = first ? `${first.user} ${first.turn} ${first.index}` : "";
  // Redrawn only when something is new, so that a link with the focus keeps it while nothing happens.
  if (key !== newest && !$("decisions").contains(document.activeElement)) {
    newest = key;
    $("decisions").replaceChildren(...stats.decisions.map(decision));
  }
  $("state").textContent = stats.storage === "good" ? "Everything below is live, a second apart." : `Storage: ${stats.storage}. Events are being refused until that is mended.`;
}

let stream;
function open() {
  stream = new EventSource("/v1/stats/stream");
  stream.addEventListener("stats", ({ data }) => draw(JSON.parse(data)));
  stream.addEventListener("error", () => ($("state").textContent = "No connection to the engine; trying again."));
}
// A browser opens six lines to a server, in all its tabs together: those that nobody looks at need none.
if (!document.hidden) open();
document.addEventListener("visibilitychange", () => (document.hidden ? stream?.close() : open()));
