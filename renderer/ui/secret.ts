// Secrets that reach a page in the fragment of its address: taken out at once, kept for this tab only, so that they are
// neither in the address bar, nor in the history, nor sent to any server by the browser.

/** The secret named `name`, from the fragment (`#name=…`) or as kept since; null when this tab never had one. */
export const takeSecret = (name: string): string | null => {
  const kept = `secret.${name}`;
  const given = new URLSearchParams(location.hash.slice(1)).get(name);
  if (given === null || given === '') return sessionStorage.getItem(kept);
  sessionStorage.setItem(kept, given);
  history.replaceState(null, '', location.pathname + location.search);
  return given;
};
