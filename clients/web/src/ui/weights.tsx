/** Weights of channels: which are asked, and how much each counts. */

import { CHANNELS, channelColour } from "./channels";
import "./channels.css";

export type Weights = Record<string, number>;

const USUAL_MOST = 2;

interface Props {
  weights: Weights;
  /** What a channel finds, said below its name. */
  meanings?: Record<string, string>;
  disabled?: boolean;
  onWeigh: (channel: string, weight: number | null) => void;
}

/** One line a channel; null takes it out. */
export function ChannelWeights({ weights, meanings = {}, disabled = false, onWeigh }: Props) {
  const most = Math.max(USUAL_MOST, ...Object.values(weights));
  return (
    <ul class="channel-weights" aria-label="Factors on channels">
      {CHANNELS.map((name) => {
        const on = name in weights;
        return (
          <li key={name}>
            <label class="check"><input type="checkbox" checked={on} disabled={disabled} onChange={(event) => onWeigh(name, event.currentTarget.checked ? 1 : null)} /><span class="dot" style={{ background: channelColour(name) }} />{name}</label>
            <input type="range" min={0} max={most} step={0.1} value={weights[name] ?? 0} disabled={disabled || !on} aria-label={`Factor on ${name}`} onChange={(event) => onWeigh(name, Number(event.currentTarget.value))} />
            <output class="number tiny">{on ? (weights[name] ?? 0).toFixed(1) : "off"}</output>
            {meanings[name] && <span class="channel-meaning tiny faint">{meanings[name]}</span>}
          </li>
        );
      })}
    </ul>
  );
}
