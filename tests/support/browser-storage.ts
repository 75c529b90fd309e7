// What a browser keeps for a page from one loading to the next (`localStorage`), for tests without a browser.

export const createBrowserStorage = (kept: Map<string, string> = new Map<string, string>()): Storage => ({
  get length() {
    return kept.size;
  },
  key: (index) => [...kept.keys()][index] ?? null,
  getItem: (key) => kept.get(key) ?? null,
  setItem: (key, value) => void kept.set(key, value),
  removeItem: (key) => void kept.delete(key),
  clear: () => kept.clear(),
});
