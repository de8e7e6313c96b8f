/** A few memories on the plane of the two times, each as a dot. */

import { useMemo } from "preact/hooks";
import { fullTime } from "../../ui/format";
import { Frame, type Stretch, type Window } from "./Frame";
import { knownOf, trueOf, type Moment } from "./model";

interface Props {
  moments: readonly Moment[];
  chosen: string | null;
  onChoose: (id: string) => void;
  onMark: (window: Window) => void;
}

const NEAR = 10; // pixels from a dot that are still it

function span(times: number[]): Stretch {
  let [from, to] = [Infinity, -Infinity];
  for (const time of times) {
    from = Math.min(from, time);
    to = Math.max(to, time);
  }
  const margin = Math.max(3_600_000, (to - from) * 0.04);
  return [new Date(from - margin), new Date(to + margin)];
}

export function Plane({ moments, chosen, onChoose, onMark }: Props) {
  const { dots, held, learned } = useMemo(() => {
    const found = moments.map((moment) => ({ moment, held: Date.parse(trueOf(moment)), learned: Date.parse(knownOf(moment)) }));
    return { dots: found, held: span(found.map((one) => one.held)), learned: span(found.map((one) => one.learned)) };
  }, [moments]);
  return (
    <Frame
      held={held}
      learned={learned}
      label={`${moments.length} memories by when they were true and when they were learned; the list below has the same`}
      legend={<><i class="dot" style={{ "--dot": "var(--node-memory)" }} /> holds <i class="dot" style={{ "--dot": "var(--bad)" }} /> superseded</>}
      onTap={(at, x, y) => {
        const near = dots.map((dot) => ({ dot, away: Math.hypot(x(dot.held) - at.x, y(dot.learned) - at.y) })).sort((a, b) => a.away - b.away)[0];
        if (near && near.away < NEAR) onChoose(near.dot.moment.id);
      }}
      onMark={onMark}
    >
      {(x, y) => dots.map(({ moment, held: at, learned: up }) => (
        <circle key={moment.id} cx={x(at)} cy={y(up)} r={moment.id === chosen ? 7 : 4} class={moment.superseded_by ? "point point-old" : "point"} data-chosen={moment.id === chosen}>
          <title>{`${moment.label}\nTrue: ${fullTime(trueOf(moment))}\nLearned: ${fullTime(knownOf(moment))}`}</title>
        </circle>
      ))}
    </Frame>
  );
}
