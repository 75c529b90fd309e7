// Proves that a mediasoup worker binary works: ICE, a real DTLS handshake and SRTP in both directions, with no browser.
// The peer is `openssl s_client` behind a small UDP relay that answers for ICE; media are sealed and opened by srtp.mjs
// with the keys OpenSSL exports. Not a load test and not a test of mediasoup's features.

import { spawn, spawnSync } from 'node:child_process';
import { X509Certificate, createHmac, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { createSrtpContext, rtpHeaderLength, splitKeyingMaterial, srtpProfiles } from './srtp.mjs';

const codec = { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000, preferredPayloadType: 96 };
const ssrc = 0x11223344;
const packetsWanted = 20;

/**
 * Sends video through the worker and back, once for each SRTP profile.
 * @param {string} workerBin path of the worker
 * @param {{ timeoutMs?: number }} [options] limit for each profile
 * @returns {Promise<{ profile: string, packetsBack: number, ms: number }[]>}
 * @throws {Error} naming the stage that was not reached and what the worker said
 */
export async function proveWorker(workerBin, { timeoutMs = 20_000 } = {}) {
  const mediasoup = await import('mediasoup');
  const results = [];
  for (const profile of Object.keys(srtpProfiles)) {
    const startedAt = performance.now();
    const packetsBack = await proveProfile(mediasoup, workerBin, profile, timeoutMs);
    results.push({ profile, packetsBack, ms: Math.round(performance.now() - startedAt) });
  }
  return results;
}

async function proveProfile(mediasoup, workerBin, profileName, timeoutMs) {
  const closers = [];
  let stage = 'starting the worker';
  const enter = (next) => {
    stage = next;
  };
  const abort = new AbortController();
  const deadline = setTimeout(() => abort.abort(new Error('time ran out')), timeoutMs);
  try {
    const worker = await mediasoup.createWorker({ workerBin, logLevel: 'warn' });
    closers.push(() => worker.close());
    worker.once('died', (error) => abort.abort(error));
    return await Promise.race([
      handshakeAndMedia(worker, profileName, closers, enter),
      rejectOnAbort(abort.signal),
    ]);
  } catch (error) {
    throw new Error(`the worker failed its proof (${profileName}) at "${stage}": ${error.message}`, {
      cause: error,
    });
  } finally {
    clearTimeout(deadline);
    for (const close of closers.toReversed()) close();
  }
}

async function handshakeAndMedia(worker, profileName, closers, enter) {
  const profile = srtpProfiles[profileName];
  const router = await worker.createRouter({ mediaCodecs: [codec] });
  const transport = await router.createWebRtcTransport({
    listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }],
  });

  enter('making a certificate');
  const identity = makeCertificate();
  closers.push(identity.remove);
  await transport.connect({
    dtlsParameters: { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: identity.fingerprint }] },
  });

  enter('ICE');
  const relay = await openRelay(transport.iceCandidates[0]);
  closers.push(relay.close);
  await relay.nominate(transport.iceParameters);

  enter('DTLS handshake');
  const connected = new Promise((resolve, reject) => {
    transport.on('dtlsstatechange', (state) => {
      if (state === 'connected') resolve();
      else if (state === 'failed' || state === 'closed')
        reject(new Error(`the worker reports DTLS ${state}`));
    });
  });
  const client = startDtlsClient(relay.port, profileName, profile, identity);
  closers.push(client.close);
  const [material] = await Promise.all([client.keyingMaterial, connected]);
  const keys = splitKeyingMaterial(profile, material);
  const sender = createSrtpContext(profile, keys.client);
  const receiver = createSrtpContext(profile, keys.server);

  enter('SRTP');
  const producer = await transport.produce({
    kind: 'video',
    rtpParameters: {
      codecs: [
        {
          mimeType: codec.mimeType,
          clockRate: codec.clockRate,
          payloadType: 96,
          rtcpFeedback: [{ type: 'nack', parameter: 'pli' }],
        },
      ],
      encodings: [{ ssrc }],
      rtcp: { cname: 'proof' },
    },
  });
  await producer.enableTraceEvent(['sr']);
  const reportSeen = once(producer, 'trace');
  const consumer = await transport.consume({
    producerId: producer.id,
    rtpCapabilities: router.rtpCapabilities,
  });
  const consumerSsrc = consumer.rtpParameters.encodings[0].ssrc;

  // Each packet carries its own random mark, so that only our bytes, opened with our keys, count as having come back.
  const marks = new Set();
  let packetsBack = 0;
  let keyframeAsked = false;
  const allBack = new Promise((resolve, reject) => {
    relay.onMedia = (packet) => {
      try {
        if (isRtcp(packet)) {
          const feedback = receiver.unprotectRtcp(packet);
          keyframeAsked ||= hasRtcpType(feedback, 206);
        } else if (packet.readUInt32BE(8) === consumerSsrc) {
          const rtp = receiver.unprotectRtp(packet);
          if (marks.delete(rtp.subarray(rtpHeaderLength(rtp)).subarray(-8).toString('hex'))) packetsBack++;
          // Asked while media flow, this comes back as a PLI at once: the worker's own SRTCP.
          if (packetsBack === 1) consumer.requestKeyFrame().catch(reject);
        }
      } catch (error) {
        reject(error);
      }
      if (packetsBack >= packetsWanted && keyframeAsked) resolve();
    };
  });
  let sequence = 1;
  const pacer = setInterval(() => {
    const mark = randomBytes(8);
    marks.add(mark.toString('hex'));
    relay.send(sender.protectRtp(keyframePacket(sequence, mark)));
    if (sequence % 10 === 1) relay.send(sender.protectRtcp(senderReport(sequence)));
    sequence++;
  }, 5);
  closers.push(() => clearInterval(pacer));
  await Promise.all([allBack, reportSeen]);
  return packetsBack;
}

