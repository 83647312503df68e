// Codecs as a caller writes them: money in whole cents, times as dates, positions as large integers.
import type { Codec } from "@commander/client";

export const Decimal: Codec<bigint> = {
  decode: (text) => BigInt(Math.round(Number(text) * 100)),
  encode: (cents) => `${cents / 100n}.${String(cents % 100n).padStart(2, "0")}`,
};
export const DateTime: Codec<Date> = { decode: (text) => new Date(text), encode: (date) => date.toISOString() };
export const Position: Codec<bigint> = { decode: BigInt, encode: String };
