/** The memory in time, on its two axes: when something was true, and when it was learned. */

import type { ComponentChildren } from "preact";
import { Link } from "wouter-preact";
import "./timeline.css";
import { ApiError } from "../../data/api";
import { useList, useRead, type Read } from "../../data/fetching";
import { useHref, useNamespace, useParameters } from "../../data/place";
import { dayOf, fullTime, plural, relativeTime } from "../../ui/format";
import { VirtualList } from "../../ui/list";
import { Badge, Button, Card, Empty, Field, Loading, PageHead, Shown, Tabs } from "../../ui/parts";
import { Density } from "./Density";
import { Histogram } from "./Histogram";
import { knownOf, trueOf, type Moment, type Plane as Counted, type Timeline } from "./model";
import type { Window } from "./Frame";
import { Plane } from "./Plane";

const AXES = [{ id: "valid", label: "When true" }, { id: "known", label: "When learned" }];
const BUCKETS = ["hour", "day", "week", "month", "year"];
const DOTS = 200; // memories; more are drawn as how many lie where

const moment = (text: string | null): string | null => (text !== null && Number.isFinite(Date.parse(text)) ? text : null);

export default function TimelinePage() {
  const [namespace] = useNamespace();
  const [parameters, change] = useParameters();
  const axis = parameters.get("axis") === "known" ? "known" : "valid";
  const bucket = BUCKETS.find((one) => one === parameters.get("bucket")) ?? "auto";
  const [from, to] = [moment(parameters.get("from")), moment(parameters.get("to"))];
  const [learnedFrom, learnedTo] = [moment(parameters.get("learned_from")), moment(parameters.get("learned_to"))];
  const chosen = parameters.get("pick");

  const whole = useRead<Timeline>("/v1/timeline", { namespace, axis, bucket, limit: 1 }, { revalidateOnFocus: false, keepPreviousData: false });
  // A part of the plane has bounds on both axes.
  const [low, high] = axis === "valid" ? [from, to] : [learnedFrom, learnedTo];
  const [otherLow, otherHigh] = axis === "valid" ? [learnedFrom, learnedTo] : [from, to];
  const bounds = { namespace, axis, from: low, to: high, other_from: otherLow, other_to: otherHigh };
  const list = useList<Moment>("/v1/timeline", { ...bounds, bucket: "none" }, DOTS);
  const plane = useRead<Counted>("/v1/timeline/plane", bounds, { revalidateOnFocus: false });
  const narrowed = Boolean(from || to || learnedFrom || learnedTo);
  const everything = { from: null, to: null, learned_from: null, learned_to: null };
  const names = axis === "valid" ? { from: "from", to: "to" } : { from: "learned_from", to: "learned_to" };
  const total = plane.data?.total;
  const mark = (window: Window) => change({ from: window.from, to: window.to, learned_from: window.learnedFrom, learned_to: window.learnedTo });

  return (
    <div class="stack">
      <PageHead title="Timeline">Each memory has two times: when what it says was true, and when the agent learned it. What was said late lies above the rest.</PageHead>
      <Tabs tabs={AXES} chosen={axis} choose={(id) => change({ axis: id === "valid" ? null : id })} label="Which time" />
      <Bars read={whole} again={() => change({ bucket: null })}>
        {(read) => (!read.buckets.length && !list.items.length && !narrowed ? <Nothing /> : (
          <>
            <Card
              title="In time"
              actions={
                <div class="row">
                  <Field label="Bars by" class="timeline-bucket">
                    {(id) => <select id={id} class="select" value={bucket} onChange={(event) => change({ bucket: event.currentTarget.value === "auto" ? null : event.currentTarget.value })}><option value="auto">what fits</option>{BUCKETS.map((one) => <option key={one}>{one}</option>)}</select>}
                  </Field>
                </div>
              }
            >
              <div class="stack">
                <Histogram buckets={read.buckets} bucket={read.bucket ?? "day"} from={low} to={high} label={axis === "valid" ? "Memories by when they were true" : "Memories by when they were learned"} onBucket={(start, end) => change({ [names.from]: start, [names.to]: end })} />
                {plane.data && plane.data.total > DOTS ? <Density plane={plane.data} onMark={mark} />
                  : list.items.length > 1 && <Plane moments={list.items} chosen={chosen} onChoose={(id) => change({ pick: id })} onMark={mark} />}
              </div>
            </Card>
            <div class="row-between">
              <p class="small quiet" role="status">
                {total === undefined ? "" : plural(total, "memory", "memories")}
                {low || high ? `, ${axis === "valid" ? "true" : "learned"} ${low ? `from ${dayOf(low)}` : ""} ${high ? `until ${dayOf(high)}` : ""}` : ""}
                {otherLow || otherHigh ? `, ${axis === "valid" ? "learned" : "true"} ${otherLow ? `from ${dayOf(otherLow)}` : ""} ${otherHigh ? `until ${dayOf(otherHigh)}` : ""}` : ""}
              </p>
              <div class="row">
                {narrowed && <Button small icon="restore" onClick={() => change(everything)}>Whole time</Button>}
              </div>
            </div>
            {list.loading && !list.items.length ? <Loading lines={6} /> : (
              <Card flush>
                <VirtualList
                  list={list}
                  keyOf={(one) => one.id}
                  label="Memories in the order of time"
                  estimate={74}
                  row={(one, at) => <Row one={one} axis={axis} before={list.items[at - 1]} chosen={one.id === chosen} />}
                  empty={<Empty icon="timeline" title="Nothing in this part of time"><p>Choose a larger part, or the whole of it.</p></Empty>}
                />
              </Card>
            )}
          </>
        ))}
      </Bars>
    </div>
  );
}

