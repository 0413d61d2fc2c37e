// The demo shop: everything a visitor does becomes an event, every push becomes a card in the corner.
import "/demo/fresh.js";
import { Cuebird } from "/cuebird.js";
import { toast, untoast } from "/demo/toast.js";

const $ = (id) => document.getElementById(id);
const money = (n) => `$${n.toFixed(2).replace(/\.00$/, "")}`;
const products = new Map((await (await fetch("/demo/products.json")).json()).map((p) => [p.product_id, p]));
const REMINDED_OVER = Number(document.body.dataset.over);
const cb = new Cuebird({ writeKey: document.body.dataset.writeKey });

// -- what is kept between pages: the cart and who is signed in

const shop = { cart: {}, cartId: "", name: "", known: [], consent: false, ...JSON.parse(localStorage.getItem("shop") ?? "{}") };
const keep = () => localStorage.setItem("shop", JSON.stringify({ ...shop, total: total() }));
/** For the steps above the page: what is kept has changed, or the engine has heard of all of it. */
const changed = (isOnDisk = false) => document.dispatchEvent(new CustomEvent("shop", { detail: { isOnDisk } }));
const lines = () => Object.entries(shop.cart).map(([id, quantity]) => ({ ...products.get(id), quantity }));
const total = () => lines().reduce((sum, line) => sum + line.price * line.quantity, 0);

function properties(p) {
  const { blurb: _, ...known } = p;
  const at = location.origin;
  return { ...known, image_url: `${at}/demo/img/${p.product_id}.svg`, url: `${at}/shop?product=${p.product_id}` };
}

// -- the list of what the engine was told

const sentAt = [];
function told(text, cls = "") {
  const row = document.createElement("li");
  row.className = cls;
  const what = row.appendChild(document.createElement("span"));
  const when = row.appendChild(document.createElement("span"));
  what.textContent = text;
  when.className = "when";
  $("told").prepend(row);
  while ($("told").children.length > 8) $("told").lastChild.remove();
  return when;
}

let lastAt = 0;
function track(event, details) {
  lastAt = performance.now();
  sentAt.push([lastAt, told(event)]);
  cb.track(event, details);
}

cb.on("ok", ({ pending }) => {
  while (sentAt.length > pending) {
    const [at, cell] = sentAt.shift();
    cell.textContent = `on disk · ${Math.round(performance.now() - at)} ms`;
  }
  if (!pending) changed(true);
});
cb.on("open", () => ($("line").textContent = "Connected. Each line below is on disk before it says so."));
cb.on("close", ({ retryInMs }) => ($("line").textContent = `No connection; trying again in ${Math.ceil(retryInMs / 1000)} s. Events are kept.`));
cb.on("stopped", ({ code }) => ($("line").textContent = `The server closed the connection for good (${code}).`));

// -- pushes

cb.on("push", (push) => {
  const { title, body, image, product_id: id } = push.data;
  told(`push: ${title}`, "came").textContent = `after ${Math.round(performance.now() - lastAt)} ms`;
  const see = ["Show me", () => (push.clicked(), id && view(id)), "primary"];
  toast({ title, body, image, kind: "push", actions: [see] }).dismissed.addEventListener("click", push.dismissed);
  push.seen();
});

// -- what a visitor can do

function view(id) {
  const p = products.get(id);
  if (!p) return;
  $("product-picture").src = `/demo/img/${id}.svg`;
  $("product-category").textContent = p.category;
  $("product-name").textContent = p.name;
  $("product-blurb").textContent = p.blurb;
  $("product-price").textContent = money(p.price);
  $("product-add").onclick = () => (add(id), $("product").close());
  if (!$("product").open) $("product").showModal();
  track("Product Viewed", properties(p));
}

function add(id) {
  shop.cartId ||= crypto.randomUUID();
  shop.cart[id] = (shop.cart[id] ?? 0) + 1;
  untoast("push");
  track("Product Added", { ...properties(products.get(id)), quantity: 1, cart_id: shop.cartId });
  draw();
}

function remove(id) {
  const quantity = shop.cart[id];
  delete shop.cart[id];
  track("Product Removed", { ...properties(products.get(id)), quantity, cart_id: shop.cartId });
  draw();
}

