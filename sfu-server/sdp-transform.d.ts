// The two functions of sdp-transform that are used. What is parsed is a stranger's: it is checked (show/whip-sdp.ts) before it is typed.
declare module 'sdp-transform' {
  export function parse(sdp: string): unknown;
  export function write(session: object): string;
}
