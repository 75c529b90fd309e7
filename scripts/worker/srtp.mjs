// SRTP and SRTCP for the worker's proof: the sender's and receiver's arithmetic of RFC 3711 (AES-CM, HMAC-SHA1) and
// RFC 7714 (AES-GCM) on Node's own crypto, written apart from the library under proof so that the two check each other.
// Not for media: no replay window, no roll-over, no key lifetimes.

import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';

/** SRTP profiles the proof speaks, named as OpenSSL's `-use_srtp` names them. Lengths in bytes. */
export const srtpProfiles = {
  SRTP_AES128_CM_SHA1_80: { keyLength: 16, saltLength: 14, tagLength: 10, aead: false },
  SRTP_AEAD_AES_128_GCM: { keyLength: 16, saltLength: 12, tagLength: 16, aead: true },
  SRTP_AEAD_AES_256_GCM: { keyLength: 32, saltLength: 12, tagLength: 16, aead: true },
};

/** Splits exported DTLS keying material (RFC 5764 section 4.2) into the two directions' master keys and salts. */
export function splitKeyingMaterial(profile, material) {
  const { keyLength, saltLength } = profile;
  const cut = (start, length) => material.subarray(start, start + length);
  return {
    client: { key: cut(0, keyLength), salt: cut(2 * keyLength, saltLength) },
    server: { key: cut(keyLength, keyLength), salt: cut(2 * keyLength + saltLength, saltLength) },
  };
}

/** Session key for a label: AES-CM key stream from the master key and salt (RFC 3711 section 4.3). */
export function deriveKey(master, label, length) {
  const counter = Buffer.alloc(16);
  master.salt.copy(counter);
  counter[7] ^= label;
  return createCipheriv(`aes-${master.key.length * 8}-ctr`, master.key, counter).update(Buffer.alloc(length));
}

/**
 * One direction of an SRTP session.
 * @param {typeof srtpProfiles[keyof typeof srtpProfiles]} profile
 * @param {{ key: Buffer, salt: Buffer }} master
 */
export function createSrtpContext(profile, master) {
  const keysFrom = (label) => ({
    cipher: deriveKey(master, label, profile.keyLength),
    auth: deriveKey(master, label + 1, 20),
    salt: deriveKey(master, label + 2, profile.saltLength),
  });
  const rtp = keysFrom(0);
  const rtcp = keysFrom(3);
  let rtcpIndex = 0;

  /** Initial counter (16 bytes) or nonce (12): salt, SSRC at byte 4 or 2, 48-bit packet index after it. */
  const counterFor = (keys, ssrc, index) => {
    const counter = Buffer.alloc(profile.aead ? 12 : 16);
    counter.writeUInt32BE(ssrc, profile.aead ? 2 : 4);
    counter.writeUIntBE(index, profile.aead ? 6 : 8, 6);
    for (let i = 0; i < keys.salt.length; i++) counter[i] ^= keys.salt[i];
    return counter;
  };
  const tagOf = (keys, ...parts) => {
    const hmac = createHmac('sha1', keys.auth);
    for (const part of parts) hmac.update(part);
    return hmac.digest().subarray(0, profile.tagLength);
  };
  const check = (keys, tag, ...parts) => {
    if (!timingSafeEqual(tagOf(keys, ...parts), tag))
      throw new Error('the authentication tag does not match');
  };
  const seal = (keys, counter, header, plain, aad) => {
    if (!profile.aead)
      return Buffer.concat([header, createCipheriv('aes-128-ctr', keys.cipher, counter).update(plain)]);
    const cipher = createCipheriv(`aes-${profile.keyLength * 8}-gcm`, keys.cipher, counter).setAAD(aad);
    return Buffer.concat([header, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  };
  const open = (keys, counter, header, sealed, aad) => {
    if (!profile.aead)
      return Buffer.concat([header, createDecipheriv('aes-128-ctr', keys.cipher, counter).update(sealed)]);
    const end = sealed.length - profile.tagLength;
    const decipher = createDecipheriv(`aes-${profile.keyLength * 8}-gcm`, keys.cipher, counter)
      .setAAD(aad)
      .setAuthTag(sealed.subarray(end));
    return Buffer.concat([header, decipher.update(sealed.subarray(0, end)), decipher.final()]);
  };
  const noRollOver = Buffer.alloc(4);

  return {
    /** RTP packet -> SRTP packet. */
    protectRtp(packet) {
      const header = packet.subarray(0, rtpHeaderLength(packet));
      const counter = counterFor(rtp, packet.readUInt32BE(8), packet.readUInt16BE(2));
      const sealed = seal(rtp, counter, header, packet.subarray(header.length), header);
      return profile.aead ? sealed : Buffer.concat([sealed, tagOf(rtp, sealed, noRollOver)]);
    },
    /** SRTP packet -> RTP packet; throws when the packet was not made with this key. */
    unprotectRtp(packet) {
      const header = packet.subarray(0, rtpHeaderLength(packet));
      const counter = counterFor(rtp, packet.readUInt32BE(8), packet.readUInt16BE(2));
      if (profile.aead) return open(rtp, counter, header, packet.subarray(header.length), header);
      const end = packet.length - profile.tagLength;
      check(rtp, packet.subarray(end), packet.subarray(0, end), noRollOver);
      return open(rtp, counter, header, packet.subarray(header.length, end), header);
    },
    /** Compound RTCP packet -> SRTCP packet. */
    protectRtcp(packet) {
      const index = ++rtcpIndex;
      const trailer = Buffer.alloc(4);
      trailer.writeUInt32BE((0x80000000 | index) >>> 0);
      const header = packet.subarray(0, 8);
      const counter = counterFor(rtcp, packet.readUInt32BE(4), index);
      const sealed = seal(rtcp, counter, header, packet.subarray(8), Buffer.concat([header, trailer]));
      if (profile.aead) return Buffer.concat([sealed, trailer]);
      return Buffer.concat([sealed, trailer, tagOf(rtcp, sealed, trailer)]);
    },
    /** SRTCP packet -> compound RTCP packet; throws when the packet was not made with this key. */
    unprotectRtcp(packet) {
      const end = packet.length - 4 - (profile.aead ? 0 : profile.tagLength);
      const trailer = packet.subarray(end, end + 4);
      const header = packet.subarray(0, 8);
      const counter = counterFor(rtcp, packet.readUInt32BE(4), trailer.readUInt32BE(0) & 0x7fffffff);
      if (!profile.aead) check(rtcp, packet.subarray(end + 4), packet.subarray(0, end), trailer);
      return open(rtcp, counter, header, packet.subarray(8, end), Buffer.concat([header, trailer]));
    },
  };
}

/** Length of an RTP header with its CSRCs and extension (RFC 3550 section 5.1). */
export function rtpHeaderLength(packet) {
  const fixed = 12 + (packet[0] & 0x0f) * 4;
  return packet[0] & 0x10 ? fixed + 4 + packet.readUInt16BE(fixed + 2) * 4 : fixed;
}
