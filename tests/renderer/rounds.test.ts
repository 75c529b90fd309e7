// How a video file is looped: the sound of some files has nothing in the part that is played.
import { expect, test } from 'vitest';
import { playRounds, type Round } from '../../renderer/studio/media/rounds.ts';

test('a loop goes on until it is stopped, and ends where a round had nothing to play', async () => {
  const played = async (loop: boolean, outcomes: readonly Round[]): Promise<number[]> => {
    const rounds: number[] = [];
    await playRounds(loop, (round) => {
      rounds.push(round);
      const outcome = outcomes[round];
      return outcome === undefined
        ? Promise.reject(new Error('It plays one round too many.'))
        : Promise.resolve(outcome);
    });
    return rounds;
  };
  expect(await played(false, ['played'])).toEqual([0]);
  expect(await played(true, ['played', 'played', 'stopped'])).toEqual([0, 1, 2]);
  expect(await played(true, ['empty'])).toEqual([0]);
});
