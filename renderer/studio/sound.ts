// The studio's sound desk: microphones by channel, each with its device and strip, backups that take over by rule, guests'
// and other sources' strips, solo, monitor, talkback. What the director chose is kept on this machine.
// Not its job: the audio graph (media/mixer.ts), opening a device (ui/devices.ts), drawing (mixer-panel.tsx).
import { createStore, type StoreApi } from 'zustand/vanilla';
import {
  createDeviceSlot,
  listDevices,
  openMicrophone,
  type DeviceIdentity,
  type DeviceMemory,
  type DeviceSlot,
  type SlotState,
} from '../ui/devices.ts';
import { createBackupRule, type BackupRule, type MicLife, type Stand } from './backup-mic.ts';
import type { InputReport } from './health.ts';
import { createLoudnessWindow } from './loudness-hint.ts';
import { createLipSync, type LipSync } from './lip-sync.ts';
import { longestSoundDelayMs, plainStrip, type StripSettings } from './media/channel-strip.ts';
import type { Compositor } from './media/compositor.ts';
import type { InputOptions, MeterReading, Mixer, Monitor } from './media/mixer.ts';
import { createSoundJudge, type SoundHealth, type SoundJudge } from './media/source-health.ts';
import {
  channelId,
  longestChannelName,
  mostChannels,
  newChannel,
  readSound,
  withAttachedStrip,
  writeSound,
  type ChannelId,
  type ChannelSettings,
  type SoundSettings,
} from './sound-settings.ts';

/** A channel as it is now. */
export type ChannelState = {
  readonly slot: SlotState;
  readonly health: SoundHealth;
  /** `backup`: its backup speaks for it. `waiting`: it is a backup that is not needed. */
  readonly place: { readonly kind: 'own' | 'waiting' } | Extract<Stand, { kind: 'backup' }>;
};

/** A strip that belongs to no microphone of this machine: a guest, a file, an encoder. */
export type AttachedStrip = {
  readonly name: string;
  readonly kind: 'guest' | 'feed' | 'file';
  readonly onAir: boolean;
  readonly strip: StripSettings;
};

export type SoundState = {
  settings: SoundSettings;
  channels: Readonly<Record<ChannelId, ChannelState>>;
  attached: Readonly<Record<string, AttachedStrip>>;
  soloIds: readonly string[];
  talking: boolean;
  /** The strip that keys act on. */
  selectedId: string | null;
  /** Devices to choose from; without names until one has been allowed. */
  microphones: readonly DeviceIdentity[];
  outputs: readonly DeviceIdentity[];
  /** The program's, of the last half minute; null without enough sound. */
  programLufs: number | null;
};

export interface SoundDesk {
  readonly store: StoreApi<SoundState>;
  /** Whether any channel has a device that is opened by itself. */
  inUse(): boolean;
  /** Opens what was in use last time; `fresh`: the first channel with the default microphone. */
  openAll(fresh: boolean): Promise<void>;
  /** Adds a channel without a device. Null when there are as many as there can be. */
  addChannel(name?: string): ChannelId | null;
  removeChannel(id: ChannelId): void;
  /** The channel becomes the left side of its device, and a new channel the right. */
  split(id: ChannelId): Promise<void>;
  change(
    id: ChannelId,
    change: Partial<Pick<ChannelSettings, 'name' | 'use' | 'processing' | 'backupId'>>,
  ): void;
  /** Opens the given device for a channel, else the remembered or the default one. */
  open(id: ChannelId, deviceId?: string): Promise<SlotState>;
  /** Lets the channel's device go and does not open it again by itself. */
  empty(id: ChannelId): void;
  /** Of a channel or of an attached strip. */
  setStrip(id: string, change: Partial<StripSettings>): void;
  stripOf(id: string): StripSettings;
  setSolo(id: string, on: boolean): void;
  /** The strip that the three below act on. */
  select(id: string | null): void;
  selectNext(step: 1 | -1): void;
  toggleMute(): void;
  toggleSolo(): void;
  setMonitor(change: Partial<Monitor>): Promise<void>;
  setTarget(targetLufs: SoundSettings['targetLufs']): void;
  /** Holds the whole picture back to meet the sound. */
  setVideoDelayMs(delayMs: number): void;
  /** One source's picture is held back by this: the sound that came with it goes with it, now and when it is attached. */
  setPictureDelayMs(id: string, delayMs: number): void;
  readonly lipSync: LipSync;
  /** While on, guests hear the talkback channel and the program does not. */
  talk(on: boolean): void;
  /** A source with sound that is no microphone. With an id that is attached, the track takes the place of the one before. */
  attach(
    id: string,
    source: Pick<AttachedStrip, 'name' | 'kind' | 'onAir'> & { track: MediaStreamTrack },
  ): void;
  /** Its strip is remembered for when it comes back, also over a reload. */
  detach(id: string): void;
  setOnAir(id: string, onAir: boolean): void;
  report(id: ChannelId): InputReport;
  close(): void;
  snapshot(): object;
}

