// Saves bytes under a name, as the browser saves a download.
// Not its job: where they come from, or the desktop app's own folder.

/** The address is given back late: some browsers fetch it only after the click has returned. */
const heldMs = 60_000;

export const saveFile = (bytes: Blob, name: string): void => {
  const url = URL.createObjectURL(bytes);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), heldMs);
};
