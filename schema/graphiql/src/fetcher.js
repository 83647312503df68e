// What GraphiQL runs operations with: HTTP for queries and mutations, a feed for subscriptions.
import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { parse } from "graphql";
import { ADVICE, answering, readable } from "#answers";
import { remove, start } from "#feeds";
import { noteStreams } from "#made_rows";

// here.tab: the id of the open tab. silenceMs: see follow in stream.js. signing: see acting.js.
export function fetcherFor({ url, signing, silenceMs, examples, here }) {
  const overHttp = (advice) => createGraphiQLFetcher({ url, fetch: answering(advice, signing) });

  async function* answers(params, options, advice) {
    for await (const result of readable(url, await overHttp(advice)(params, options), advice)) {
      noteStreams(result, examples);
      yield result;
    }
  }

  function subscribe(params, { headers }) {
    const { tab } = here;
    const request = {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(params),
    };
    const feed = start(tab, { url, request, signing, silenceMs });
    let left = false; // GraphiQL shows something else by now
    return {
      subscribe(sink) {
        sink.next({}); // GraphiQL's own pane, which the list hides, waits for a first response
        feed.over.then(() => left || sink.complete());
        return {
          unsubscribe() {
            left = true;
            // GraphiQL stops what runs when another tab is opened. A list goes on there, so only a stop that
            // leaves the same tab open ends it.
            setTimeout(() => here.tab === tab && feed.stop());
          },
        };
      },
    };
  }

  return (params, options) => {
    if (params.operationName === "IntrospectionQuery") return overHttp(ADVICE.query)(params, options);
    const { operation, operationName } = selected(params);
    const sent = { ...params, operationName };
    if (operation === "subscription") return subscribe(sent, options);
    remove(here.tab);
    return answers(sent, options, ADVICE[operation] ?? ADVICE.query);
  };
}

// For a moment after a tab was opened, GraphiQL gives the name of the former tab's operation.
function selected({ query, operationName }) {
  let operations;
  try {
    operations = parse(query).definitions.filter(({ kind }) => kind === "OperationDefinition");
  } catch {
    return { operationName }; // the API says what is wrong with it
  }
  const named = operations.find(({ name }) => name?.value === operationName);
  const operation = named ?? (operations.length === 1 ? operations[0] : undefined);
  return { operation: operation?.operation, operationName: operation ? operation.name?.value : operationName };
}