/** Show the whole span; where one bar was asked to stand for so little that there are too many, offer what fits. */
function Bars({ read, again, children }: { read: Read<Timeline>; again: () => void; children: (data: Timeline) => ComponentChildren }) {
  if (read.error && !read.data && read.error instanceof ApiError && read.error.problem.errors?.some((one) => one.pointer === "?bucket"))
    return <Empty icon="timeline" title="Too many bars"><p>{read.error.message}</p><Button onClick={again}>Take bars that fit</Button></Empty>;
  return <Shown read={read}>{children}</Shown>;
}

function Row({ one, axis, before, chosen }: { one: Moment; axis: "valid" | "known"; before: Moment | undefined; chosen: boolean }) {
  const href = useHref();
  const at = axis === "valid" ? trueOf(one) : knownOf(one);
  const day = dayOf(at);
  const previous = before && dayOf(axis === "valid" ? trueOf(before) : knownOf(before));
  const late = Date.parse(knownOf(one)) - Date.parse(trueOf(one));
  return (
    <div class="moment" data-chosen={chosen}>
      <div class="moment-day">{day !== previous && <time dateTime={at}>{day}</time>}</div>
      <div class="stack-s">
        <Link href={href(`/memories/${one.id}`)} class="wrap-anywhere">{one.label || "A memory without words"}</Link>
        <div class="row tiny faint">
          <Badge>{one.memory_type}</Badge>
          {one.superseded_by && <Badge tone="bad">superseded</Badge>}
          <span>true {fullTime(trueOf(one))}{one.valid_to ? ` until ${fullTime(one.valid_to)}` : ""}</span>
          <span>learned {fullTime(knownOf(one))}{late > 86_400_000 ? `, ${relativeTime(knownOf(one), Date.parse(trueOf(one))).replace("in ", "")} later` : ""}</span>
        </div>
      </div>
    </div>
  );
}

function Nothing() {
  return (
    <Empty icon="timeline" title="No time has passed here yet">
      <p>A memory stands here from the moment it is written. Say <code>observed_at</code> for when something was said and <code>valid_from</code>, <code>valid_to</code> for when it held, and the two axes part.</p>
    </Empty>
  );
}