const judgeEveryMs = 1_000;
const noneChosen = 'Choose a strip of the mixer first: [ and ] walk them.';

export const createSoundDesk = (options: {
  mixer: Mixer;
  compositor: Pick<Compositor, 'track' | 'setVideoDelayMs'>;
  /** Told in one sentence what failed. */
  onTrouble: (text: string) => void;
}): SoundDesk => {
  const { mixer, compositor } = options;
  const settings = readSound();
  const blank: ChannelState = {
    slot: { kind: 'empty' },
    health: { kind: 'waiting' },
    place: { kind: 'own' },
  };
  const store = createStore<SoundState>(() => ({
    settings,
    channels: Object.fromEntries(settings.channels.map(({ id }) => [id, blank])),
    attached: {},
    soloIds: [],
    talking: false,
    selectedId: null,
    microphones: [],
    outputs: [],
    programLufs: null,
  }));
  type Lane = { readonly slot: DeviceSlot; readonly judge: SoundJudge };
  const lanes = new Map<ChannelId, Lane>();
  const rules = new Map<ChannelId, BackupRule>();
  const loudness = createLoudnessWindow();
  let closed = false;

  const settingsOf = (id: string): ChannelSettings | undefined =>
    store.getState().settings.channels.find((channel) => channel.id === id);

  const save = (change: Partial<SoundSettings>) => {
    const next = { ...store.getState().settings, ...change };
    store.setState({ settings: next });
    writeSound(next);
  };
  const saveChannel = (id: ChannelId, change: Partial<ChannelSettings>) => {
    const { channels } = store.getState().settings;
    save({ channels: channels.map((each) => (each.id === id ? { ...each, ...change } : each)) });
  };
  const setChannel = (id: ChannelId, change: Partial<ChannelState>) =>
    store.setState(({ channels }) => ({
      channels: { ...channels, [id]: { ...(channels[id] ?? blank), ...change } },
    }));

  const readLists = async () => {
    const [microphones, all] = await Promise.all([
      listDevices('microphone'),
      navigator.mediaDevices.enumerateDevices(),
    ]);
    const outputs = all
      .filter(({ kind, deviceId }) => kind === 'audiooutput' && deviceId !== 'default' && deviceId !== '')
      .map(({ deviceId, groupId, label }) => ({ deviceId, groupId, label }));
    if (!closed) store.setState({ microphones, outputs });
  };
  const refreshLists = () => {
    readLists().catch((error: unknown) =>
      options.onTrouble(`The list of sound devices cannot be read (${String(error)}).`),
    );
  };

  // --- Microphones by channel --------------------------------------------------------------------------------------

  const inputOptions = ({ id, strip, use }: ChannelSettings): InputOptions => ({
    ...strip,
    kind: use === 'talkback' ? 'talkback' : 'local',
    onAir: (store.getState().channels[id] ?? blank).place.kind === 'own',
  });
  const tellMixer = (id: ChannelId) => {
    const channel = settingsOf(id);
    if (channel && mixer.hasInput(id)) mixer.updateInput(id, inputOptions(channel));
  };

  /** The device a channel had, in the form in which devices are remembered by role. */
  const memoryOf = (id: ChannelId, role: string): DeviceMemory => ({
    getItem: () => {
      const device = settingsOf(id)?.device;
      return JSON.stringify(device ? { [role]: device } : {});
    },
    setItem: () => {}, // What was opened is saved with the channel, when its slot says so.
  });

  const openLane = (id: ChannelId): Lane => {
    const known = lanes.get(id);
    if (known) return known;
    const judge = createSoundJudge();
    const role = settingsOf(id)?.name ?? id;
    const slot = createDeviceSlot({
      kind: 'microphone',
      role,
      memory: memoryOf(id, role),
      open: (request) => {
        const { name = role, processing = 'music' } = settingsOf(id) ?? {};
        return openMicrophone({ ...request, role: name, processing, memory: memoryOf(id, name) });
      },
      onTrack: (track) => {
        const channel = settingsOf(id);
        if (!channel) return;
        if (mixer.hasInput(id)) mixer.replaceTrack(id, track);
        else mixer.addInput(id, track, inputOptions(channel));
        judge.restart();
      },
      onState: (state) => {
        setChannel(id, { slot: state });
        if (state.kind === 'live') saveChannel(id, { device: state.identity, inUse: true });
        refreshLists();
      },
    });
    const lane = { slot, judge };
    lanes.set(id, lane);
    return lane;
  };

  const lifeOf = ({ slot, health }: ChannelState): MicLife => {
    if (slot.kind === 'unplugged' || slot.kind === 'failed' || slot.kind === 'empty') return 'gone';
    if (slot.kind === 'opening' || health.kind === 'waiting') return 'opening';
    return health.kind === 'silent' ? 'silent' : 'alive';
  };

  /** Brings every channel's place in line with the rules. A backup may stand by for several. */
  const place = (nowMs: number) => {
    const { settings, channels } = store.getState();
    const needed = new Set<ChannelId>();
    const backups = new Set<ChannelId>();
    const places = new Map<ChannelId, ChannelState['place']>();
    for (const { id, backupId, strip } of settings.channels) {
      const [main, backup] = [channels[id], backupId === null ? undefined : channels[backupId]];
      if (backupId === null || !main || !backup) continue;
      backups.add(backupId);
      const rule = rules.get(id) ?? createBackupRule();
      rules.set(id, rule);
      const stand = rule.look(lifeOf(main), lifeOf(backup), nowMs);
      // Muted on purpose, there is nothing to stand in for.
      if (stand.kind === 'main' || strip.muted) continue;
      places.set(id, stand);
      needed.add(backupId);
    }
    for (const { id } of settings.channels) {
      const next = places.get(id) ?? { kind: backups.has(id) && !needed.has(id) ? 'waiting' : 'own' };
      const now = (channels[id] ?? blank).place;
      if (now.kind === next.kind) continue;
      setChannel(id, { place: next });
      tellMixer(id);
    }
  };

  let judgedMs = 0;
  const stopMeters = mixer.onMeters((reading: MeterReading) => {
    const nowMs = Date.now();
    for (const [id, { judge }] of lanes) {
      const levels = reading.inputs[id];
      if (levels) judge.reading(levels.devicePeakDb, nowMs);
      else judge.restart();
      const health = judge.health(nowMs);
      if ((store.getState().channels[id] ?? blank).health.kind !== health.kind) setChannel(id, { health });
    }
    place(nowMs);
    loudness.add(reading.program.momentaryLufs, nowMs);
    if (nowMs - judgedMs < judgeEveryMs) return;
    judgedMs = nowMs;
    const lufs = loudness.gatedLufs();
    const programLufs = lufs === null ? null : Math.round(lufs * 10) / 10;
    if (programLufs !== store.getState().programLufs) store.setState({ programLufs });
  });

  const devices: MediaDevices | undefined = navigator.mediaDevices;
  devices?.addEventListener('devicechange', refreshLists);
  if (devices) refreshLists();

  const setMonitor = async (change: Partial<Monitor>) => {
    const monitor = { ...store.getState().settings.monitor, ...change };
    save({ monitor });
    try {
      await mixer.setMonitor(monitor);
    } catch {
      save({ monitor: { ...monitor, on: false } });
      options.onTrouble(
        'The headphones cannot be used. Choose another output for the monitor, or click into the page and try again.',
      );
    }
  };
  if (settings.monitor.on) void setMonitor({});

  const open: SoundDesk['open'] = (id, deviceId) => openLane(id).slot.open(deviceId);

  const addChannel: SoundDesk['addChannel'] = (name) => {
    const { channels } = store.getState().settings;
    if (channels.length >= mostChannels) {
      options.onTrouble(`The mixer has ${mostChannels} channels and all are in use. Remove one first.`);
      return null;
    }
    let number = channels.length + 1;
    while (channels.some((channel) => channel.id === `mic-${number}`)) number += 1;
    const id = channelId.parse(`mic-${number}`);
    save({ channels: [...channels, newChannel(id, name ?? `Mic ${number}`)] });
    setChannel(id, blank);
    return id;
  };

  const letGo = (id: ChannelId) => {
    lanes.get(id)?.slot.close();
    lanes.delete(id);
    mixer.removeInput(id);
    setSolo(id, false);
  };

  const setSolo: SoundDesk['setSolo'] = (id, on) => {
    const { soloIds } = store.getState();
    const others = soloIds.filter((each) => each !== id);
    if (!on && others.length === soloIds.length) return;
    const next = on ? [...others, id] : others;
    store.setState({ soloIds: next });
    mixer.setSolo(next);
    // Soloed is meant to be heard: headphones that are off are turned on by it.
    if (on && !store.getState().settings.monitor.on) void setMonitor({ on: true });
  };

  const stripOf: SoundDesk['stripOf'] = (id) => {
    const { attached, settings } = store.getState();
    return settingsOf(id)?.strip ?? attached[id]?.strip ?? settings.attached[id] ?? plainStrip;
  };

  const setStrip: SoundDesk['setStrip'] = (id, change) => {
    const strip = { ...stripOf(id), ...change };
    const channel = settingsOf(id);
    if (channel) saveChannel(channel.id, { strip });
    else {
      setAttached(id, { strip });
      save({ attached: withAttachedStrip(store.getState().settings.attached, id, strip) });
    }
    if (mixer.hasInput(id)) mixer.updateInput(id, channel ? change : withPicture(id, strip));
  };

  const pictureDelaysMs = new Map<string, number>();
  /** Sound that came with a picture is held back as that picture is; a microphone's is what such a delay waits for. */
  const withPicture = (id: string, strip: StripSettings): StripSettings => ({
    ...strip,
    delayMs: strip.delayMs + (pictureDelaysMs.get(id) ?? 0) + store.getState().settings.videoDelayMs,
  });
  const setVideoDelayMs = (videoDelayMs: number) => {
    save({ videoDelayMs });
    compositor.setVideoDelayMs(videoDelayMs);
    for (const [id, { strip }] of Object.entries(store.getState().attached)) {
      if (mixer.hasInput(id)) mixer.updateInput(id, withPicture(id, strip));
    }
  };
  const setPictureDelayMs = (id: string, delayMs: number) => {
    if (delayMs === 0) pictureDelaysMs.delete(id);
    else pictureDelaysMs.set(id, delayMs);
    const strip = store.getState().attached[id]?.strip;
    if (strip && mixer.hasInput(id)) mixer.updateInput(id, withPicture(id, strip));
  };
  compositor.setVideoDelayMs(settings.videoDelayMs);

  const lipSync = createLipSync({
    video: compositor.track,
    audio: mixer.programTrack,
    delays: {
      videoDelayMs: () => store.getState().settings.videoDelayMs,
      setVideoDelayMs,
      soundDelayMs: () =>
        Object.fromEntries(
          store
            .getState()
            .settings.channels.filter(({ id, use }) => use === 'program' && mixer.hasInput(id))
            .map(({ id, strip }) => [id, strip.delayMs]),
        ),
      setSoundDelayMs: (id, delayMs) => setStrip(id, { delayMs: Math.min(delayMs, longestSoundDelayMs) }),
    },
  });

  const setAttached = (id: string, change: Partial<AttachedStrip>) =>
    store.setState(({ attached }) => {
      const before = attached[id];
      return before ? { attached: { ...attached, [id]: { ...before, ...change } } } : {};
    });

  return {
    store,
    inUse: () => store.getState().settings.channels.some(({ inUse }) => inUse),
    openAll: async (fresh) => {
      const { channels } = store.getState().settings;
      const [first] = channels;
      const wanted = channels.filter(({ inUse }) => inUse);
      if (fresh && wanted.length === 0 && first) wanted.push(first);
      // One after another: two permission questions at once cover each other.
      for (const { id } of wanted) await open(id);
    },
    addChannel,
    removeChannel: (id) => {
      letGo(id);
      const { settings, channels, selectedId } = store.getState();
      save({
        channels: settings.channels
          .filter((channel) => channel.id !== id)
          .map((channel) => (channel.backupId === id ? { ...channel, backupId: null } : channel)),
      });
      const others = Object.entries(channels).filter(([each]) => each !== id);
      store.setState({
        channels: Object.fromEntries(others),
        selectedId: selectedId === id ? null : selectedId,
      });
    },
    split: async (id) => {
      const channel = settingsOf(id);
      const state = store.getState().channels[id];
      if (!channel || state?.slot.kind !== 'live') return;
      const { identity } = state.slot;
      const name = channel.name.replace(/ [LR]$/, '').slice(0, longestChannelName - 2);
      // Two lavs are what a desk begins with: the second is taken if nobody uses it.
      const unused = store
        .getState()
        .settings.channels.find((each) => each.name === `${name} R` && !each.inUse && each.id !== id);
      const rightId = unused?.id ?? addChannel(`${name} R`);
      if (rightId === null) return;
      saveChannel(id, { name: `${name} L`, strip: { ...channel.strip, mode: 'left' } });
      saveChannel(rightId, {
        strip: { ...channel.strip, mode: 'right' },
        processing: channel.processing,
        device: identity,
      });
      tellMixer(id);
      await open(rightId, identity.deviceId);
    },
    change: (id, change) => {
      const before = settingsOf(id);
      if (!before) return;
      saveChannel(id, change);
      tellMixer(id);
      const slot = store.getState().channels[id]?.slot;
      // Processing is decided when a device is opened, so that change opens it anew; the mix keeps its input.
      const anew = change.processing !== undefined && change.processing !== before.processing;
      if (anew && slot?.kind === 'live') void open(id, slot.identity.deviceId);
    },
    open,
    empty: (id) => {
      letGo(id);
      saveChannel(id, { inUse: false });
      setChannel(id, blank);
    },
    setStrip,
    stripOf,
    setSolo,
    select: (selectedId) => store.setState({ selectedId }),
    selectNext: (step) => {
      const { settings, attached, selectedId } = store.getState();
      const ids = [...settings.channels.map(({ id }) => String(id)), ...Object.keys(attached)];
      const at = selectedId === null ? (step > 0 ? -1 : ids.length) : ids.indexOf(selectedId);
      store.setState({ selectedId: ids[at + step] ?? selectedId });
    },
    toggleMute: () => {
      const { selectedId } = store.getState();
      if (selectedId === null) return options.onTrouble(noneChosen);
      setStrip(selectedId, { muted: !stripOf(selectedId).muted });
    },
    toggleSolo: () => {
      const { selectedId, soloIds } = store.getState();
      if (selectedId === null) return options.onTrouble(noneChosen);
      setSolo(selectedId, !soloIds.includes(selectedId));
    },
    setMonitor,
    setTarget: (targetLufs) => save({ targetLufs }),
    setVideoDelayMs,
    setPictureDelayMs,
    lipSync,
    talk: (on) => {
      const { settings, channels, talking } = store.getState();
      if (on === talking) return;
      const ready = settings.channels.some(
        ({ id, use }) => use === 'talkback' && channels[id]?.slot.kind === 'live',
      );
      if (on && !ready)
        return options.onTrouble(
          'There is no talkback microphone. Add a channel in the mixer and set its use to Talkback.',
        );
      store.setState({ talking: on });
      mixer.setTalkback(on);
    },
    attach: (id, { name, kind, onAir, track }) => {
      const strip = stripOf(id);
      if (mixer.hasInput(id)) mixer.replaceTrack(id, track);
      else mixer.addInput(id, track, { ...withPicture(id, strip), kind, onAir });
      store.setState(({ attached }) => ({ attached: { ...attached, [id]: { name, kind, onAir, strip } } }));
      mixer.updateInput(id, { kind, onAir });
    },
    detach: (id) => {
      const { attached } = store.getState();
      if (!attached[id]) return;
      setSolo(id, false);
      mixer.removeInput(id);
      const others = Object.entries(attached).filter(([each]) => each !== id);
      store.setState(({ selectedId }) => ({
        attached: Object.fromEntries(others),
        selectedId: selectedId === id ? null : selectedId,
      }));
    },
    setOnAir: (id, onAir) => {
      setAttached(id, { onAir });
      if (mixer.hasInput(id)) mixer.updateInput(id, { onAir });
    },
    report: (id) => {
      const { slot } = store.getState().channels[id] ?? blank;
      switch (slot.kind) {
        case 'empty':
          return { kind: 'off' };
        case 'opening':
        case 'live':
          return { kind: slot.kind };
        case 'unplugged':
          return { kind: 'gone', how: 'unplugged', forMs: Date.now() - slot.sinceMs };
        case 'failed':
          return { kind: 'failed', text: slot.problem.sentence };
      }
    },
    close: () => {
      if (closed) return;
      closed = true;
      stopMeters();
      lipSync.stop();
      devices?.removeEventListener('devicechange', refreshLists);
      for (const { slot } of lanes.values()) slot.close();
      lanes.clear();
    },
    snapshot: () => {
      const { settings, channels, attached, soloIds, talking, programLufs } = store.getState();
      return { settings, channels, attached, soloIds, talking, programLufs };
    },
  };
};