/** A self-signed certificate in a folder of its own. */
function makeCertificate() {
  const dir = mkdtempSync(join(tmpdir(), 'worker-proof-'));
  const keyFile = join(dir, 'key.pem');
  const certFile = join(dir, 'cert.pem');
  const remove = () => rmSync(dir, { recursive: true, force: true });
  const made = spawnSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=proof',
      '-keyout',
      keyFile,
      '-out',
      certFile,
    ],
    { encoding: 'utf8' },
  );
  if (made.status !== 0) {
    remove();
    throw new Error(`openssl req failed: ${made.error?.message ?? made.stderr}`);
  }
  return {
    keyFile,
    certFile,
    remove,
    fingerprint: new X509Certificate(readFileSync(certFile)).fingerprint256,
  };
}

/** Runs the DTLS client; `keyingMaterial` resolves after the handshake (RFC 5764 exporter). */
function startDtlsClient(port, profileName, profile, { keyFile, certFile }) {
  const length = 2 * (profile.keyLength + profile.saltLength);
  const connection = [
    '-dtls1_2',
    '-connect',
    `127.0.0.1:${port}`,
    '-mtu',
    '1200',
    '-cert',
    certFile,
    '-key',
    keyFile,
  ];
  const keying = [
    '-use_srtp',
    profileName,
    '-keymatexport',
    'EXTRACTOR-dtls_srtp',
    '-keymatexportlen',
    String(length),
  ];
  const child = spawn('openssl', ['s_client', ...connection, ...keying]);
  const keyingMaterial = new Promise((resolve, reject) => {
    let output = '';
    const read = (chunk) => {
      output += chunk;
      const hex = /Keying material: ([0-9A-F]+)\s/.exec(output)?.[1];
      if (hex !== undefined) resolve(Buffer.from(hex, 'hex'));
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('error', reject);
    child.on('close', () => reject(new Error(`openssl s_client ended early: ${output.slice(-400)}`)));
  });
  return { keyingMaterial, close: () => child.kill('SIGKILL') };
}

/** One UDP socket towards the worker and one towards OpenSSL; media packets go to `onMedia` instead. */
async function openRelay(candidate) {
  const workerSide = createSocket('udp4');
  const opensslSide = createSocket('udp4');
  workerSide.bind(0, '127.0.0.1');
  opensslSide.bind(0, '127.0.0.1');
  await Promise.all([once(workerSide, 'listening'), once(opensslSide, 'listening')]);
  let opensslPort = 0;
  let onStunAnswer = () => {};
  const relay = {
    port: opensslSide.address().port,
    onMedia: () => {},
    send: (packet) => workerSide.send(packet, candidate.port, candidate.ip),
    /** Binding requests with USE-CANDIDATE until the worker answers one with success. */
    nominate: (iceParameters) =>
      new Promise((resolve, reject) => {
        const ask = () => relay.send(bindingRequest(iceParameters));
        const retry = setInterval(ask, 200);
        workerSide.once('close', () => clearInterval(retry));
        onStunAnswer = (type) => {
          clearInterval(retry);
          if (type === 0x0101) resolve();
          else reject(new Error(`the worker answered STUN with type 0x${type.toString(16)}`));
        };
        ask();
      }),
    close: () => {
      workerSide.close();
      opensslSide.close();
    },
  };
  // First byte tells STUN, DTLS and media apart (RFC 7983).
  workerSide.on('message', (packet) => {
    if (packet[0] < 4) onStunAnswer(packet.readUInt16BE(0));
    else if (packet[0] >= 128) relay.onMedia(packet);
    else if (opensslPort !== 0) opensslSide.send(packet, opensslPort, '127.0.0.1');
  });
  opensslSide.on('message', (packet, from) => {
    opensslPort = from.port;
    relay.send(packet);
  });
  return relay;
}

/** STUN binding request of a controlling agent (RFC 8445, RFC 8489). */
function bindingRequest({ usernameFragment, password }) {
  const attribute = (type, value) => {
    const head = Buffer.alloc(4);
    head.writeUInt16BE(type, 0);
    head.writeUInt16BE(value.length, 2);
    return Buffer.concat([head, value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
  };
  const body = Buffer.concat([
    attribute(0x0006, Buffer.from(`${usernameFragment}:proof`)),
    attribute(0x0024, Buffer.from([0x6e, 0x7f, 0x1e, 0xff])),
    attribute(0x802a, randomBytes(8)),
    attribute(0x0025, Buffer.alloc(0)),
  ]);
  const header = Buffer.alloc(20);
  header.writeUInt16BE(0x0001, 0);
  header.writeUInt32BE(0x2112a442, 4);
  randomBytes(12).copy(header, 8);
  // Each check value is made over a header whose length already counts its own attribute: 24 bytes, then 8 more.
  header.writeUInt16BE(body.length + 24, 2);
  const integrity = attribute(0x0008, createHmac('sha1', password).update(header).update(body).digest());
  header.writeUInt16BE(body.length + 32, 2);
  const signed = Buffer.concat([header, body, integrity]);
  const fingerprint = Buffer.alloc(4);
  fingerprint.writeUInt32BE((crc32(signed) ^ 0x5354554e) >>> 0);
  return Buffer.concat([signed, attribute(0x8028, fingerprint)]);
}

/** A whole VP8 key frame in one packet: all that the worker needs to forward it (RFC 7741). */
function keyframePacket(sequence, mark) {
  const header = Buffer.alloc(12);
  header[0] = 0x80;
  header[1] = 0x80 | 96;
  header.writeUInt16BE(sequence, 2);
  header.writeUInt32BE(sequence * 450, 4);
  header.writeUInt32BE(ssrc, 8);
  const descriptor = Buffer.from([0x10]);
  const frameHeader = Buffer.from([0x10, 0, 0, 0x9d, 0x01, 0x2a, 16, 0, 16, 0]);
  return Buffer.concat([header, descriptor, frameHeader, mark]);
}

/** RTCP sender report followed by the source description a compound packet needs (RFC 3550 section 6). */
function senderReport(sequence) {
  const report = Buffer.alloc(28);
  report[0] = 0x80;
  report[1] = 200;
  report.writeUInt16BE(6, 2);
  report.writeUInt32BE(ssrc, 4);
  const nowMs = Date.now();
  report.writeUInt32BE(Math.floor(nowMs / 1000) + 2_208_988_800, 8);
  report.writeUInt32BE(Math.floor((nowMs % 1000) * 4_294_967.296), 12);
  report.writeUInt32BE(sequence * 450, 16);
  report.writeUInt32BE(sequence, 20);
  const description = Buffer.from([
    0x81, 202, 0, 4, 0, 0, 0, 0, 1, 5, 0x70, 0x72, 0x6f, 0x6f, 0x66, 0, 0, 0, 0, 0,
  ]);
  description.writeUInt32BE(ssrc, 4);
  return Buffer.concat([report, description]);
}

function isRtcp(packet) {
  return packet[1] >= 192 && packet[1] <= 223;
}

function hasRtcpType(compound, type) {
  for (let offset = 0; offset + 4 <= compound.length; offset += 4 + compound.readUInt16BE(offset + 2) * 4)
    if (compound[offset + 1] === type) return true;
  return false;
}

function rejectOnAbort(signal) {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
