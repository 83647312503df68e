// The feed by one client library each: start(url, query, variables, sink) subscribes once and never tries again.
//
// sink: next(result) for each item, lost() when the connection is gone, complete() when the server says so.
// Each returns what ends the subscription. A result is { data, errors }.
import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { Client, fetchExchange, subscriptionExchange } from "@urql/core";
import { EventSource } from "eventsource";
import { createClient as createSse } from "graphql-sse";
import { createClient as createWs } from "graphql-ws";
import WebSocket from "ws";

const webSocket = (url) =>
  createWs({ url: url.replace("http", "ws"), webSocketImpl: WebSocket, retryAttempts: 0 });

const observed = ({ next, lost, complete }) => ({ next, error: lost, complete });

function graphqlWs(url, query, variables, sink) {
  const client = webSocket(url);
  client.subscribe({ query, variables }, observed(sink));
  return () => client.dispose();
}

function graphqlSse(url, query, variables, sink) {
  const client = createSse({ url, retryAttempts: 0 });
  client.subscribe({ query, variables }, observed(sink));
  return () => client.dispose();
}

const apollo = (link) => (url, query, variables, sink) => {
  const client = new ApolloClient({ link: link(url), cache: new InMemoryCache() });
  const next = ({ data, error }) => (error ? sink.lost(error) : sink.next({ data }));
  const options = { query: gql(query), variables, fetchPolicy: "no-cache" };
  const running = client.subscribe(options).subscribe({ ...observed(sink), next });
  return () => (running.unsubscribe(), client.stop());
};

const urql = (exchanges, options) => (url, query, variables, sink) => {
  const client = new Client({ url, exchanges: exchanges(url), ...options });
  const next = ({ data, error, hasNext }) => {
    if (error) sink.lost(error);
    else if (data) sink.next({ data });
    if (!error && hasNext === false) sink.complete();
  };
  return client.subscription(query, variables).subscribe(next).unsubscribe;
};

const overWebSocket = (url) => {
  const client = webSocket(url);
  const forwardSubscription = ({ query, variables }) => ({
    subscribe: (sink) => ({ unsubscribe: client.subscribe({ query, variables }, sink) }),
  });
  return [subscriptionExchange({ forwardSubscription })];
};

// Resumes by itself, with Last-Event-ID; the variables stay those of the beginning.
function eventSource(url, query, variables, sink) {
  const parameters = new URLSearchParams({ query, variables: JSON.stringify(variables) });
  const source = new EventSource(`${url}?${parameters}`);
  source.addEventListener("next", (event) => sink.next(JSON.parse(event.data)));
  source.addEventListener("complete", () => (source.close(), sink.complete()));
  source.addEventListener("error", ({ code }) => code && sink.lost(new Error(`status ${code}`)));
  return () => source.close();
}

export const clients = {
  "graphql-ws": graphqlWs,
  "graphql-sse": graphqlSse,
  "apollo over graphql-ws": apollo((url) => new GraphQLWsLink(webSocket(url))),
  "apollo over multipart": apollo((url) => new HttpLink({ uri: url })),
  "urql over graphql-ws": urql(overWebSocket),
  "urql over SSE": urql(() => [fetchExchange], { fetchSubscriptions: true }),
  EventSource: eventSource,
};
