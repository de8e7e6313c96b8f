/** What each channel added to a score, as bars around nought. */

import type { Schema } from "../data/types";
import "./channels.css";

export type Channels = Record<string, Schema<"ChannelOut">>;
export const CHANNELS = ["vector", "keyword", "graph", "temporal", "hopfield"] as const;
export const channelColour = (name: string): string => ((CHANNELS as readonly string[]).includes(name) ? `var(--${name})` : "var(--text-3)");
export const signed = (value: number, digits = 2): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

/** Return the least and the most that bars of several results reach, so that they share one scale. */
export function scaleOf(all: Channels[]): [number, number] {
  let [least, most] = [0, 0];
  for (const one of all) {
    let [down, up] = [0, 0];
    for (const { contribution } of Object.values(one)) contribution < 0 ? (down += contribution) : (up += contribution);
    least = Math.min(least, down);
    most = Math.max(most, up);
  }
  return [least, most || 1];
}

export const known = (channels: Channels): [string, Schema<"ChannelOut">][] =>
  [...CHANNELS.filter((name) => name in channels), ...Object.keys(channels).filter((name) => !(CHANNELS as readonly string[]).includes(name))].map((name) => [name, channels[name] as Schema<"ChannelOut">]);

/** Stacked bars: what speaks for a memory to the right of nought, what speaks against it to the left. */
export function ChannelBars({ channels, scale: [least, most], thin }: { channels: Channels; scale: [number, number]; thin?: boolean }) {
  const width = most - least || 1;
  const at = (value: number) => ((value - least) / width) * 100;
  let [down, up] = [0, 0];
  const said = known(channels).map(([name, one]) => {
    const from = one.contribution < 0 ? (down += one.contribution) : up;
    if (one.contribution >= 0) up += one.contribution;
    return { name, from, ...one };
  });
  const label = said.map((one) => `${one.name} ${signed(one.contribution)}`).join(", ");
  return (
    <div class={thin ? "channel-bars channel-bars-thin" : "channel-bars"} role="img" aria-label={label}>
      {said.map((one) => (
        <span
          key={one.name}
          title={`${one.name} ${signed(one.contribution)}${one.rank === null ? "" : `, rank ${one.rank}`}`}
          style={{ left: `${at(one.from)}%`, width: `${(Math.abs(one.contribution) / width) * 100}%`, background: channelColour(one.name) }}
        />
      ))}
      {least < 0 && <i style={{ left: `${at(0)}%` }} />}
    </div>
  );
}

/** The same in words: rank, own score and part of the sum. */
export function ChannelFigures({ channels }: { channels: Channels }) {
  return (
    <ul class="channel-figures tiny">
      {known(channels).map(([name, one]) => (
        <li key={name} title={`${name}: its own score ${one.score === null ? "none" : one.score.toFixed(3)}, weight ${one.weight}`}>
          <span class="dot" style={{ background: channelColour(name) }} />
          {name} <b class="number">{signed(one.contribution)}</b>
          <span class="faint number">{one.rank === null ? "not found" : `#${one.rank}`}</span>
        </li>
      ))}
    </ul>
  );
}
