// Commands: an id that is made once, and the same request until its outcome is known.
import { ANSWER_MS, answered, type Asking } from "./asking.js";
import { OutcomeUnknown, RequestRefused } from "./errors.js";
import type { Http } from "./transport.js";
import { pause } from "./waiting.js";

/** What every outcome has. The rest depends on `__typename`. */
export interface Outcome {
  __typename: string;
}

/** The position of the last event that an outcome is known to have led to. Undefined if there is none. */
export function positionOf(outcome: Outcome): string | undefined {
  const { position, settled } = outcome as { position?: unknown; settled?: { position: unknown } | null };
  const last = settled?.position ?? position ?? undefined;
  return last === undefined ? undefined : String(last);
}

/** Beside these, all options of the API: `wait`, `timeoutMs`, `expectedVersion`, `notBefore`… */
export interface SendOptions extends Asking {
  /** An id of yours, such as one that outlives the page. By default a new one. */
  commandId?: string | null;
  timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 5_000;
const BETWEEN_MS = 200;

/**
 * Sends a command, and sends it again under the same id until its outcome is known. Resolves with CommandPending only if
 * the patience ends first, or if the command is decided and a projection does not show it.
 *
 * Rejects with OutcomeUnknown, which has the id, when the patience or the signal ends without any answer; with
 * RequestRefused if the API did not take the request, and so stored nothing.
 */
export async function send(
  http: Http & { answerMs?: number },
  field: string,
  document: string,
  input: unknown,
  { patienceMs = 30_000, signal, ...given }: SendOptions,
): Promise<Outcome> {
  const commandId = given.commandId ?? newId();
  const request = { query: document, variables: { input, options: { ...given, commandId } } };
  const attemptMs = (given.timeoutMs ?? DEFAULT_TIMEOUT_MS) + (http.answerMs ?? ANSWER_MS);
  const until = Date.now() + patienceMs;
  let perhapsStored = false;
  const onBreak = () => (perhapsStored = true);
  try {
    for (;;) {
      const asking = { patienceMs: until - Date.now(), signal, attemptMs, onBreak };
      const outcome = (await answered(http, request, asking))[field] as Outcome;
      if (outcome.__typename !== "CommandPending" || isDecided(outcome) || Date.now() + BETWEEN_MS > until) return outcome;
      perhapsStored = true;
      await pause(BETWEEN_MS, signal);
    }
  } catch (error) {
    if (error instanceof RequestRefused && !perhapsStored) throw error;
    throw new OutcomeUnknown(commandId, error);
  }
}

/** Whether a pending command only waits for a projection. */
function isDecided(outcome: Outcome): boolean {
  const { stage, behind } = outcome as { stage?: string; behind?: unknown[] };
  return stage === "PROJECTION" || Boolean(behind?.length);
}

/** A UUID (version 7) that begins with the time in milliseconds, so that later ones sort behind earlier ones. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // crypto.randomUUID is missing in pages without HTTPS
  const now = Date.now();
  for (let at = 0; at < 6; at += 1) bytes[at] = Math.floor(now / 2 ** (40 - 8 * at)); // stored modulo 256
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
