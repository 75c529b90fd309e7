// The crew's look into the running server: its snapshot as a tree that refreshes and marks what has changed.
// It only reads. The studio key comes from the fragment, which never leaves the browser in an address.

const refreshEveryMs = 1_000;

const element = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no #${id}.`);
  return found;
};

const key = new URLSearchParams(location.hash.slice(1)).get('key');
const statusLine = element('status');
const tree = element('tree');
const pause = element('pause');
let paused = false;
let latest: unknown = null;
/** Values by path as last shown, to mark the ones that moved. */
const before = new Map<string, string>();
/** Branches the reader has closed stay closed. */
const folded = new Set<string>();

const entriesOf = (value: object): [string, unknown][] =>
  Array.isArray(value)
    ? value.map((item: unknown, index): [string, unknown] => [String(index), item])
    : Object.entries(value);

const leaf = (name: string, value: unknown, path: string): HTMLElement => {
  const row = document.createElement('div');
  row.className = 'leaf';
  const label = document.createElement('span');
  label.className = 'leaf-name';
  label.textContent = name;
  const text = document.createElement('span');
  text.className = `leaf-value leaf-${value === null ? 'null' : typeof value}`;
  text.textContent = typeof value === 'string' ? value : JSON.stringify(value);
  if (before.has(path) && before.get(path) !== text.textContent) text.classList.add('changed');
  before.set(path, text.textContent);
  row.append(label, text);
  return row;
};

const branch = (name: string, value: unknown, path: string): HTMLElement => {
  if (typeof value !== 'object' || value === null) return leaf(name, value, path);
  const entries = entriesOf(value);
  if (entries.length === 0) return leaf(name, Array.isArray(value) ? 'none' : 'empty', path);
  const details = document.createElement('details');
  details.open = !folded.has(path);
  details.addEventListener('toggle', () => {
    if (details.open) folded.delete(path);
    else folded.add(path);
  });
  const summary = document.createElement('summary');
  summary.textContent = Array.isArray(value) ? `${name} (${entries.length})` : name;
  details.append(summary, ...entries.map(([child, item]) => branch(child, item, `${path}/${child}`)));
  return details;
};

const render = (snapshot: unknown): void => {
  const focused = document.activeElement?.tagName === 'SUMMARY';
  const selecting = getSelection()?.isCollapsed === false;
  // Never pull the ground from under somebody who reads with the keyboard or selects text.
  if (focused || selecting) return;
  const entries = typeof snapshot === 'object' && snapshot !== null ? entriesOf(snapshot) : [];
  tree.replaceChildren(...entries.map(([name, value]) => branch(name, value, name)));
};

const read = async (): Promise<void> => {
  const response = await fetch('/api/debug', {
    headers: { authorization: `Bearer ${key ?? ''}` },
    cache: 'no-store',
  });
  if (response.status === 401 || response.status === 403) {
    paused = true;
    statusLine.textContent = 'The server refuses this key. Open the page from the studio.';
    return;
  }
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  latest = await response.json();
  render(latest);
  statusLine.textContent = `As of ${new Date().toLocaleTimeString()}.`;
};

const loop = async (): Promise<void> => {
  if (!paused && document.visibilityState === 'visible') {
    try {
      await read();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      statusLine.textContent = `The server cannot be read: ${reason} Trying again.`;
    }
  }
  setTimeout(() => void loop(), refreshEveryMs);
};

pause.addEventListener('click', () => {
  paused = !paused;
  pause.setAttribute('aria-pressed', String(paused));
  pause.textContent = paused ? 'Go on' : 'Pause';
});
const copy = element('copy');
const copySnapshot = async () => {
  try {
    await navigator.clipboard.writeText(JSON.stringify(latest, null, 2));
    copy.textContent = 'Copied';
  } catch {
    copy.textContent = 'The browser does not allow copying';
  }
  setTimeout(() => {
    copy.textContent = 'Copy as JSON';
  }, 2_000);
};
copy.addEventListener('click', () => void copySnapshot());

if (key === null) {
  statusLine.textContent = 'This page needs the studio key. Open it from the studio.';
} else {
  void loop();
}
