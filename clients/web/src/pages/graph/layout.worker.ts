/** Lays graphs out beside the page, which stays free to answer the reader. */

import { layOut, type LayoutAnswer, type LayoutRequest } from "./layout";

let last: { ids: string[]; stages: number[]; positions: Float32Array } | null = null;

/** Return the last layout when the new request only adds stages to it. */
function known(request: LayoutRequest): { positions: Float32Array; stages: number } | null {
  if (!last || last.stages.length > request.stages.length) return null;
  const same = last.stages.every((count, stage) => count === request.stages[stage]) && last.ids.every((id, at) => id === request.ids[at]);
  return same ? { positions: last.positions, stages: last.stages.length } : null;
}

self.onmessage = ({ data: request }: MessageEvent<LayoutRequest>) => {
  const send = (positions: Float32Array, done: boolean) => {
    const answer: LayoutAnswer = { run: request.run, positions: positions.slice(), done };
    postMessage(answer, { transfer: [answer.positions.buffer] });
  };
  const positions = layOut(request, known(request), (on) => send(on, false));
  last = { ids: request.ids, stages: request.stages, positions };
  send(positions, true);
};
