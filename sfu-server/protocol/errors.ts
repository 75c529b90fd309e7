// The one table of things that can go wrong between the parts of the product, and the error class that carries them.
// Not here: how an error is shown (each page) or where it is caught (channel.ts, http.ts, ipc.ts only).

/** `audience`: who can act on it. `retry`: the same call may succeed later. `text`: the sentence shown when none is given. */
type ErrorEntry = {
  readonly audience: 'viewer' | 'crew' | 'developer';
  readonly retry: boolean;
  readonly text: string;
};

export const errorTable = {
  malformed: {
    audience: 'developer',
    retry: false,
    text: 'The message could not be read. Reload the page.',
  },
  unknownRequest: {
    audience: 'developer',
    retry: false,
    text: 'This server does not know that request. Reload the page.',
  },
  invalidParams: { audience: 'developer', retry: false, text: 'Something in the request is not valid.' },
  forbidden: { audience: 'crew', retry: false, text: 'Your link does not allow this.' },
  badToken: {
    audience: 'crew',
    retry: false,
    text: 'This link is not valid. Ask the director for a new one.',
  },
  revoked: {
    audience: 'crew',
    retry: false,
    text: 'The director has withdrawn this link. Ask for a new one.',
  },
  noShow: { audience: 'viewer', retry: false, text: 'There is no show at this address. Check the link.' },
  notFound: {
    audience: 'crew',
    retry: false,
    text: 'That is not there any more. The page has the latest state.',
  },
  wrongPhase: { audience: 'crew', retry: false, text: 'This is not possible at this point of the show.' },
  noPicture: {
    audience: 'crew',
    retry: true,
    text: 'The server gets no picture from the studio yet. Check the camera, then try again.',
  },
  limit: { audience: 'crew', retry: true, text: 'There are too many of these already. Remove one first.' },
  tooLarge: { audience: 'crew', retry: false, text: 'This is too large. Send something smaller.' },
  soldOut: { audience: 'viewer', retry: true, text: 'All of these are taken right now.' },
  notOnSale: { audience: 'viewer', retry: true, text: 'This is not on sale at the moment.' },
  buyerLimit: { audience: 'viewer', retry: false, text: 'That is more than one person may have of this.' },
  badCode: {
    audience: 'viewer',
    retry: false,
    text: 'This code does not open anything. Check it, then try again.',
  },
  tooFast: {
    audience: 'viewer',
    retry: true,
    text: 'That was very fast. Wait a few seconds, then try again.',
  },
  badName: { audience: 'viewer', retry: false, text: 'Choose another name.' },
  muted: { audience: 'viewer', retry: false, text: 'The host has muted you for the rest of this show.' },
  full: { audience: 'viewer', retry: true, text: 'This show is full. Try again in a moment.' },
  timeout: { audience: 'crew', retry: true, text: 'No answer in time. Check the connection and try again.' },
  mediaUnavailable: {
    audience: 'viewer',
    retry: true,
    text: 'The video server is restarting. The picture comes back by itself.',
  },
  storeFull: {
    audience: 'crew',
    retry: true,
    text: 'The disk is full, so this was not saved. Free some space and try again.',
  },
  storeFailed: {
    audience: 'crew',
    retry: true,
    text: 'The show data could not be saved. Check the disk, then try again.',
  },
  paymentUnavailable: {
    audience: 'viewer',
    retry: true,
    text: 'The payment service does not answer right now. Nothing is lost; try again in a moment.',
  },
  paymentRefused: {
    audience: 'viewer',
    retry: false,
    text: 'This cannot be paid in this way. Choose another way to pay, or ask at the table.',
  },
  badClip: { audience: 'crew', retry: false, text: 'The standby clip cannot be used.' },
  badLut: { audience: 'crew', retry: false, text: 'This LUT cannot be used.' },
  storeBusy: {
    audience: 'crew',
    retry: true,
    text: 'Another program is using the show data, so this was not saved. Close it (a backup, a database viewer) and try again.',
  },
  draining: {
    audience: 'viewer',
    retry: true,
    text: 'The server is restarting. This page comes back by itself.',
  },
  portTaken: {
    audience: 'crew',
    retry: false,
    text: 'Another program uses this port. Close it or choose another port.',
  },
  badConfig: { audience: 'crew', retry: false, text: 'A setting is not valid.' },
  closed: { audience: 'viewer', retry: true, text: 'The connection is closed.' },
  internal: {
    audience: 'crew',
    retry: true,
    text: 'Something went wrong on the server. It was logged; try again.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorTable;

export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorTable, code);

/** An expected failure: it crosses the channel as code + sentence. Anything else thrown is a bug and crosses as `internal`. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;

  /** `message`: one sentence for the person who can act; the table's own when left out. */
  constructor(code: ErrorCode, message?: string, options?: ErrorOptions) {
    super(message ?? errorTable[code].text, options);
    this.code = code;
  }

  get retry(): boolean {
    return errorTable[this.code].retry;
  }
}

/** Why a channel was closed by this product. WebSocket application codes, RFC 6455 §7.4.2. `reconnect`: the page may try again by itself. */
export const closeCodes = {
  malformed: { code: 4400, reconnect: false },
  revoked: { code: 4403, reconnect: false },
  handshakeTimeout: { code: 4408, reconnect: true },
  version: { code: 4409, reconnect: false },
  replaced: { code: 4410, reconnect: false },
  tooBig: { code: 4413, reconnect: false },
  flood: { code: 4429, reconnect: false },
  slow: { code: 4431, reconnect: true },
  serverClosing: { code: 4503, reconnect: true },
  lost: { code: 4000, reconnect: true },
  done: { code: 1000, reconnect: false },
} as const satisfies Record<string, { code: number; reconnect: boolean }>;

export type CloseReason = keyof typeof closeCodes;

/** The name of a close code; codes that are not ours (1006 and the like) count as a lost connection. */
export const closeReason = (code: number): CloseReason => {
  for (const [name, entry] of Object.entries(closeCodes)) {
    if (entry.code === code && isCloseReason(name)) return name;
  }
  return 'lost';
};

const isCloseReason = (name: string): name is CloseReason => Object.hasOwn(closeCodes, name);
