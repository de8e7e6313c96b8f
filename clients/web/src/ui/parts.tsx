/** The parts that pages are made of. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { ApiError } from "../data/api";
import { Icon, type IconName } from "./icons";

type Tone = "good" | "warn" | "bad" | "info" | "accent" | "plain";
const toned = (base: string, tone: Tone | undefined) => (tone && tone !== "plain" ? `${base} ${base}-${tone}` : base);

interface ButtonProps extends Omit<JSX.ButtonHTMLAttributes<HTMLButtonElement>, "icon" | "size"> {
  kind?: "primary" | "danger" | "quiet" | "plain";
  icon?: IconName;
  small?: boolean;
  busy?: boolean;
}

/** A button; `busy` keeps it from being pressed twice. */
export function Button({ kind = "plain", icon, small, busy, children, class: more, disabled, ...rest }: ButtonProps) {
  const names = ["button", kind !== "plain" && `button-${kind}`, small && "button-small", icon && !children && "button-icon", more];
  return (
    <button type="button" {...rest} class={names.filter(Boolean).join(" ")} disabled={disabled || busy} aria-busy={busy || undefined}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** A link that looks like a button. */
export function ButtonLink({ href, icon, kind = "plain", small, children }: { href: string; icon?: IconName; kind?: "primary" | "quiet" | "plain"; small?: boolean; children: ComponentChildren }) {
  return (
    <Link href={href} class={["button", kind !== "plain" && `button-${kind}`, small && "button-small"].filter(Boolean).join(" ")}>
      {icon && <Icon name={icon} />}
      {children}
    </Link>
  );
}

/** A labelled control; the child gets the id of the label. */
export function Field({ label, hint, children, class: more }: { label: string; hint?: ComponentChildren; children: (id: string) => ComponentChildren; class?: string }) {
  const id = useId();
  return (
    <div class={["field", more].filter(Boolean).join(" ")}>
      <label class="label" for={id}>{label}</label>
      {children(id)}
      {hint && <span class="hint">{hint}</span>}
    </div>
  );
}

export function Badge({ tone, children, title }: { tone?: Tone; children: ComponentChildren; title?: string }) {
  return <span class={toned("badge", tone)} title={title}>{children}</span>;
}

export function Notice({ tone = "info", children, role }: { tone?: "info" | "warn" | "bad" | "good"; children: ComponentChildren; role?: "alert" | "status" }) {
  return <div class={tone === "info" ? "notice" : `notice notice-${tone}`} role={role}>{children}</div>;
}

/** A bar from 0 to 1 with its number for those who do not see it. */
export function Meter({ value, label, colour }: { value: number; label: string; colour?: string }) {
  const share = Math.max(0, Math.min(1, Number.isFinite(value) ? value : 0));
  return (
    <div class="meter" role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={1} aria-valuenow={Number(share.toFixed(3))}>
      <span style={{ width: `${share * 100}%`, ...(colour ? { background: colour } : {}) }} />
    </div>
  );
}

export function PageHead({ title, children, actions }: { title: string; children?: ComponentChildren; actions?: ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} · Memory service`;
  }, [title]);
  return (
    <header class="page-head">
      <div>
        <h1>{title}</h1>
        {children && <p>{children}</p>}
      </div>
      {actions && <div class="row">{actions}</div>}
    </header>
  );
}

export function Card({ title, actions, children, flush, class: more }: { title?: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren; flush?: boolean; class?: string }) {
  return (
    <section class={["card", flush && "card-flush", more].filter(Boolean).join(" ")}>
      {(title || actions) && (
        <div class="card-title" style={flush ? { padding: "14px 16px 0" } : undefined}>
          {title && <h2>{title}</h2>}
          {actions}
        </div>
      )}
      {children}
    </section>
  );
}

/** What a page says where there is nothing: what would be here, and how it comes about. */
export function Empty({ icon = "memories", title, children }: { icon?: IconName; title: string; children?: ComponentChildren }) {
  return (
    <div class="state">
      <Icon name={icon} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** What went wrong, in the service's own words, and a way to try again. */
export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  const problem = error instanceof ApiError ? error.problem : null;
  return (
    <div class="state" role="alert">
      <Icon name="warn" />
      <h2>{problem?.title ?? "That did not work"}</h2>
      <p>{error instanceof Error ? error.message : String(error)}</p>
      {problem?.errors?.map((one) => <p key={one.pointer} class="small"><code>{one.pointer}</code> {one.detail}</p>)}
      {problem?.request_id && <p class="tiny faint">Request {problem.request_id}</p>}
      {retry && <Button icon="restore" onClick={retry}>Try again</Button>}
    </div>
  );
}

export function Loading({ lines = 4, label = "Loading" }: { lines?: number; label?: string }) {
  return (
    <div class="stack-s" role="status" aria-label={label}>
      {Array.from({ length: lines }, (_, n) => <div key={n} class="skeleton" style={{ height: 18, width: `${[92, 78, 85, 60][n % 4]}%` }} />)}
    </div>
  );
}

/** Show what was read, or that it is being read, or why it could not be. */
export function Shown<T>({ read, children, lines }: { read: { data: T | undefined; error: Error | undefined; mutate: () => unknown }; children: (data: T) => ComponentChildren; lines?: number }) {
  if (read.data !== undefined) return <>{children(read.data)}</>;
  if (read.error) return <Failed error={read.error} retry={() => void read.mutate()} />;
  return <Loading {...(lines ? { lines } : {})} />;
}

export function Figure({ name, value, title }: { name: string; value: ComponentChildren; title?: string }) {
  return (
    <div class="figure" title={title}>
      <span class="value">{value}</span>
      <span class="name">{name}</span>
    </div>
  );
}

/** Names and values, one pair a line; pairs without a value are left out. */
export function Facts({ of }: { of: [string, ComponentChildren][] }) {
  const said = of.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false);
  return (
    <dl class="facts">
      {said.map(([name, value]) => [<dt key={`${name}-t`}>{name}</dt>, <dd key={`${name}-d`}>{value}</dd>])}
    </dl>
  );
}

/** A modal window on the browser's own element: it keeps the focus and closes on Escape. */
export function Dialog({ open, title, onClose, children, actions }: { open: boolean; title: string; onClose: () => void; children: ComponentChildren; actions?: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    if (!dialog) return;
    if (open && !dialog.open) dialog.showModal();
    if (!open && dialog.open) dialog.close();
  }, [open]);
  return (
    <dialog ref={element} class="dialog" aria-labelledby={id} onClose={onClose}>
      {open && (
        <div class="dialog-body">
          <div class="row-between">
            <h2 id={id}>{title}</h2>
            <Button kind="quiet" icon="close" small aria-label="Close" onClick={onClose} />
          </div>
          {children}
          {actions && <div class="dialog-actions">{actions}</div>}
        </div>
      )}
    </dialog>
  );
}

export interface TabOf {
  id: string;
  label: string;
  count?: number | undefined;
}

/** Tabs whose choice the caller keeps, as a rule in the address. */
export function Tabs({ tabs, chosen, choose, label }: { tabs: TabOf[]; chosen: string; choose: (id: string) => void; label: string }) {
  const onKey = (event: JSX.TargetedKeyboardEvent<HTMLDivElement>) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    event.preventDefault();
    const at = tabs.findIndex((tab) => tab.id === chosen);
    const next = tabs[(at + step + tabs.length) % tabs.length];
    if (!next) return;
    choose(next.id);
    event.currentTarget.querySelectorAll<HTMLElement>("[role=tab]")[tabs.indexOf(next)]?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={label} onKeyDown={onKey}>
      {tabs.map((tab) => (
        <button key={tab.id} type="button" role="tab" class="tab" aria-selected={tab.id === chosen} tabIndex={tab.id === chosen ? 0 : -1} onClick={() => choose(tab.id)}>
          {tab.label}
          {tab.count !== undefined && <span class="faint number"> {tab.count.toLocaleString("en")}</span>}
        </button>
      ))}
    </div>
  );
}

/** Two clicks instead of a dialog where something cannot be undone: the second says what it does, also where the first shows an icon only. */
export function ButtonTwice({ children, sure, onClick, ...rest }: ButtonProps & { sure: string; onClick: () => void }) {
  const [asked, setAsked] = useState(false);
  useEffect(() => {
    if (!asked) return undefined;
    const timer = setTimeout(() => setAsked(false), 4_000);
    return () => clearTimeout(timer);
  }, [asked]);
  return (
    <Button {...rest} aria-label={asked ? undefined : rest["aria-label"]} onClick={() => (asked ? (setAsked(false), onClick()) : setAsked(true))}>
      {asked ? sure : children}
    </Button>
  );
}
