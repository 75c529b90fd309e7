// The port Electron gives a utility process (electron's own types cover the whole app and do not belong in plain Node code).
declare namespace NodeJS {
  interface Process {
    readonly parentPort?: {
      on(event: 'message', listener: (event: { data: unknown }) => void): void;
      postMessage(message: unknown): void;
    };
  }
}
