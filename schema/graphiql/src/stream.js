// Follows one subscription over Server-Sent Events, across restarts of the API and breaks of the connection.
//
// An event's `id` is the cursor behind it, so a new connection that sends the last one as Last-Event-ID misses
// nothing and repeats nothing. An operation without cursors begins again.
//
// connecting → live → waiting → connecting …; from each of them → ended.
import { signed } from "#acting";
import { foreign, unreachable } from "#answers";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const SLOW_MS = 10_000;
// An API or gateway that says one of these may serve a moment later.
const PASSING_STATUSES = [408, 425, 429, 500, 502, 503, 504];
const PASSING_CODES = ["UNAVAILABLE", "OVERLOADED", "RATE_LIMITED"];

const SLOW =
  "The API has not answered yet. A browser opens six connections to a server at most, and each subscription " +
  "in any of its windows holds one.";

// request: what `fetch` takes. silenceMs: a connection without a byte for so long is broken.
// signing: see acting.js. onItem(text): a GraphQL response as JSON. onState({name, …}): each change, the last one is "ended".
export async function follow({ url, request, signing, silenceMs, signal, onItem, onState }) {
  let lastEventId = null;
  let failures = 0;
  const attempt = async () => {
    const connection = new AbortController();
    const abort = () => connection.abort();
    signal.addEventListener("abort", abort);
    let silence = setTimeout(() => onState({ name: "connecting", why: SLOW }), SLOW_MS);
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(abort, silenceMs);
    };
    try {
      const resumed = lastEventId !== null && { "Last-Event-ID": lastEventId };
      const own = await signed(request.headers, signing); // for each connection: a token ends
      const headers = { ...own, accept: "text/event-stream", ...resumed };
      const answer = await fetch(url, { ...request, headers, signal: connection.signal });
      heard();
      if (!answer.headers.get("content-type")?.startsWith("text/event-stream")) return await refusal(url, answer);
      onState({ name: "live", afterBreak: failures > 0, resumed: Boolean(resumed) });
      let passing = null;
      for await (const event of eventsOf(answer.body, heard)) {
        if (event.id !== undefined) lastEventId = event.id;
        if (event.type === "complete") return passing ?? { ended: "The API has completed it." };
        if (event.type !== "next") continue;
        passing = passingError(event.data);
        if (passing === null) failures = 0;
        onItem(event.data);
      }
      return { why: "The connection to the API ended." };
    } catch {
      const silent = connection.signal.aborted && !signal.aborted;
      return { why: silent ? "The API has been silent for too long." : unreachable(url) };
    } finally {
      clearTimeout(silence);
      signal.removeEventListener("abort", abort);
      connection.abort();
    }
  };

  while (!signal.aborted) {
    onState({ name: "connecting" });
    const { ended, error, why, pauseMs } = await attempt();
    if (signal.aborted) break;
    if (error) onItem(error);
    if (ended) return onState({ name: "ended", why: ended });
    failures += 1;
    const doubled = Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
    const waitMs = pauseMs ?? doubled * (0.75 + Math.random() / 4);
    onState({ name: "waiting", why, waitMs });
    await pause(waitMs, signal);
  }
  onState({ name: "ended", why: "Stopped." });
}

// What an answer without a stream means: {why, pauseMs} to try again, {ended, error} for good.
async function refusal(url, answer) {
  const isJson = answer.headers.get("content-type")?.includes("json");
  const text = isJson ? await answer.text() : JSON.stringify({ errors: [{ message: await foreign(url, answer) }] });
  if (!PASSING_STATUSES.includes(answer.status)) return { ended: "The API refused it.", error: text };
  const seconds = Number(answer.headers.get("retry-after"));
  return { why: messageOf(text), pauseMs: seconds > 0 ? Math.min(seconds * 1000, 60_000) : undefined };
}

// An error that ends the operation now and may not do so a moment later.
function passingError(text) {
  if (!text.includes('"errors"')) return null;
  const code = JSON.parse(text).errors?.[0]?.extensions?.code;
  return PASSING_CODES.includes(code) ? { why: messageOf(text) } : null;
}

function messageOf(text) {
  try {
    return JSON.parse(text).errors[0].message;
  } catch {
    return text;
  }
}

async function* eventsOf(body, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    heard();
    let from = Math.max(0, text.length - 1);
    text += value;
    for (let end; (end = text.indexOf("\n\n", from)) >= 0; from = 0) {
      yield eventOf(text.slice(0, end));
      text = text.slice(end + 2);
    }
  }
}

function eventOf(text) {
  const event = { type: "message", data: "" };
  for (const line of text.split("\n")) {
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (name === "event") event.type = value;
    else if (name === "id") event.id = value;
    else if (name === "data") event.data += value;
  }
  return event;
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
