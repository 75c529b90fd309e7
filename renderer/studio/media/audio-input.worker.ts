// Carries sound from media tracks to the audio thread without touching the page, which may be busy or hidden.
// Not its job: timing (the `input` processor in audio.worklet.ts keeps its own small buffer), or mixing.

/** From the page. `port` leads to the input's processor; without it an open input gets a new track. */
export type AudioInputCommand =
  | {
      readonly kind: 'open';
      readonly inputId: string;
      readonly readable: ReadableStream<AudioData>;
      readonly port: MessagePort | null;
    }
  | { readonly kind: 'close'; readonly inputId: string };

/** To the processor: two channels one after the other, at the track's own rate. */
export interface SoundBlock {
  readonly samples: Float32Array<ArrayBuffer>;
  readonly sampleRate: number;
}

/** What an input says about itself once a second, from its processor to the page. */
export interface InputReport {
  /** Sound waiting at the emptiest moment, plus one block: what this input adds to the delay. */
  readonly bufferedMs: number;
  /** Times the buffer ran dry since the last report. */
  readonly underruns: number;
}

interface Input {
  readonly port: MessagePort;
  reader: ReadableStreamDefaultReader<AudioData>;
}

const inputs = new Map<string, Input>();

self.addEventListener('message', ({ data }: MessageEvent<AudioInputCommand>) => {
  if (data.kind === 'close') closeInput(data.inputId);
  else openInput(data.inputId, data.readable, data.port);
});

function openInput(inputId: string, readable: ReadableStream<AudioData>, port: MessagePort | null): void {
  const reader = readable.getReader();
  const before = inputs.get(inputId);
  if (before !== undefined) {
    void stopReading(before.reader);
    before.reader = reader;
    void carry(before, reader);
  } else if (port !== null) {
    const input = { port, reader };
    inputs.set(inputId, input);
    void carry(input, reader);
  }
}

function closeInput(inputId: string): void {
  const input = inputs.get(inputId);
  if (input === undefined) return;
  inputs.delete(inputId);
  void stopReading(input.reader);
  input.port.close();
}

/** A track that has already ended refuses to be cancelled; then there is nothing left to stop. */
async function stopReading(reader: ReadableStreamDefaultReader<AudioData>): Promise<void> {
  await Promise.allSettled([reader.cancel()]);
}

async function carry(input: Input, reader: ReadableStreamDefaultReader<AudioData>): Promise<void> {
  for (let sound = (await reader.read()).value; sound !== undefined; sound = (await reader.read()).value) {
    if (input.reader === reader) {
      const block = toBlock(sound);
      input.port.postMessage(block, [block.samples.buffer]);
    }
    sound.close();
  }
}

function toBlock(sound: AudioData): SoundBlock {
  const { numberOfFrames, numberOfChannels, sampleRate } = sound;
  const samples = new Float32Array(numberOfFrames * 2);
  for (let channel = 0; channel < 2; channel++) {
    // A mono microphone is heard on both sides.
    sound.copyTo(samples.subarray(channel * numberOfFrames, (channel + 1) * numberOfFrames), {
      planeIndex: Math.min(channel, numberOfChannels - 1),
      format: 'f32-planar',
    });
  }
  return { samples, sampleRate };
}
