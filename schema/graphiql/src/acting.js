// The box "act as": whose token all operations of this page send. A token is held in this page alone, never stored.
import { createElement as h, useState } from "react";
import { storage } from "#keeping";

const KEPT = "acting"; // the subject and the roles
const MINUTES = 60;
const RENEWED_BEFORE_MS = 60_000;

let acting = { subject: "", roles: "" };
let given = ""; // a token that the reader has pasted
let minted = null; // {token, until, of}

// How the page signs its requests. mintUrl: where the API mints tokens; null where the reader pastes one.
export async function authorization({ mintUrl }) {
  if (!mintUrl) return given ? { authorization: `Bearer ${given}` } : {};
  const { subject } = acting;
  if (!subject) return {};
  const of = JSON.stringify(acting);
  if (minted?.of !== of || minted.until < Date.now()) minted = { ...(await mint(mintUrl)), of };
  return { authorization: `Bearer ${minted.token}` };
}

async function mint(url) {
  const { subject, roles } = acting;
  const body = JSON.stringify({ subject, roles: roles.split(/[\s,]+/).filter(Boolean), minutes: MINUTES });
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
  const { token, errors } = await answer.json();
  if (!token) throw new Error(errors?.[0]?.message ?? `${url} answered ${answer.status}`);
  return { token, until: Date.now() + MINUTES * 60_000 - RENEWED_BEFORE_MS };
}

// The headers of a request, with the token unless they have one.
export async function signed(headers, signing) {
  const has = Object.keys(headers ?? {}).some((name) => name.toLowerCase() === "authorization");
  return has || !signing ? headers : { ...headers, ...(await authorization(signing)) };
}

const field = (name, value, placeholder, change, type = "text") =>
  h("input", {
    type,
    name,
    value,
    placeholder,
    "aria-label": name,
    autoComplete: "off",
    spellCheck: false,
    onChange: (event) => change(event.target.value),
  });

export function ActAs({ mintUrl }) {
  const [shown, show] = useState(acting);
  const [token, setToken] = useState(given);
  const act = (change) => {
    acting = { ...acting, ...change };
    storage.setItem(KEPT, JSON.stringify(acting));
    show(acting);
  };
  const paste = (text) => {
    given = text.trim().replace(/^Bearer\s+/i, "");
    setToken(text);
  };
  return h(
    "form",
    { className: "commander-act-as", onSubmit: (event) => event.preventDefault() },
    h("span", null, "Act as"),
    ...(mintUrl
      ? [
          field("subject", shown.subject, "nobody", (subject) => act({ subject })),
          field("roles", shown.roles, "roles", (roles) => act({ roles })),
        ]
      : [field("token", token, "token", paste, "password")]),
  );
}

try {
  acting = { ...acting, ...JSON.parse(storage.getItem(KEPT)) };
} catch {
  // nothing was kept
}
