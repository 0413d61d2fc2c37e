// The clock of the engine, which the demo runs faster than the wall's: set when the page was made, carried on from there.
// And the one way in which every page shows a time: in the time zone of this browser.
const { now, speed } = document.body.dataset;
// The page was made just before its first byte came, which is a while before this runs.
const began = performance.getEntriesByType("navigation")[0]?.responseStart ?? performance.now();

/** How much faster than the wall's the engine's clock runs. */
export const engineSpeed = Number(speed || 1);

/** @returns {number} the engine's time in ms since the epoch */
export const engineNow = () => Number(now) + (performance.now() - began) * engineSpeed;

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const FORMS = {
  clock: CLOCK,
  moment: { day: "numeric", month: "short", ...CLOCK },
  short: { weekday: "short", hour: "2-digit", minute: "2-digit" },
};
const whole = new Intl.DateTimeFormat([], { dateStyle: "full", timeStyle: "long" });

/** Shows a time in an element `<time>`. @param {HTMLTimeElement} element @param {number} ms @param {"clock"|"moment"|"short"} form */
export function show(element, ms, form = "moment") {
  const at = new Date(ms);
  element.dateTime = at.toISOString();
  element.title = whole.format(at);
  element.textContent = new Intl.DateTimeFormat([], FORMS[form]).format(at);
  return element;
}

const face = document.getElementById("clock");
const tick = () => {
  const at = new Date(engineNow());
  face.dateTime = at.toISOString();
  face.textContent = at.toLocaleTimeString([], { weekday: "short", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
};
if (face) {
  tick();
  setInterval(tick, 500);
}
for (const element of document.querySelectorAll("time[datetime]")) {
  if (element !== face) show(element, Date.parse(element.dateTime));
}
