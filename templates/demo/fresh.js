// What this browser keeps of a demo whose database is gone (a cart, who is signed in) means nothing to the next one.
// To be imported before what reads it.
const { demo } = document.body.dataset;
if (localStorage.getItem("demo") !== demo) {
  for (const key of Object.keys(localStorage)) {
    if (key === "shop" || key === "guide" || key.startsWith("cuebird.")) localStorage.removeItem(key);
  }
  localStorage.setItem("demo", demo);
}
