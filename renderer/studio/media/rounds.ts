// How often something is played from its beginning: once, or as a loop. Pure.
// Not its job: what is played, or when each piece of it is due (video-file.worker.ts).

/** `empty`: there was nothing to wait for in it, so the next would follow at once, and so for ever. */
export type Round = 'played' | 'empty' | 'stopped';

/** Plays one round, numbered from 0, and with `loop` one after the other until one is empty or stopped. */
export async function playRounds(loop: boolean, play: (round: number) => Promise<Round>): Promise<void> {
  for (let round = 0; ; round += 1) {
    const outcome = await play(round);
    if (!loop || outcome !== 'played') return;
  }
}
