// What can go wrong, and what a repetition can mend.

export interface GraphQLErrorLike {
  message: string;
  path?: readonly (string | number)[];
  extensions?: Record<string, unknown>;
}

/** A place in the log: the position of the last item that was handled, and the epoch it belongs to. */
export interface Cursor {
  position: string;
  logEpoch?: number;
}

/** The API refused a request. A repetition would be refused too. `code` is that of the first error. */
export class RequestRefused extends Error {
  override name = "RequestRefused";

  constructor(
    message: string,
    readonly code: string | undefined = undefined,
    readonly errors: readonly GraphQLErrorLike[] = [],
  ) {
    super(message);
  }
}

/**
 * The log was set back: events behind `cursor` that were read before no longer exist. Drop what came from them, and
 * follow again after `cursor`.
 */
export class CursorLost extends Error {
  override name = "CursorLost";

  constructor(
    message: string,
    readonly cursor: Cursor,
  ) {
    super(message);
  }
}

/** The time or the signal that the caller gave ended before the outcome was known. Send again under `commandId`. */
export class OutcomeUnknown extends Error {
  override name = "OutcomeUnknown";

  constructor(
    readonly commandId: string,
    cause: unknown,
  ) {
    super(`the outcome of the command ${commandId} is not known`, { cause });
  }
}

/** A connection or an answer was lost, or the server is not ready. A repetition can succeed. */
export class Interrupted extends Error {
  override name = "Interrupted";

  /**
   * retryAfterMs: what the server asked for. access: the server said that the client lacks a right, which new
   * credentials mend. suspect: it can also mean that the request is wrong, if no request was ever answered.
   */
  constructor(
    message: string,
    readonly options: { retryAfterMs?: number; access?: boolean; suspect?: boolean; code?: string } = {},
  ) {
    super(message);
  }
}

const FINAL = new Set([
  ...["BAD_REQUEST", "NOT_FOUND", "UNREADABLE", "ANSWER_TOO_LARGE", "MORE_ERRORS", "COST_TOO_HIGH"],
  ...["DOCUMENT_NOT_TRUSTED", "PERSISTED_QUERY_NOT_SUPPORTED"],
  ...["GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT", "PERSISTED_QUERY_NOT_FOUND"],
]);

/** What the errors of an answer mean. A code that this client does not know can pass: it may be a gateway's. */
export function failure(errors: readonly GraphQLErrorLike[]): RequestRefused | CursorLost | Interrupted {
  const [first] = errors;
  const message = first?.message ?? "the answer has no data";
  const extensions = first?.extensions ?? {};
  const code = typeof extensions["code"] === "string" ? extensions["code"] : undefined;
  if (code === "CURSOR_LOST") {
    const { position, logEpoch } = extensions;
    return new CursorLost(message, { position: String(position), logEpoch: Number(logEpoch ?? 1) });
  }
  if (code !== undefined && FINAL.has(code)) return new RequestRefused(message, code, errors);
  const access = code === "UNAUTHENTICATED" || code === "FORBIDDEN";
  const seconds = Number(extensions["retryAfterSeconds"]);
  const retryAfterMs = seconds > 0 ? seconds * 1000 : undefined;
  return new Interrupted(message, { code, access, suspect: code === undefined, retryAfterMs });
}

/** What a response means that is not a GraphQL answer: its status, and the beginning of its text. */
export function statusFailure(response: Response, text: string): Interrupted {
  const { status } = response;
  const wrong = status >= 400 && status < 500 && ![408, 425, 429].includes(status);
  const access = status === 401 || status === 403;
  const retryAfterMs = retryAfter(response.headers.get("retry-after"));
  return new Interrupted(`status ${status}: ${text.slice(0, 200)}`, { access, suspect: wrong || status < 400, retryAfterMs });
}

function retryAfter(header: string | null): number | undefined {
  if (!header) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return ms > 0 ? ms : undefined;
}
