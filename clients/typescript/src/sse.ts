// Subscriptions as Server-Sent Events, one request each: needs no library, and passes where WebSockets do not.
import { failure, Interrupted, statusFailure } from "./errors.js";
import { post, resultIn, type Http, type Sink, type Transport } from "./transport.js";

/** A transport that needs only fetch. Browsers allow six such streams per host over HTTP/1.1; see ws.ts. */
export function sse(http: Http): Transport {
  const open = new Set<AbortController>();
  return {
    pauses: true,
    subscribe(request, sink) {
      const controller = new AbortController();
      open.add(controller);
      let over = false;
      const end = (error?: unknown) => {
        open.delete(controller);
        if (over) return;
        over = true;
        sink.end(error);
      };
      const read = async () => {
        const response = await post(http, request, "text/event-stream", controller.signal);
        sink.alive();
        if (response.ok && response.headers.get("content-type")?.startsWith("text/event-stream")) {
          await events(response, sink, () => over);
        } else {
          const text = await response.text();
          const errors = resultIn(text)?.errors;
          throw errors ? failure(errors) : statusFailure(response, text);
        }
      };
      read().then(
        () => end(),
        (error: unknown) => end(error instanceof TypeError ? new Interrupted(error.message) : error),
      ).finally(() => controller.abort());
      return () => {
        over = true;
        open.delete(controller);
        controller.abort();
      };
    },
    reset() {},
    close() {
      for (const controller of open) controller.abort();
    },
  };
}

/** Reads the stream until it ends or says that it is complete. https://html.spec.whatwg.org/#server-sent-events */
async function events(response: Response, sink: Sink, over: () => boolean): Promise<void> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let name = "";
  let data: string[] = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done || over()) return;
    sink.alive();
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === "") {
        if (name === "complete") return;
        if (name === "next") {
          const result = resultIn(data.join("\n"));
          if (!result) throw new Interrupted("an event of the stream is no GraphQL answer");
          await sink.next(result);
          if (over()) return;
        }
        name = "";
        data = [];
      } else if (line.startsWith("event:")) name = line.slice(6).trim();
      else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
    }
  }
}
