// The director's side of the shop: what buttons, forms and keys ask of the server, the drop they mean, links handed out, files up
// and down. Not its job: the rules (the server's) or what it looks like (drop/).
import * as z from 'zod/mini';
import { createStore, type StoreApi } from 'zustand/vanilla';
import { AppError } from '../../sfu-server/protocol/errors.ts';
import type { ShowParamsInput, ShowRequest, ShowResult } from '../../sfu-server/protocol/messages.ts';
import {
  variantId,
  type CrewId,
  type Drop,
  type DropId,
  type DropState,
  type Product,
  type ProductId,
  type Variant,
  type VariantId,
} from '../../sfu-server/protocol/shop.ts';
import { featuredProduct } from '../../sfu-server/protocol/state.ts';
import type { Session } from '../session/session.ts';
import { saveFile } from '../ui/save-file.ts';

export type Answer<T> = { ok: true; result: T } | { ok: false; text: string };

/** What a request is asked for: a form has a place of its own for a sentence, a button or key has the health line. */
export type Ask = <N extends ShowRequest>(
  name: N,
  params: ShowParamsInput<N>,
) => Promise<Answer<ShowResult<N>>>;

export type ImportReport = { products: number; variants: number; errors: { row: number; text: string }[] };

export type ShopDeskState = {
  /** End was pressed once. */
  endArmed: boolean;
  /** The drop the director has turned to; null: the one that is furthest on its way. */
  chosenDropId: DropId | null;
  /** What a sale at the table is of; null, or not of the product shown: its first variant. */
  tableVariantId: VariantId | null;
  /** Links made since the page opened; a token is shown only once. */
  crewLinks: Readonly<Record<CrewId, string>>;
};

export type ShopDesk = ReturnType<typeof createShopDesk>;

const weight: Record<DropState['kind'], number> = {
  running: 6,
  soldOut: 5,
  paused: 4,
  countdown: 3,
  scheduled: 2,
  ready: 1,
  ended: 0,
};

/** The drop that buttons and keys mean: the chosen one until it ends, else one that is on, else the next, else one that waits, else the last. */
export const currentDrop = (drops: readonly Drop[], chosen: DropId | null): Drop | null => {
  const wanted = drops.find(({ id, state }) => id === chosen && state.kind !== 'ended');
  if (wanted) return wanted;
  const [best] = drops.toSorted(
    (a, b) => weight[b.state.kind] - weight[a.state.kind] || b.createdMs - a.createdMs,
  );
  return best ?? null;
};

/** What `+1` counts. */
export const tableVariant = ({ variants }: Product, chosen: VariantId | null): Variant | undefined =>
  variants.find(({ id }) => id === chosen) ?? variants[0];

/** A second press counts as meant within this time. */
const armedMs = 4_000;
const quickCountdownMs = 10_000;
const extendByMs = 60_000;

const refusal = z.object({ code: z.string(), message: z.string() });
const pictureReply = z.object({ pictureUrl: z.string() });
const importReply = z.object({
  products: z.number(),
  variants: z.number(),
  errors: z.array(z.object({ row: z.number(), text: z.string() })),
});

