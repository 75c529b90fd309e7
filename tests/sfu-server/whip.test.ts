// Encoders at the server's WHIP door: what they get, and who and what is refused. By plain HTTP with offers as encoders write them;
// pictures and sound of a real one come in tests/e2e/desk.test.ts.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sceneId, sourceId } from '../../sfu-server/protocol/production.ts';
import type { RtpCapabilities } from '../../sfu-server/protocol/media.ts';
import { readOffer } from '../../sfu-server/show/whip-sdp.ts';
import { freshProduction, newSource } from '../../renderer/studio/scenes.ts';
import { connect, type TestClient } from '../support/client.ts';
import { startServer, type TestServer } from '../support/server.ts';

const print = Array.from({ length: 32 }, () => 'AB').join(':');
const lines = (...all: readonly string[]): string => all.map((line) => `${line}\r\n`).join('');
/** As OBS writes it: DTLS and ICE for the whole session, streams named by SSRC. */
const head = [
  'v=0',
  'o=rtc 3767197920 0 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0 1',
  'a=setup:actpass',
  'a=ice-ufrag:abcd',
  'a=ice-pwd:abcdefghijklmnopqrstuv',
  `a=fingerprint:sha-256 ${print}`,
];
const sound = [
  'm=audio 56845 UDP/TLS/RTP/SAVPF 111',
  'c=IN IP4 192.168.1.5',
  'a=mid:0',
  'a=sendonly',
  'a=ssrc:1111 cname:obs',
  'a=rtcp-mux',
  'a=rtpmap:111 opus/48000/2',
  'a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1',
];
const picture = [
  'm=video 56845 UDP/TLS/RTP/SAVPF 96',
  'c=IN IP4 192.168.1.5',
  'a=mid:1',
  'a=sendonly',
  'a=ssrc:2222 cname:obs',
  'a=rtcp-mux',
  'a=rtpmap:96 H264/90000',
  'a=rtcp-fb:96 nack',
  'a=rtcp-fb:96 nack pli',
  'a=fmtp:96 profile-level-id=640028;packetization-mode=1;level-asymmetry-allowed=1',
];
const offer = lines(...head, ...sound, ...picture);

let server: TestServer;
let studio: TestClient;
beforeAll(async () => {
  server = await startServer();
  studio = await connect(server.origin);
  await studio.channel.call('join', {
    as: 'studio',
    key: server.studioKey,
    rtpCapabilities: studio.capabilities,
  });
  const document = freshProduction({ source: id('cam'), scene: sceneId.parse('scene') });
  await studio.channel.call('saveProduction', {
    production: { ...document, sources: [...document.sources, encoderSource('obs'), encoderSource('field')] },
  });
});
afterAll(async () => {
  studio.close();
  await server.close();
});

const id = (text: string) => sourceId.parse(text);
const encoderSource = (text: string) => newSource(id(text), text, { kind: 'encoder' });
const publish = (source: string, key: string | null, body: string, type = 'application/sdp') =>
  fetch(`${server.origin}/whip/${source}`, {
    method: 'POST',
    headers: { 'content-type': type, ...(key !== null && { authorization: `Bearer ${key}` }) },
    body,
  });
const newKey = async (source: string) =>
  (await studio.channel.call('renewEncoderKey', { sourceId: id(source) })).key;

it('[WHIP1] answers an offer of picture and sound as RFC 9725 says, and ends the session when the encoder does', async () => {
  const key = await newKey('obs');
  const response = await publish('obs', key, offer);
  expect(response.status).toBe(201);
  expect(response.headers.get('content-type')).toContain('application/sdp');
  expect(response.headers.get('access-control-allow-origin')).toBe('*');
  const answer = await response.text();
  for (const line of [
    'a=ice-lite',
    'a=group:BUNDLE 0 1',
    'a=setup:passive',
    'a=recvonly',
    'a=rtpmap:96 H264/90000',
  ]) {
    expect(answer).toContain(`${line}\r\n`);
  }
  // Asked for in stereo, and offered to browsers under the profile they all know.
  expect(answer).toMatch(/a=fmtp:111 .*stereo=1/);
  expect(answer).toMatch(/a=candidate:.* 127\.0\.0\.1 \d+ typ host/);
  // Nothing has come yet: the studio is told of a key, not of a picture.
  expect(studio.changes.findLast(({ kind }) => kind === 'encoders')).toEqual({
    kind: 'encoders',
    encoders: [{ sourceId: 'obs', presence: { kind: 'away' } }],
  });
  const session = new URL(response.headers.get('location') ?? '', server.origin);
  const authorization = { authorization: `Bearer ${key}` };
  const end = () => fetch(session, { method: 'DELETE', headers: authorization });
  expect((await fetch(session, { method: 'DELETE' })).status).toBe(401);
  expect((await end()).status).toBe(200);
  expect((await end()).status).toBe(404);
});

