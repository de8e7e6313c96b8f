/** Icons: strokes of one weight on a grid of 24, drawn here. */

const PATHS = {
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z",
  graph: "M6 8a2 2 0 1 0 0-4 2 2 0 0 0 0 4M18 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4M10 20a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5M8 6.3l8 1.4M6.7 8l2.6 7M16.6 9.5l-5 5.8",
  recall: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14M16 16l5 5M8 11h6M11 8v6",
  memories: "M5 4h14v16H5zM9 8h6M9 12h6M9 16h3",
  timeline: "M4 12h16M7 12V7M12 12v6M17 12V6",
  topics: "M12 4v5M12 9H6v4M12 9h6v4M4 13h4v5H4zM16 13h4v5h-4z",
  entities: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8M5 20c0-3.5 3-5 7-5s7 1.5 7 5",
  reviews: "M4 5h16v10H8l-4 4zM9 10l2 2 4-4",
  jobs: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16M12 8v4l3 2",
  changesets: "M7 4v9a4 4 0 0 0 4 4h6M14 14l3 3-3 3M17 10V4M14 7l3-3 3 3",
  erasure: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  settings: "M4 7h9M17 7h3M15 5v4M4 17h3M11 17h9M9 15v4M4 12h5M13 12h7M11 10v4",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6L6 18",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6L7 7M17 17l1.4 1.4M5.6 18.4L7 17M17 7l1.4-1.4",
  moon: "M19 14.5A7.5 7.5 0 0 1 9.5 5a7.5 7.5 0 1 0 9.5 9.5",
  out: "M14 5H6v14h8M11 12h9M17 9l3 3-3 3",
  pin: "M9 4h6l-1 6 3 3H7l3-3zM12 13v7",
  archive: "M4 5h16v4H4zM6 9v10h12V9M10 13h4",
  restore: "M5 12a7 7 0 1 1 2 5M5 18v-5h5",
  edit: "M5 19l1-4L16 5l3 3L9 18zM14 7l3 3",
  link: "M10 14a3.5 3.5 0 0 0 5 0l3-3a3.5 3.5 0 0 0-5-5l-1 1M14 10a3.5 3.5 0 0 0-5 0l-3 3a3.5 3.5 0 0 0 5 5l1-1",
  down: "M6 9l6 6 6-6",
  right: "M9 6l6 6-6 6",
  left: "M15 6l-6 6 6 6",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  good: "M5 13l4 4L19 7",
  warn: "M12 4l9 16H3zM12 10v4M12 17v.01",
  download: "M12 4v11M8 11l4 4 4-4M5 20h14",
  play: "M8 5l11 7-11 7z",
  undo: "M8 5L4 9l4 4M4 9h9a6 6 0 0 1 0 12H9",
  eye: "M3 12s3-6 9-6 9 6 9 6-3 6-9 6-9-6-9-6M12 14.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5",
  key: "M8 15a4 4 0 1 0 0-8 4 4 0 0 0 0 8M11.5 12.5L20 12.5M17 12.5v3M20 12.5v2",
  table: "M4 5h16v14H4zM4 10h16M4 15h16M10 5v14",
  split: "M12 4v6M12 10l-6 5v5M12 10l6 5v5",
  merge: "M6 4v5l6 5v6M18 4v5l-6 5",
} as const;

export type IconName = keyof typeof PATHS;

/** Draw an icon; it says nothing to a screen reader: the control around it has the words. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" width="18" height="18">
      <path d={PATHS[name]} />
    </svg>
  );
}