function buy() {
  const order = { order_id: crypto.randomUUID().slice(0, 8), cart_id: shop.cartId, total: total(), currency: "USD" };
  track("Order Completed", { ...order, products: lines().map((line) => ({ ...properties(line), quantity: line.quantity })) });
  Object.assign(shop, { cart: {}, cartId: "" });
  draw();
  untoast("push");
  $("cart").close();
  toast({ title: "Thank you!", body: cb.userId ? "Your receipt is on its way to the inbox." : "Order taken. Sign in before you buy and the receipt comes by e-mail." });
}

function signIn(name, email, yes) {
  const user = email.trim().toLowerCase();
  shop.name = name;
  shop.consent = yes;
  cb.identify(user, { email: user, first_name: name, consent: { marketing: yes } });
  track(shop.known.includes(user) ? "Signed In" : "Signed Up", { method: "email" });
  if (!shop.known.includes(user)) shop.known.push(user);
  draw();
}

function signOut() {
  Object.assign(shop, { name: "", cart: {}, cartId: "", consent: false });
  cb.reset();
  told("Signed Out");
  draw();
}

// -- drawing

function line({ product_id: id, name, price, quantity }) {
  const row = document.createElement("li");
  row.appendChild(Object.assign(new Image(), { src: `/demo/img/${id}.svg`, alt: "" }));
  const text = row.appendChild(document.createElement("div"));
  text.append(Object.assign(document.createElement("strong"), { textContent: name }));
  text.append(Object.assign(document.createElement("p"), { textContent: `${quantity} × ${money(price)}`, className: "muted small" }));
  const button = row.appendChild(Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "Remove" }));
  button.setAttribute("aria-label", `Remove ${name}`);
  button.addEventListener("click", () => (remove(id), $("cart-title").focus()));
  return row;
}

/** What will happen, with and without a yes. */
function hint() {
  if (!cb.userId) return "Sign in to get a receipt, and, if you say yes to it, a reminder if you leave.";
  if (!shop.consent) return `The receipt goes to ${cb.userId}. You have said no to letters about your cart: if you leave it, none comes.`;
  if (total() > REMINDED_OVER) return `If you leave this for ${document.body.dataset.spoken}, a reminder goes to ${cb.userId}. The receipt does in any case.`;
  return `The receipt goes to ${cb.userId}. A cart over ${money(REMINDED_OVER)} that is left gets a reminder.`;
}

function consent(yes) {
  shop.consent = yes;
  cb.consent({ marketing: yes });
  draw();
}

function draw() {
  keep();
  const all = lines();
  $("cart-count").textContent = all.reduce((sum, { quantity }) => sum + quantity, 0);
  $("cart-items").replaceChildren(...all.map(line));
  $("cart-empty").hidden = all.length > 0;
  $("cart-total").textContent = money(total());
  $("buy").disabled = !all.length;
  $("account").textContent = cb.userId ? `Sign out ${shop.name}` : "Sign in";
  $("consent").checked = shop.consent;
  $("cart-hint").textContent = hint();
  $("cart-yes").hidden = !cb.userId || shop.consent;
  changed();
}

document.addEventListener("click", (event) => {
  const doing = event.target.closest("[data-do]");
  if (!doing) return;
  const id = doing.closest("[data-id]")?.dataset.id;
  if (doing.dataset.do === "view" && !event.metaKey && !event.ctrlKey) {
    event.preventDefault();
    view(id);
  } else if (doing.dataset.do === "add") add(id);
  else if (doing.dataset.do === "close") doing.closest("dialog").close();
});
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}
$("open-cart").addEventListener("click", () => {
  $("cart").showModal();
  track("Cart Viewed", { cart_id: shop.cartId, cart_value: total() });
});
$("buy").addEventListener("click", buy);
$("account").addEventListener("click", () => {
  if (cb.userId) return signOut();
  $("sign-in-form").reset();
  $("sign-in").showModal();
});
$("consent").addEventListener("change", (event) => consent(event.target.checked));
$("cart-yes").addEventListener("click", () => (consent(true), $("cart-title").focus()));
$("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  $("sign-in").close();
  signIn($("name").value, $("email").value, $("letters-yes").checked);
});

cb.connect();
cb.page("Shop");
draw();
const asked = new URLSearchParams(location.search);
if (products.has(asked.get("product"))) view(asked.get("product"));
if (asked.has("cart")) $("open-cart").click();
