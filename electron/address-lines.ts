// What a terminal shows once a studio is open: where fans and co-hosts come in, and the fans' address as a QR code. Used by the
// desktop app and, without Electron, by `npm start`. The studio's own address holds the key of the house and is not among them.
import { encodeQR } from 'qr';

/** `style`: `term` is drawn with colours, `ascii` for files and pipes. */
export const addressLines = (
  { viewerUrl, cohostUrl }: { viewerUrl: string; cohostUrl: string },
  style: 'term' | 'ascii',
): string => [encodeQR(viewerUrl, style), `Viewers   ${viewerUrl}`, `Co-hosts  ${cohostUrl}`].join('\n');
