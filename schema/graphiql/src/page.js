// Shows GraphiQL for the endpoint and the examples that schema/ide.py wrote into the page.
//
// Plain JavaScript with bare imports: Vite bundles it, and where nothing was built schema/ide.py puts this
// same text into the page and an import map points the names at a CDN.
import { GraphiQL } from "graphiql";
import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { createElement } from "react";
import { createRoot } from "react-dom/client";

const { endpoint, examples } = JSON.parse(document.getElementById("commander-config").textContent);

const httpUrl = new URL(endpoint, document.baseURI);
const socketUrl = new URL(httpUrl);
socketUrl.protocol = httpUrl.protocol === "https:" ? "wss:" : "ws:";

const exampleTabs = examples.map(({ name, query, variables }) => ({
  query: `${name.replace(/^/gm, "# ")}\n${query}`,
  variables,
}));

// A namespace of our own: another GraphiQL that ran at this address left its tabs in the same browser.
// Headers are never stored, as they may hold a token; the history would keep them with each query.
const PREFIX = "commander/";
const HISTORY = ["graphiql:queries", "graphiql:favorites"];
const withoutHeaders = (text) =>
  JSON.stringify(JSON.parse(text, (key, value) => (key === "headers" ? undefined : value)));
const ownKeys = () => Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
const storage = {
  getItem: (key) => localStorage.getItem(PREFIX + key),
  setItem: (key, value) =>
    localStorage.setItem(PREFIX + key, HISTORY.includes(key) ? withoutHeaders(value) : value),
  removeItem: (key) => localStorage.removeItem(PREFIX + key),
  clear: () => ownKeys().forEach((key) => localStorage.removeItem(key)),
  get length() {
    return ownKeys().length;
  },
};

// The tab that the page opens with. GraphiQL restores the tabs itself but leaves the first one's variables out
// (graphql/graphiql#3392), so it is told what its editors start with.
function openingTab() {
  try {
    const { tabs, activeTabIndex } = JSON.parse(storage.getItem("graphiql:tabState"));
    return tabs[activeTabIndex];
  } catch {
    return exampleTabs[0];
  }
}

const opening = openingTab();

createRoot(document.getElementById("graphiql")).render(
  createElement(
    GraphiQL,
    {
      fetcher: createGraphiQLFetcher({ url: httpUrl.href, subscriptionUrl: socketUrl.href }),
      defaultTabs: exampleTabs.length ? exampleTabs : undefined,
      initialQuery: opening && (opening.query ?? ""),
      initialVariables: opening && (opening.variables ?? ""),
      defaultEditorToolsVisibility: true,
      shouldPersistHeaders: false,
      storage,
    },
    createElement(GraphiQL.Logo, null, "Commander"),
  ),
);
