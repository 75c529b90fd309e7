// The media part of a session: one mediasoup Device, the receiving side and the sending side. Loaded lazily.
// It decides nothing about the show; it does what session.ts passes on and heals its own transports.
import { Device } from 'mediasoup-client';
import * as z from 'zod/mini';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import { rtpCapabilities, type RtpCapabilities } from '../../sfu-server/protocol/media.ts';
import type { MediaHost, MediaPart } from './media-part.ts';
import { clientExtensions, createReceiving } from './receiving.ts';
import { createSending } from './sending.ts';

export const createMedia = (host: MediaHost): MediaPart => {
  let device: Device | null = null;
  let prepared: { offer: string; capabilities: Promise<RtpCapabilities> } | null = null;
  const currentDevice = (): Device => {
    if (!device) throw new AppError('mediaUnavailable');
    return device;
  };
  const receiving = createReceiving(host, currentDevice);
  const sending = createSending(host, currentDevice);
  const stopFollowing = host.store.subscribe((state, before) => {
    const [now, then] = [state.show, before.show];
    if (now?.guests !== then?.guests || now?.encoders !== then?.encoders) receiving.refreshFeeds();
  });

  const load = async (offered: RtpCapabilities): Promise<RtpCapabilities> => {
    try {
      const next = await Device.factory();
      const headerExtensions = clientExtensions(offered.headerExtensions);
      await next.load({ routerRtpCapabilities: { ...offered, headerExtensions } });
      device = next;
      return z.parse(rtpCapabilities, next.recvRtpCapabilities);
    } catch (error) {
      prepared = null; // The next attempt asks the browser again.
      throw error;
    }
  };

  return {
    prepare: (offered: RtpCapabilities) => {
      const offer = JSON.stringify(offered);
      if (!prepared || prepared.offer !== offer) prepared = { offer, capabilities: load(offered) };
      return prepared.capabilities;
    },
    joined: (joined) => {
      receiving.open(joined.media);
      sending.open();
    },
    reset: ({ receive, send, receiving: opened }) => {
      if (opened) receiving.replace(opened);
      else if (receive) receiving.reopen();
      if (send) sending.open();
    },
    consumerClosed: (consumerId) => receiving.consumerClosed(consumerId),
    mixMinusChanged: () => receiving.mixMinusChanged(),
    publish: (track, use, options) => sending.publish(track, use, options),
    subscribe: (target) => receiving.subscribe(target),
    programStats: () => receiving.programStats(),
    measureLoop: async (way, effort) =>
      (await import('./loop.ts')).measureLoop(host, currentDevice(), way, effort),
    countFrames: (counter) => receiving.countFrames(counter),
    preferLayer: (height) => receiving.preferLayer(height),
    setSound: (sound) => receiving.setSound(sound),
    jump: (why) => {
      receiving.jump(why);
      sending.jump(why);
    },
    close: () => {
      stopFollowing();
      receiving.close();
      sending.close();
    },
    snapshot: () => ({ receive: receiving.snapshot(), send: sending.snapshot() }),
  };
};
