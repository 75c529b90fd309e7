// Saves bytes, or what lies at an address, under a name, as the browser saves a download.
// Not its job: where they come from, or the desktop app's own folder.

/** The address is given back late: some browsers fetch it only after the click has returned. */
const heldMs = 60_000;

/** An address of this server's: the browser writes to disk as it reads. */
export const saveAddress = (address: string, name: string): void => {
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
};

export const saveFile = (bytes: Blob, name: string): void => {
  const url = URL.createObjectURL(bytes);
  saveAddress(url, name);
  setTimeout(() => URL.revokeObjectURL(url), heldMs);
};
