// When the studio sends its program and what becomes of a refusal, with promises in place of a server.
import { describe, expect, it } from 'vitest';
import { createProgramSending, type Sending } from '../../renderer/studio/program-sending.ts';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import { settled } from '../support/wires.ts';

/** `answers`: for picture and sound, in each attempt; the last goes on for ever. */
const sendingWith = (answers: readonly (readonly (Error | 'taken')[])[], hasPicture = () => true) => {
  const open = new Set<object>();
  const told: Sending[] = [];
  const bugs: unknown[] = [];
  let nowMs = 0;
  let attempts = 0;
  const sending = createProgramSending({
    publish: () => {
      const now = answers[Math.min(attempts, answers.length - 1)] ?? [];
      attempts += 1;
      return now.map((answer) => {
        if (answer !== 'taken') return Promise.reject(answer);
        const publication = { close: () => void open.delete(publication) };
        open.add(publication);
        return Promise.resolve(publication);
      });
    },
    hasPicture,
    onChange: (now) => void told.push(now),
    onBug: (error) => void bugs.push(error),
    nowMs: () => nowMs,
  });
  return { sending, told, open, bugs, attempts: () => attempts, pass: (ms: number) => (nowMs += ms) };
};

describe('sending the program', () => {
  it('starts with the first picture, stops with the show, and closes what it opened', async () => {
    let picture = false;
    const { sending, told, open } = sendingWith([['taken', 'taken']], () => picture);
    sending.look('setup');
    expect(told).toEqual([]);
    picture = true;
    sending.look('setup');
    await settled();
    sending.look('live');
    expect([told.map(({ kind }) => kind), open.size]).toEqual([['starting', 'sending'], 2]);
    sending.look('ended');
    expect([told.at(-1), open.size]).toEqual([{ kind: 'idle' }, 0]);
  });

  it('asks before it goes on with a show that is on air', async () => {
    const { sending, told, attempts } = sendingWith([['taken', 'taken']]);
    sending.look('live');
    sending.look('live');
    expect([told, attempts()]).toEqual([[{ kind: 'offerResume' }], 0]);
    sending.goOn();
    sending.look('live');
    await settled();
    expect(told.at(-1)).toEqual({ kind: 'sending' });
    sending.close();
  });

  it('keeps no half of a program that was refused, and tries ever more rarely', async () => {
    const { sending, told, open, attempts, pass } = sendingWith([
      [new AppError('limit', 'Too many.'), 'taken'],
      [new AppError('limit', 'Too many.'), 'taken'],
      ['taken', 'taken'],
    ]);
    sending.look('setup');
    await settled();
    expect([told.at(-1), open.size]).toEqual([{ kind: 'failed', text: 'Too many.' }, 0]);
    for (const [afterMs, tries] of [
      [900, 1],
      [200, 2],
      [1_900, 2],
      [200, 3],
    ] as const) {
      pass(afterMs);
      sending.look('setup');
      await settled();
      expect(attempts()).toBe(tries);
    }
    expect([told.at(-1), open.size]).toEqual([{ kind: 'sending' }, 2]);
    sending.close();
    expect(open.size).toBe(0);
  });

  it('does not ask again for what is refused for good, and says a bug instead of waiting for ever', async () => {
    const refused = sendingWith([[new AppError('forbidden', 'This browser cannot send H264.'), 'taken']]);
    refused.sending.look('setup');
    await settled();
    refused.pass(3_600_000);
    refused.sending.look('setup');
    expect([refused.told.at(-1), refused.attempts(), refused.open.size]).toEqual([
      { kind: 'failed', text: 'This browser cannot send H264.' },
      1,
      0,
    ]);

    const broken = sendingWith([[new TypeError('no codec'), 'taken']]);
    broken.sending.look('setup');
    await settled();
    expect(broken.told.at(-1)?.kind).toBe('failed');
    expect(broken.bugs).toHaveLength(1);
  });
});
