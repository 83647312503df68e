// Shows GraphiQL for the endpoint and the examples that schema/http/graphiql_page.py wrote into the page.
//
// Plain JavaScript with bare imports: Vite bundles it, and where nothing was built graphiql_page.py puts this
// same text into the page, and an import map points the names at a CDN and "#…" at the other files here.
import { GraphiQL } from "graphiql";
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { createElement as h, useEffect, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import { ActAs } from "#acting";
import { FeedPane } from "#feed_pane";
import { feedOf, keepOnly, watchFeeds } from "#feeds";
import { fetcherFor } from "#fetcher";
import { KeepHeaders, openingTab, storage } from "#keeping";
import { FillRows } from "#made_rows";

const { endpoint, keepAliveSeconds, acting, examples } = JSON.parse(
  document.getElementById("commander-config").textContent,
);

const exampleTabs = examples.map(({ name, query, variables }) => ({
  query: `${name.replace(/^/gm, "# ")}\n${query}`,
  variables,
}));
const opening = openingTab(exampleTabs[0]);
const here = { tab: null };
const url = new URL(endpoint, document.baseURI).href;
const signing = acting && { mintUrl: acting === "mint" ? `${url}/token` : null };
const fetcher = fetcherFor({
  url,
  signing,
  silenceMs: 3000 * keepAliveSeconds,
  examples,
  here,
});

// The response pane of the open tab, if that tab has a subscription.
function Responses() {
  const tabs = useGraphiQL((state) => state.tabs);
  const tab = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.id);
  const { stop } = useGraphiQLActions();
  Object.assign(here, { tab });
  // A new tab does not stop what runs in the one before it, as a chosen one does. Its button would be "Stop".
  useEffect(() => stop, [tab, stop]);
  const ids = tabs.map(({ id }) => id).join();
  useEffect(() => keepOnly(ids.split(",")), [ids]);
  const feed = useSyncExternalStore(watchFeeds, () => feedOf(tab));
  return feed ? h(FeedPane, { key: tab, feed }) : null;
}

// Lines of an operation that are wider than their pane are wrapped, as those of the response are.
function WrapLines() {
  const editor = useGraphiQL((state) => state.queryEditor);
  useEffect(() => editor?.updateOptions({ wordWrap: "on" }), [editor]);
  return null;
}

createRoot(document.getElementById("graphiql")).render(
  h(
    GraphiQL,
    {
      fetcher,
      defaultTabs: exampleTabs.length ? exampleTabs : undefined,
      initialQuery: opening && (opening.query ?? ""),
      initialVariables: opening && (opening.variables ?? ""),
      initialHeaders: opening && (opening.headers ?? ""),
      defaultEditorToolsVisibility: true,
      inputValueDeprecation: true,
      schemaDescription: true,
      shouldPersistHeaders: true, // only if the reader ticks the checkbox
      showPersistHeadersSettings: false,
      storage,
    },
    h(GraphiQL.Logo, null, signing && h(ActAs, signing), h("span", null, "Commander")),
    h(GraphiQL.Footer, null, h(Responses)),
    h(KeepHeaders),
    h(WrapLines),
    h(FillRows, { examples }),
  ),
);
