// Whose token all operations of this page send. The browser keeps the subject and the roles, where GraphiQL keeps
// them. A token is held in this page alone, never stored.
import { useSyncExternalStore } from "react";
import { config } from "./config.js";

export interface Acting {
  subject: string;
  roles: string;
}

const KEPT = "commander/acting";
const MINUTES = 60;
const RENEWED_BEFORE_MS = 60_000;

let acting = kept();
let pasted = "";
let minted: { token: string; until: number } | undefined;
let number = 0; // of the session: another viewer begins another one
const watchers = new Set<() => void>();

export const actingNow = (): Acting => acting;

export function actAs(next: Acting): void {
  acting = next;
  localStorage.setItem(KEPT, JSON.stringify(acting));
  begin();
}

export function signInWith(token: string): void {
  pasted = token.trim().replace(/^Bearer\s+/i, "");
  begin();
}

/** A number that changes with the viewer. */
export function useSession(): number {
  return useSyncExternalStore(watch, () => number);
}

/** Tells of each new session. Returns what ends that. */
export function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** The headers that sign a request. Empty for nobody. */
export async function signing(): Promise<Record<string, string>> {
  const token = config.acting === "mint" ? await mintedToken() : pasted;
  return token ? { authorization: `Bearer ${token}` } : {};
}

async function mintedToken(): Promise<string> {
  const { subject, roles } = acting;
  if (!subject) return "";
  if (!minted || minted.until < Date.now()) {
    const session = number;
    const made = { token: await mint(subject, roles), until: Date.now() + MINUTES * 60_000 - RENEWED_BEFORE_MS };
    if (session !== number) return mintedToken();
    minted = made;
  }
  return minted.token;
}

async function mint(subject: string, roles: string): Promise<string> {
  const body = JSON.stringify({ subject, roles: roles.split(/[\s,]+/).filter(Boolean), minutes: MINUTES });
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${config.endpoint}/token`, { method: "POST", headers, body });
  const answer = (await response.json()) as { token?: string; errors?: { message: string }[] };
  if (!answer.token) throw new Error(answer.errors?.[0]?.message ?? `the API answered ${response.status} for a token`);
  return answer.token;
}

function begin(): void {
  minted = undefined;
  number += 1;
  watchers.forEach((watcher) => watcher());
}

function kept(): Acting {
  try {
    return { subject: "", roles: "", ...(JSON.parse(localStorage.getItem(KEPT) ?? "{}") as Partial<Acting>) };
  } catch {
    return { subject: "", roles: "" };
  }
}
