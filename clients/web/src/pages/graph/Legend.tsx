/** What colours, shapes and strokes mean; each line also shows or hides what it names. */

import { useMemo } from "preact/hooks";
import { Icon } from "../../ui/icons";
import { count } from "../../ui/format";
import { edgeLook, KINDS, RINGS, ringOf } from "./look";
import { tally, type Filter, type Kind, type View } from "./model";
import { KindSymbol, LineSymbol, RingSymbol } from "./Symbol";

interface Props {
  view: View;
  filter: Filter;
  open: boolean;
  onOpen: (open: boolean) => void;
  onKinds: (hidden: string[]) => void;
  onTypes: (hidden: string[]) => void;
}

const toggled = (set: ReadonlySet<string>, one: string): string[] => (set.has(one) ? [...set].filter((name) => name !== one) : [...set, one]);

export function Legend({ view, filter, open, onOpen, onKinds, onTypes }: Props) {
  const kinds = useMemo(() => tally(view.nodes, (node) => node.kind), [view]);
  const types = useMemo(() => [...tally(view.edges, (edge) => edge.type)].sort((a, b) => b[1] - a[1]), [view]);
  const rings = useMemo(() => tally(view.nodes, (node) => ringOf(node)?.key ?? ""), [view]);
  return (
    <section class="graph-legend" aria-label="Legend" data-open={open}>
      <button type="button" class="graph-legend-head" aria-expanded={open} onClick={() => onOpen(!open)}>
        Legend and filter
        <Icon name={open ? "down" : "right"} />
      </button>
      {open && (
        <div class="graph-legend-body">
          <fieldset>
            <legend>Nodes</legend>
            {(Object.keys(KINDS) as Kind[]).filter((kind) => kinds.has(kind)).map((kind) => (
              <label key={kind} class="check">
                <input type="checkbox" checked={!filter.kinds.has(kind)} onChange={() => onKinds(toggled(filter.kinds, kind))} />
                <KindSymbol kind={kind} />
                <span class="grow">{KINDS[kind].many}</span>
                <span class="faint number">{count(kinds.get(kind))}</span>
              </label>
            ))}
          </fieldset>
          {types.length > 0 && (
            <fieldset>
              <legend>Links</legend>
              {types.map(([type, number]) => (
                <label key={type} class="check">
                  <input type="checkbox" checked={!filter.types.has(type)} onChange={() => onTypes(toggled(filter.types, type))} />
                  <LineSymbol type={type} />
                  <span class="grow">{edgeLook(type).name}</span>
                  <span class="faint number">{count(number)}</span>
                </label>
              ))}
            </fieldset>
          )}
          <div class="stack-s small quiet">
            <div class="row" style={{ flexWrap: "nowrap" }}>
              <svg class="symbol" width="44" height="16" viewBox="0 0 44 16" aria-hidden="true"><circle cx="5" cy="8" r="3" /><circle cx="17" cy="8" r="5" /><circle cx="34" cy="8" r="7" /></svg>
              <span>Larger: warmer, more likely to be recalled now</span>
            </div>
            <div class="row" style={{ flexWrap: "nowrap" }}>
              <svg class="symbol" width="44" height="16" viewBox="0 0 44 16" aria-hidden="true"><circle cx="7" cy="8" r="6" opacity="0.3" /><circle cx="21" cy="8" r="6" opacity="0.62" /><circle cx="35" cy="8" r="6" /></svg>
              <span>Firmer: trusted more</span>
            </div>
            {RINGS.filter((ring) => rings.has(ring.key)).map((ring) => (
              <div key={ring.key} class="row"><RingSymbol colour={ring.colour} /> Ring: {ring.name} <span class="faint number">{count(rings.get(ring.key))}</span></div>
            ))}
          </div>
        </div>
      )}
    </section>
  );
}
