// What the browser keeps of this page: tabs and queries always, headers only on request.
import { createElement as h, useEffect, useState } from "react";
import { createPortal } from "react-dom";
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";

// A namespace of our own: another GraphiQL that ran at this address left its tabs in the same browser.
const PREFIX = "commander/";
const HISTORY = ["graphiql:queries", "graphiql:favorites"];
const KEEPS_HEADERS = "graphiql:shouldPersistHeaders";

// The history would keep headers with each query, where nobody looks for a token.
const withoutHeaders = (text) =>
  JSON.stringify(JSON.parse(text, (key, value) => (key === "headers" ? undefined : value)));
const ownKeys = () => Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));

export const storage = {
  getItem: (key) => localStorage.getItem(PREFIX + key),
  setItem: (key, value) =>
    localStorage.setItem(PREFIX + key, HISTORY.includes(key) ? withoutHeaders(value) : value),
  removeItem: (key) => localStorage.removeItem(PREFIX + key),
  clear: () => ownKeys().forEach((key) => localStorage.removeItem(key)),
  get length() {
    return ownKeys().length;
  },
};

// GraphiQL keeps headers where this has never been set, if it offers to keep them.
if (storage.getItem(KEEPS_HEADERS) === null) storage.setItem(KEEPS_HEADERS, "false");

// The tab that the page opens with, as it was left. GraphiQL restores the tabs itself but leaves the first one's
// variables out (graphql/graphiql#3392), so it is told what its editors start with.
export function openingTab(otherwise) {
  try {
    const { tabs, activeTabIndex } = JSON.parse(storage.getItem("graphiql:tabState"));
    return tabs[activeTabIndex];
  } catch {
    return otherwise;
  }
}

// A checkbox below the editor of headers.
export function KeepHeaders() {
  const keeps = useGraphiQL((state) => state.shouldPersistHeaders);
  const { setShouldPersistHeaders } = useGraphiQLActions();
  const [place, setPlace] = useState(null);
  useEffect(() => {
    const made = document.querySelector(".graphiql-editor-tool").appendChild(document.createElement("div"));
    made.className = "commander-keep-headers";
    setPlace(made);
    return () => made.remove();
  }, []);
  if (place === null) return null;
  const onChange = (event) => setShouldPersistHeaders(event.target.checked);
  return createPortal(
    h(
      "label",
      null,
      h("input", { type: "checkbox", checked: keeps, onChange }),
      h("span", null, h("b", null, "Keep headers"), keeps ? KEPT : NOT_KEPT),
    ),
    place,
  );
}

const KEPT =
  " — they stay in this browser as plain text, also after it is closed. Who uses this browser can read them, and " +
  "a token in them. Untick to erase them.";
const NOT_KEPT =
  " — they are gone when this page is loaded again. Ticked, they stay in this browser as plain text: keep no token on a " +
  "device that others use.";