it('[WHIP2] refuses a missing, wrong, old or withdrawn key, a source that is not there, and whoever goes on guessing', async () => {
  const key = await newKey('obs');
  expect((await publish('obs', null, offer)).status).toBe(401);
  const wrong = await publish('obs', 'x'.repeat(32), offer);
  expect(wrong.status).toBe(401);
  expect(wrong.headers.get('www-authenticate')).toBe('Bearer');
  expect(wrong.headers.get('access-control-allow-origin')).toBe('*');
  expect(await wrong.json()).toMatchObject({ code: 'badToken', message: expect.stringContaining('studio') });
  expect((await publish('field', key, offer)).status).toBe(401);
  expect((await publish('nowhere', key, offer)).status).toBe(401);
  const newer = await newKey('obs');
  expect((await publish('obs', key, offer)).status).toBe(401);
  expect((await publish('obs', newer, offer)).status).toBe(201);
  await studio.channel.call('withdrawEncoderKey', { sourceId: id('obs') });
  expect((await publish('obs', newer, offer)).status).toBe(401);
  // Hashes only, for its owner alone.
  const file = join(server.data, 'encoder-keys.json');
  await newKey('obs');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readFile(file, 'utf8')).not.toContain(newer);

  const answers = await Promise.all(Array.from({ length: 10 }, () => publish('obs', 'guess', offer)));
  expect(answers.map(({ status }) => status)).toContain(429);
});

it('[WHIP3] refuses what is no offer of an encoder, in words, and every method but its own', async () => {
  const refusals: readonly [string, string][] = [
    ['not sdp', 'no SDP offer'],
    [lines(...head), 'no SDP offer'],
    [offer.replace('H264/90000', 'AV1/90000'), 'Set it to H.264 or VP8'],
    [offer.replace('packetization-mode=1', 'packetization-mode=0'), 'Set it to H.264 or VP8'],
    [offer.replace('opus/48000/2', 'PCMA/8000'), 'Set it to Opus'],
    [offer.replace('a=sendonly', 'a=recvonly'), 'sends nothing'],
    [offer.replace('a=group:BUNDLE 0 1', 'a=x:y'), 'bundled'],
    [offer.replace('a=setup:actpass', 'a=setup:passive'), 'setup:actpass'],
    [offer.replace(/a=fingerprint.*\r\n/, ''), 'fingerprint'],
    [offer.replace(print, 'zz'), 'no SDP offer'],
    [offer.replace('a=ssrc:2222 cname:obs\r\n', ''), 'neither an SSRC nor the mid'],
    [
      lines(...head, ...picture, ...picture.map((line) => line.replace('mid:1', 'mid:0'))),
      'several pictures',
    ],
    [
      lines(...head, 'm=application 9 UDP/DTLS/SCTP webrtc-datachannel', 'a=mid:0'),
      'more than picture and sound',
    ],
    [offer.replace('a=ssrc:2222', 'a=ssrc:99999999999'), 'out of range'],
  ];
  for (const [sdp, words] of refusals) expect(refusalOf(sdp, studio.capabilities)).toContain(words);

  const key = await newKey('field');
  const broken = await publish('field', key, 'not sdp');
  expect(broken.status).toBe(400);
  expect(await broken.json()).toMatchObject({ code: 'invalidParams' });
  expect((await publish('field', key, offer, 'application/json')).status).toBe(400);
  expect((await publish('field', key, offer + 'a=x\r\n'.repeat(20_000))).status).toBe(413);

  const endpoint = `${server.origin}/whip/field`;
  const preflight = await fetch(endpoint, { method: 'OPTIONS' });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('accept-post')).toBe('application/sdp');
  expect(preflight.headers.get('access-control-allow-headers')).toContain('Authorization');
  for (const [url, method, allow] of [
    [endpoint, 'GET', 'POST, OPTIONS'],
    [endpoint, 'PATCH', 'POST, OPTIONS'],
    [`${endpoint}/some`, 'PATCH', 'DELETE, OPTIONS'],
    [`${endpoint}/some`, 'POST', 'DELETE, OPTIONS'],
  ] as const) {
    const refused = await fetch(url, { method });
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, allow]);
  }
});

const refusalOf = (sdp: string, can: RtpCapabilities): string => {
  try {
    readOffer(sdp, can);
    return 'accepted';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};
