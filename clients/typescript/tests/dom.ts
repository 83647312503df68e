// A document for React in Node.js. It must be there before React: `node --import ./build/dom.mjs`.
import { Window } from "happy-dom";

const window = new Window({ url: "http://localhost/" });
const { document, navigator, sessionStorage, Node, HTMLElement, HTMLIFrameElement, MutationObserver } = window;
const given = { window, document, navigator, sessionStorage, Node, HTMLElement, HTMLIFrameElement, MutationObserver };
for (const [name, value] of Object.entries(given)) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true }); // Node.js has some, as getters
}
