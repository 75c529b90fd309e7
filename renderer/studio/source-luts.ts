// Colour tables (.cube) that sources name: read from this machine, given to the compositor, taken away when no source names them
// any more. Not its job: what a table does to a picture (media/cube.ts), or keeping files (source-files.ts).
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { Source } from '../../sfu-server/protocol/production.ts';
import type { Compositor } from './media/compositor.ts';
import { parseCube } from './media/cube.ts';
import type { SourceFiles } from './source-files.ts';

export interface SourceLuts {
  /** Reads what is named and not there yet; a table that was missing is looked for again. */
  follow(sources: readonly Source[]): void;
  /** How many tables are named. */
  readonly wanted: number;
  /** Whether a source names a table that is not on this machine, or cannot be read. */
  isMissing(source: Source): boolean;
}

const lutOf = ({ look }: Source): string | null => look.colour?.lutId ?? null;

export const createSourceLuts = (options: {
  compositor: Pick<Compositor, 'addLut' | 'removeLut'>;
  files: Pick<SourceFiles, 'get'>;
  onTrouble: (text: string) => void;
}): SourceLuts => {
  const { compositor, files, onTrouble } = options;
  const luts = new Map<string, 'opening' | 'there' | 'missing'>();
  const open = async (lutId: string) => {
    const file = await files.get(lutId);
    if (file) compositor.addLut(lutId, parseCube(await file.text()));
    luts.set(lutId, file ? 'there' : 'missing');
  };
  return {
    follow: (sources) => {
      const wanted = new Set(sources.map(lutOf).filter((lutId) => lutId !== null));
      for (const lutId of luts.keys()) {
        if (wanted.has(lutId)) continue;
        luts.delete(lutId);
        compositor.removeLut(lutId);
      }
      for (const lutId of wanted) {
        if (luts.get(lutId) === 'opening' || luts.get(lutId) === 'there') continue;
        luts.set(lutId, 'opening');
        open(lutId).catch((error: unknown) => {
          luts.set(lutId, 'missing');
          onTrouble(error instanceof AppError ? error.message : `A LUT cannot be read (${String(error)}).`);
        });
      }
    },
    get wanted() {
      return luts.size;
    },
    isMissing: (source) => {
      const lutId = lutOf(source);
      return lutId !== null && luts.get(lutId) === 'missing';
    },
  };
};
