// Numbers and times as readers see them.
const CLOCK: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit" };

/** The time of day, in the reader's zone: 14:03:59.120. */
export function clock(time: string): string {
  return new Date(time).toLocaleTimeString("en-GB", { ...CLOCK, fractionalSecondDigits: 3 });
}

/** Day and time, in the reader's zone. */
export function moment(time: string): string {
  const day = new Date(time).toLocaleDateString("en-GB", { year: "numeric", month: "short", day: "numeric" });
  return `${day}, ${clock(time)}`;
}

/** "1 event", "2,000 events". */
export function count(number: number, one: string): string {
  return `${number.toLocaleString("en")} ${one}${number === 1 ? "" : "s"}`;
}

/** A duration: 12 ms, 1.25 s, 3.2 min. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(2)} s`;
  return `${(ms / 60_000).toFixed(1)} min`;
}
