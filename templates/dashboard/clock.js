// The clock of the engine, which the demo runs faster than the wall's: set when the page was made, carried on from there.
const { now, speed } = document.body.dataset;
const began = performance.now();

/** @returns {number} the engine's time in ms since the epoch */
export const engineNow = () => Number(now) + (performance.now() - began) * Number(speed || 1);

const face = document.getElementById("clock");
const show = () => {
  const at = new Date(engineNow());
  face.dateTime = at.toISOString();
  face.textContent = at.toLocaleTimeString([], { weekday: "short", hour: "2-digit", minute: "2-digit" });
};
if (face) {
  show();
  setInterval(show, 500);
}
