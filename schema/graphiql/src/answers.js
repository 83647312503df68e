// Requests over HTTP whose answer is always a GraphQL response: anything else becomes an error in words.

import { signed } from "#acting";

const SHOWN_OF_A_FOREIGN_ANSWER = 200; // characters

export const failure = (message) => ({ errors: [{ message }] });

export function unreachable(url) {
  return `The API at ${url} cannot be reached: the connection was refused or broke.`;
}

// What to do about a query or a mutation that got no answer.
export const ADVICE = {
  query: "Run it again when the API runs.",
  mutation: "The API may have received it: look at what it changes before you run it again.",
};

// A `fetch` that never rejects, and whose answer is JSON or multipart. signing: see acting.js.
export const answering = (advice, signing) => async (url, options) => {
  let answer;
  try {
    answer = await fetch(url, { ...options, headers: await signed(options.headers, signing) });
  } catch {
    return Response.json(failure(`${unreachable(url)} ${advice}`));
  }
  const type = answer.headers.get("content-type") ?? "";
  if (type.includes("json") || type.startsWith("multipart/")) return answer;
  return Response.json(failure(await foreign(url, answer)));
};

// What a proxy or another program answered in place of the API.
export async function foreign(url, answer) {
  const text = await answer.text().catch(() => "");
  const status = `${answer.status} ${answer.statusText}`.trim();
  const begin = text.slice(0, SHOWN_OF_A_FOREIGN_ANSWER).trim();
  return `${url} answered ${status}, which is no GraphQL response.${begin && ` It begins: ${begin}`}`;
}

// The same results. If they cannot be read to their end, the last one is an error in words.
export async function* readable(url, results, advice) {
  try {
    yield* results;
  } catch (error) {
    yield failure(`The answer of ${url} broke off or cannot be read (${error.message}). ${advice}`);
  }
}
