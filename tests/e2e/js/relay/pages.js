// Pages of lists as Relay reads them, and a record that a mutation deletes. Arguments: the URL, an owner, an account.
import * as relay from "relay-runtime";

const { graphql } = relay;
const [url, owner, account] = process.argv.slice(2);
const headers = { "content-type": "application/json" };
const sent = [];
const post = async ({ name, text: query }, variables) => {
  sent.push(name);
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  return answer.json();
};
const environment = new relay.Environment({
  network: relay.Network.create(post),
  store: new relay.Store(new relay.RecordSource()),
});

const outgoing = graphql`
  fragment pages_account on Account
  @refetchable(queryName: "pagesOutgoingQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 2 }, cursor: { type: "String" }) {
    owner
    outgoing(first: $count, after: $cursor) @connection(key: "Account_outgoing") {
      edges { node { id amount source { id owner } target { id owner } } }
    }
  }
`;
const incoming = graphql`
  fragment pages_receiver on Account
  @refetchable(queryName: "pagesIncomingQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 1 }, cursor: { type: "String" }) {
    incoming(last: $count, before: $cursor, where: { status: { eq: COMPLETED } })
      @connection(key: "Account_incoming") {
      totalCount
      edges { node { id amount } }
    }
  }
`;
const accounts = graphql`
  fragment pages_accounts on Query
  @refetchable(queryName: "pagesAccountsQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 1 }, cursor: { type: "String" }) {
    accounts(first: $count, after: $cursor, where: { owner: { eq: $owner } })
      @connection(key: "Query_accounts", filters: ["where"]) {
      edges { node { id accountId } }
    }
  }
`;
const first = graphql`
  query pagesQuery($id: UUID!, $owner: String!) {
    account(accountId: $id) { id ...pages_account ...pages_receiver }
    ...pages_accounts
  }
`;
const close = graphql`
  mutation pagesCloseMutation($input: CloseAccountInput!) {
    closeAccount(input: $input, options: { wait: PROJECTED }) {
      ... on CommandApplied { account { id @deleteRecord } }
    }
  }
`;

const request = relay.getRequest(first);
const operation = relay.createOperationDescriptor(request, { id: account, owner });
environment.retain(operation);
await relay.fetchQuery(environment, first, { id: account, owner }).toPromise();

const read = (fragment, reference) => relay.getSingularSelector(fragment, reference);
const data = () => environment.lookup(operation.fragment).data;
const shown = (fragment, reference) => environment.lookup(read(fragment, reference)).data;

/** Reads pages until there are no more, as usePaginationFragment does: by the query that the compiler has made. */
async function whole(fragment, reference, list, forward, variables) {
  const { connection, operation: refetch } = fragment.metadata.refetch;
  const way = forward ? connection.forward : connection.backward;
  const pages = [];
  for (;;) {
    const { edges, pageInfo } = shown(fragment, reference())[list];
    pages.push(edges.length);
    if (!(forward ? pageInfo.hasNextPage : pageInfo.hasPreviousPage)) return { edges, pages };
    const cursor = forward ? pageInfo.endCursor : pageInfo.startCursor;
    const more = { ...variables, [way.count]: forward ? 2 : 1, [way.cursor]: cursor };
    await relay.fetchQuery(environment, refetch, more).toPromise();
  }
}

const id = data().account.id;
const found = {
  outgoing: await whole(outgoing, () => data().account, "outgoing", true, { id }),
  incoming: await whole(incoming, () => data().account, "incoming", false, { id }),
  accounts: await whole(accounts, () => data(), "accounts", true, { owner }),
};
const last = found.accounts.edges.map(({ node }) => node).find(({ accountId }) => accountId !== account); // empty
const before = environment.getStore().getSource().getStatus(last.id);
await new Promise((onCompleted, onError) =>
  relay.commitMutation(environment, {
    mutation: close,
    variables: { input: { accountId: last.accountId } },
    onCompleted,
    onError,
  }),
);
const after = environment.getStore().getSource().getStatus(last.id);
console.log(JSON.stringify({ found, sent, id, before, after }));
