// Cards in the corner. They leave by themselves: not while the pointer is on one or the focus in it (guide.css).
const element = (tag, props) => Object.assign(document.createElement(tag), props);
const TOASTS_MAX = 3;

const stack = document.body.appendChild(element("section", { id: "toasts", className: "toasts" }));
stack.setAttribute("aria-live", "polite");
stack.setAttribute("aria-label", "Messages");
// While a dialog is open all outside of it is inert: what is shown then must be inside to be reached.
document.addEventListener("close", () => document.body.append(stack), true);

/** @param {{title: string, body?: string, image?: string, actions?: Array<[string, string | (() => void), string?]>, kind?: string}} card
 *  an action is a label, a link or what to do, and a class. @returns {HTMLElement} the card; `dismissed` is its button */
export function toast({ title, body, image, actions = [], kind = "" }) {
  const card = element("article", { className: `card toast ${image ? "" : "plain"} ${kind}` });
  if (image) card.append(element("img", { src: image, alt: "" }));
  const text = card.appendChild(element("div", {}));
  text.append(element("h2", { textContent: title }));
  if (body) text.append(element("p", { textContent: body, className: "muted small" }));
  const row = text.appendChild(element("div", { className: "do" }));
  for (const [textContent, act, className = ""] of actions) row.append(control(card, textContent, act, className));
  card.dismissed = row.appendChild(control(card, "Dismiss", () => {}, "quiet"));
  card.addEventListener("animationend", ({ animationName }) => animationName === "stay" && card.remove());
  (document.querySelector("dialog[open]") ?? document.body).append(stack);
  stack.append(card);
  while (stack.children.length > TOASTS_MAX) stack.firstChild.remove();
  return card;
}

/** Takes away all cards of a kind. */
export const untoast = (kind) => stack.querySelectorAll(`.toast.${kind}`).forEach((card) => card.remove());

function control(card, textContent, act, className) {
  if (typeof act === "string") return element("a", { href: act, textContent, className: `button ${className}` });
  const button = element("button", { type: "button", textContent, className });
  button.addEventListener("click", () => (act(), card.remove()));
  return button;
}
