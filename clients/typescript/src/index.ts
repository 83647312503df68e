export type { Codec, Coding } from "./codecs.js";
export { createClient, type Client, type ClientOptions, type Domain, type Shapes } from "./client.js";
export { newId, positionOf, type Outcome, type SendOptions } from "./commands.js";
export { CursorLost, Interrupted, OutcomeUnknown, RequestRefused, type Cursor } from "./errors.js";
export { cursorOf, follow, isAfter, type Feed, type FollowOptions, type Item, type Observer } from "./feed.js";
export type { Live, LiveDocument, Snapshot } from "./live.js";
export type { Patience } from "./resuming.js";
export { sse } from "./sse.js";
export type { Http, Transport } from "./transport.js";
