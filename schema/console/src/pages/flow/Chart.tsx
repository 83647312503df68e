// A small chart of the last minutes.
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { KEPT } from "../../system.js";

export interface Line {
  /** What it counts, such as "decided". */
  name: string;
  /** A colour of the page: main, good, warn, bad. */
  colour: string;
  values: readonly (number | null)[];
}

const HEIGHT = 52; // pixels

/** times: in seconds. unit: behind the highest value. */
export function Chart({ times, lines, unit }: { times: readonly number[]; lines: readonly Line[]; unit: string }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const colours = lines.map(({ colour }) => colour).join(" ");
  useEffect(() => {
    const box = place.current!;
    const made = new uPlot(optionsOf(box, colours.split(" ")), [[], ...colours.split(" ").map(() => [])], box);
    plot.current = made;
    const sized = new ResizeObserver(() => made.setSize({ width: box.clientWidth, height: HEIGHT }));
    sized.observe(box);
    return () => {
      sized.disconnect();
      made.destroy();
    };
  }, [colours]);
  useEffect(() => {
    plot.current?.setData([[...times], ...lines.map(({ values }) => [...values])]);
  }, [times, lines, colours]);
  const most = Math.max(0, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const names = lines.map(({ name }) => name).join(", ");
  const said = `${names}: at most ${short(most)} ${unit} in the last five minutes`;
  return (
    <div className="chart">
      <div ref={place} role="img" aria-label={said} />
      <p className="soft" aria-hidden="true">
        {lines.map(({ name, colour }) => (
          <span key={name} data-colour={colour}>
            {name}
          </span>
        ))}
        <span>
          most: {short(most)} {unit}
        </span>
      </p>
    </div>
  );
}

/** A number in a few characters: 0.4, 12, 3.4k. */
export function short(value: number): string {
  if (value >= 10_000) return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value);
  if (value >= 10 || value === Math.round(value)) return Math.round(value).toLocaleString("en");
  return value.toFixed(1);
}

function optionsOf(box: HTMLElement, colours: readonly string[]): uPlot.Options {
  const colourOf = (name: string) => () => {
    const probe = box.parentElement!.querySelector(`[data-colour="${name}"]`);
    return getComputedStyle(probe ?? box).color;
  };
  return {
    width: box.clientWidth || 200,
    height: HEIGHT,
    padding: [4, 0, 2, 0],
    cursor: { show: false },
    legend: { show: false },
    axes: [{ show: false }, { show: false }],
    scales: {
      x: { time: false, range: (_, __, last) => [(last ?? 0) - KEPT, last ?? 0] },
      y: { range: (_, __, most) => [0, Math.max(1, most ?? 0)] },
    },
    series: [{}, ...colours.map((name) => ({ stroke: colourOf(name), width: 1.5, points: { show: false } }))],
  };
}
