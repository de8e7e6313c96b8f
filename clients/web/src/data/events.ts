/** Progress as the service tells it: server-sent events of a job, read until it ends. */

import { useEffect, useState } from "preact/hooks";

export interface Progress {
  status: string;
  progress: { done: number; total: number };
}

const isProgress = (said: unknown): said is Progress =>
  typeof said === "object" && said !== null && "status" in said && "progress" in said;

/** Follow a job while `follow` is true; `ended` is called once when it has ended. */
export function useProgress(jobId: string, follow: boolean, ended: () => void): Progress | null {
  const [latest, setLatest] = useState<Progress | null>(null);
  useEffect(() => {
    if (!follow) return undefined;
    const events = new EventSource(`/v1/jobs/${encodeURIComponent(jobId)}/events`);
    const take = (event: MessageEvent<string>) => {
      const said: unknown = JSON.parse(event.data);
      if (isProgress(said)) setLatest(said);
    };
    events.addEventListener("progress", take);
    events.addEventListener("finished", (event) => {
      take(event as MessageEvent<string>);
      events.close();
      ended();
    });
    return () => events.close();
  }, [jobId, follow]);
  return latest;
}