export const createShopDesk = (options: {
  session: Session;
  key: string;
  /** What did not work, in one sentence; null: the last thing did. */
  tell: (text: string | null) => void;
}) => {
  const { session, key, tell } = options;
  const store: StoreApi<ShopDeskState> = createStore(() => ({
    endArmed: false,
    chosenDropId: null,
    tableVariantId: null,
    crewLinks: {},
  }));
  const show = () => session.store.getState().show;

  const ask: Ask = async (name, params) => {
    try {
      return { ok: true, result: await session.call(name, params) };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return { ok: false, text: error.message };
    }
  };
  const press: Ask = async (name, params) => {
    const answer = await ask(name, params);
    tell(answer.ok ? null : answer.text);
    return answer;
  };

  /** Posts or gets with the studio key; `shape` is what a success looks like. */
  const exchange = async <T>(
    path: string,
    init: { method?: string; body?: File; contentType?: string },
    read: (response: Response) => Promise<T>,
  ): Promise<Answer<T>> => {
    try {
      const response = await fetch(path, {
        method: init.method ?? 'GET',
        body: init.body ?? null,
        headers: {
          authorization: `Bearer ${key}`,
          ...(init.contentType === undefined ? {} : { 'content-type': init.contentType }),
        },
      });
      if (response.ok) return { ok: true, result: await read(response) };
      const reply = refusal.safeParse(await response.json());
      return {
        ok: false,
        text: reply.success ? reply.data.message : 'The server did not take it. Try again.',
      };
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof SyntaxError)) throw error;
      return { ok: false, text: 'The server could not be reached. Check the connection and try again.' };
    }
  };

  const current = (): Drop | null => currentDrop(show()?.drops ?? [], store.getState().chosenDropId);
  let disarm: ReturnType<typeof setTimeout> | undefined;
  const setArmed = (endArmed: boolean) => {
    clearTimeout(disarm);
    store.setState({ endArmed });
    if (endArmed) disarm = setTimeout(() => store.setState({ endArmed: false }), armedMs);
  };
  const keepLink = (id: CrewId, token: string) => {
    const { connection } = session.store.getState();
    const origin = connection.kind === 'joined' ? connection.publicOrigin : location.origin;
    store.setState(({ crewLinks }) => ({ crewLinks: { ...crewLinks, [id]: `${origin}/crew#t=${token}` } }));
  };

  return {
    store,
    ask,
    press,
    product: (id: ProductId): Product | null => show()?.products.find((one) => one.id === id) ?? null,
    featured: (): Product | null => {
      const state = show();
      return state && featuredProduct(state);
    },

    /** From now on buttons and keys mean this drop; null: the one that is furthest on its way. */
    turnTo: (id: DropId | null): void => {
      setArmed(false);
      store.setState({ chosenDropId: id });
    },
    /** One tap: starts the drop, pauses it, or goes on. */
    startOrPause: async () => {
      const drop = current();
      if (!drop) return tell('There is no drop yet. Make one under Drop.');
      const { id: dropId } = drop;
      switch (drop.state.kind) {
        case 'ready':
        case 'scheduled':
        case 'countdown':
          return void (await press('startDrop', { dropId, countdownMs: null }));
        case 'running':
          return void (await press('pauseDrop', { dropId }));
        case 'paused':
          return void (await press('resumeDrop', { dropId }));
        case 'soldOut':
        case 'ended':
          return void (await press('restartDrop', { dropId, countdownMs: null }));
      }
    },
    countDown: async (countdownMs = quickCountdownMs) => {
      const drop = current();
      if (!drop) return tell('There is no drop yet. Make one under Drop.');
      const { id: dropId } = drop;
      const again = drop.state.kind === 'ended' || drop.state.kind === 'soldOut';
      await press(again ? 'restartDrop' : 'startDrop', { dropId, countdownMs });
    },
    extend: async () => {
      const drop = current();
      if (drop) await press('extendDrop', { dropId: drop.id, byMs: extendByMs });
    },
    /** The first call arms, a second within a few seconds ends the drop. Before its start: calls it off. */
    end: async () => {
      const drop = current();
      if (!drop) return;
      const { id: dropId } = drop;
      switch (drop.state.kind) {
        case 'scheduled':
        case 'countdown':
          return void (await press('cancelDropStart', { dropId }));
        case 'running':
        case 'paused':
        case 'soldOut': {
          const { endArmed } = store.getState();
          setArmed(!endArmed);
          if (endArmed) await press('endDrop', { dropId });
          return;
        }
        case 'ready':
        case 'ended':
          return;
      }
    },

    chooseTableVariant: (id: string) => store.setState({ tableVariantId: variantId.parse(id) }),
    /** Of the product shown to fans. */
    recordSale: async (quantity: number) => {
      const state = show();
      const product = state && featuredProduct(state);
      const variant = product && tableVariant(product, store.getState().tableVariantId);
      if (product && variant) {
        await press('recordSale', { productId: product.id, variantId: variant.id, quantity });
      }
    },

    uploadPicture: (file: File) =>
      exchange('/api/pictures', { method: 'POST', contentType: file.type, body: file }, async (reply) =>
        pictureReply.parse(await reply.json()),
      ),
    /** What buyers of this product download. */
    uploadGoods: (product: ProductId, file: File) =>
      exchange(
        `/api/goods/${encodeURIComponent(product)}?name=${encodeURIComponent(file.name)}`,
        { method: 'POST', contentType: 'application/octet-stream', body: file },
        () => Promise.resolve(null),
      ),
    /** Nothing is imported while a row is wrong. */
    importCatalogue: (file: File) =>
      exchange('/api/catalogue.csv', { method: 'POST', contentType: 'text/csv', body: file }, async (reply) =>
        importReply.parse(await reply.json()),
      ),
    /** Saves a table of the server under this name. */
    download: async (path: string, fileName: string): Promise<void> => {
      const answer = await exchange(path, {}, (reply) => reply.blob());
      if (!answer.ok) return tell(answer.text);
      saveFile(answer.result, fileName);
    },

    inviteCrew: async (name: string): Promise<Answer<unknown>> => {
      const answer = await ask('inviteCrew', { name });
      if (answer.ok) keepLink(answer.result.crew.id, answer.result.token);
      return answer;
    },
    renewCrewLink: async (crewId: CrewId) => {
      const answer = await press('renewCrewLink', { crewId });
      if (answer.ok) keepLink(crewId, answer.result.token);
    },

    close: () => clearTimeout(disarm),
    snapshot: () => ({
      endArmed: store.getState().endArmed,
      crewLinks: Object.keys(store.getState().crewLinks).length,
    }),
  };
};
