// How goods reach buyers: pickup windows with their room, shipping lanes with their prices, and the list of what is to be packed.
// Which order chose what is in the order itself (orders.ts).
import * as z from 'zod/mini';
import { newPublicId } from '../access/tokens.ts';
import { AppError } from '../protocol/errors.ts';
import type { ShowParams, ShowResult } from '../protocol/messages.ts';
import type { PickupWindow, ShippingLane } from '../protocol/order-messages.ts';
import { fulfilment, orderId, type OrderId } from '../protocol/shop.ts';
import type { ShowId } from '../protocol/state.ts';
import { isConstraint, json, type Store } from '../store/database.ts';

const windowRow = z.object({
  id: z.string(),
  place: z.string(),
  starts_ms: z.int(),
  ends_ms: z.int(),
  capacity: z.nullable(z.int()),
  taken: z.int(),
});
const laneRow = z.object({
  id: z.string(),
  name: z.string(),
  countries: json(z.array(z.string())),
  price_minor: z.int(),
  free_from_minor: z.nullable(z.int()),
  estimate: z.string(),
});

const pickupWindow = (row: z.infer<typeof windowRow>): PickupWindow => ({
  id: row.id,
  place: row.place,
  startsMs: row.starts_ms,
  endsMs: row.ends_ms,
  capacity: row.capacity,
  taken: row.taken,
});
const shippingLane = (row: z.infer<typeof laneRow>): ShippingLane => ({
  id: row.id,
  name: row.name,
  countries: row.countries,
  priceMinor: row.price_minor,
  freeFromMinor: row.free_from_minor,
  estimate: row.estimate,
});

const unpaid = `o.stage IN ('details', 'awaitingPayment', 'confirming')`;

export type Fulfilments = ReturnType<typeof createFulfilments>;

export const createFulfilments = (store: Store, show: ShowId) => {
  const { query, command, transaction } = store;
  const windowColumns = Object.keys(windowRow.shape).join(', ');
  const windows = query(
    windowRow,
    `SELECT ${windowColumns} FROM pickup_windows WHERE show_id = ? ORDER BY starts_ms, rowid`,
  );
  const windowById = query(
    windowRow,
    `SELECT ${windowColumns} FROM pickup_windows WHERE id = ? AND show_id = ?`,
  );
  const insertWindow = command(
    'INSERT INTO pickup_windows (id, show_id, place, starts_ms, ends_ms, capacity) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const updateWindow = command(
    'UPDATE pickup_windows SET place = ?, starts_ms = ?, ends_ms = ?, capacity = ? WHERE id = ? AND show_id = ?',
  );
  const removeWindow = command('DELETE FROM pickup_windows WHERE id = ? AND show_id = ?');
  const takeRoom = command(
    'UPDATE pickup_windows SET taken = taken + 1 WHERE id = ? AND show_id = ? AND (capacity IS NULL OR taken < capacity)',
  );
  /** Only orders that count: one that is closed has left its window already. */
  const leaveWindow = command(
    `UPDATE pickup_windows SET taken = taken - 1 WHERE id = (SELECT pickup_window_id FROM orders o WHERE o.id = ? AND ${unpaid})`,
  );
  const windowOf = query(
    z.object({ id: z.nullable(z.string()) }),
    'SELECT pickup_window_id AS id FROM orders WHERE id = ?',
  );
  const dropChoice = command('UPDATE orders SET pickup_window_id = NULL WHERE id = ?');

  const laneColumns = Object.keys(laneRow.shape).join(', ');
  const lanes = query(
    laneRow,
    `SELECT ${laneColumns} FROM shipping_lanes WHERE show_id = ? AND removed_ms IS NULL ORDER BY position`,
  );
  const laneById = query(laneRow, `SELECT ${laneColumns} FROM shipping_lanes WHERE id = ? AND show_id = ?`);
  const insertLane = command(
    `INSERT INTO shipping_lanes (id, show_id, name, countries, price_minor, free_from_minor, estimate, position)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const updateLane = command(
    `UPDATE shipping_lanes SET name = ?, countries = ?, price_minor = ?, free_from_minor = ?, estimate = ?, position = ?
      WHERE id = ? AND show_id = ? AND removed_ms IS NULL`,
  );
  const removeLane = command('UPDATE shipping_lanes SET removed_ms = ? WHERE id = ? AND show_id = ?');

  const toPack = query(
    z.object({
      id: orderId,
      pickup_code: z.string(),
      name: z.string(),
      fulfilment: json(fulfilment),
      sku: z.string(),
      product_name: z.string(),
      variant_name: z.string(),
      pieces: z.int(),
    }),
    `SELECT o.id, o.pickup_code, o.name, o.fulfilment, l.sku, l.product_name, l.variant_name, l.quantity - l.returned AS pieces
       FROM orders o JOIN order_lines l ON l.order_id = o.id JOIN variants v ON v.id = l.variant_id JOIN products p ON p.id = v.product_id
      WHERE o.show_id = ? AND o.stage = 'paid' AND p.kind <> 'digital' AND l.quantity > l.returned
      ORDER BY o.created_ms, o.rowid, l.position`,
  );

  const setup = () => ({
    windows: windows.all(show).map(pickupWindow),
    lanes: lanes.all(show).map(shippingLane),
  });
  const span = ({ place, startsMs, endsMs }: PickupWindow) =>
    `${place}, ${new Date(startsMs).toISOString().slice(0, 16).replace('T', ' ')} to ${new Date(endsMs).toISOString().slice(11, 16)} UTC`;

  const groupTitle = (chosen: z.infer<typeof fulfilment>): string => {
    if (chosen.kind === 'shipping')
      return `Shipping: ${laneById.one(chosen.laneId, show)?.name ?? 'a lane of before'}`;
    const window =
      chosen.kind === 'pickup' && chosen.windowId !== null
        ? windowById.one(chosen.windowId, show)
        : undefined;
    return window ? `Pickup: ${span(pickupWindow(window))}` : 'Pickup at the table';
  };

  return {
    setup,
    window: (id: string): PickupWindow | undefined => {
      const row = windowById.one(id, show);
      return row && pickupWindow(row);
    },
    /** Also one that is no longer offered. */
    lane: (id: string): ShippingLane | undefined => {
      const row = laneById.one(id, show);
      return row && shippingLane(row);
    },
    /** Replaces the lists. Throws `limit` for a window that orders have chosen, `invalidParams` for one that ends before it starts. */
    save: (draft: ShowParams<'saveDeliverySetup'>, nowMs: number) =>
      transaction(() => {
        for (const { place, startsMs, endsMs } of draft.windows) {
          if (endsMs <= startsMs)
            throw new AppError('invalidParams', `The window at ${place} ends before it starts.`);
        }
        const keptWindows = new Set(draft.windows.map(({ id }) => id));
        try {
          for (const { id } of windows.all(show)) if (!keptWindows.has(id)) removeWindow(id, show);
          for (const { id, place, startsMs, endsMs, capacity } of draft.windows) {
            if (id === null) insertWindow(newPublicId(), show, place, startsMs, endsMs, capacity);
            else updateWindow(place, startsMs, endsMs, capacity, id, show);
          }
        } catch (error) {
          if (!isConstraint(error)) throw error;
          throw new AppError(
            'limit',
            'Orders have chosen this window: it cannot be removed or made smaller than they are.',
            {
              cause: error,
            },
          );
        }
        const keptLanes = new Set(draft.lanes.map(({ id }) => id));
        for (const { id } of lanes.all(show)) if (!keptLanes.has(id)) removeLane(nowMs, id, show);
        for (const [position, lane] of draft.lanes.entries()) {
          const { id, name, countries, priceMinor, freeFromMinor, estimate } = lane;
          const fields = [
            name,
            JSON.stringify(countries),
            priceMinor,
            freeFromMinor,
            estimate,
            position,
          ] as const;
          if (id !== null && updateLane(...fields, id, show) > 0) continue;
          const [laneName, places, price, freeFrom, days, at] = fields;
          insertLane(newPublicId(), show, laneName, places, price, freeFrom, days, at);
        }
        return setup();
      }),

    // --- for orders, inside their transactions ---------------------------------------------------------------------------------

    /** Throws `limit` when the window is full. */
    join: (windowId: string) => {
      if (!windowById.one(windowId, show))
        throw new AppError('notFound', 'This pickup time is no longer offered.');
      if (takeRoom(windowId, show) === 0)
        throw new AppError('limit', 'This pickup time is full. Choose another one.');
    },
    /** Before its choice is changed or the order is closed. */
    leave: (id: OrderId) => void leaveWindow(id),
    /** A closed order that came to be paid after all. False when its window is full; it then has none. */
    rejoin: (id: OrderId): boolean => {
      const windowId = windowOf.one(id)?.id ?? null;
      if (windowId === null || takeRoom(windowId, show) > 0) return true;
      dropChoice(id);
      return false;
    },
    /** Throws `invalidParams` where this lane does not go. */
    shippingMinor: (laneId: string, country: string, itemsMinor: number): number => {
      const lane = lanes.all(show).find(({ id }) => id === laneId);
      if (!lane) throw new AppError('notFound', 'This way of shipping is no longer offered.');
      if (lane.countries.length > 0 && !lane.countries.includes(country)) {
        throw new AppError('invalidParams', `${lane.name} does not go to ${country}.`);
      }
      return lane.free_from_minor !== null && itemsMinor >= lane.free_from_minor ? 0 : lane.price_minor;
    },

    /** Paid and not yet handed out or shipped, in groups that are packed together. */
    packingList: (): ShowResult<'packingList'> => {
      const groups = new Map<string, ShowResult<'packingList'>['groups'][number]>();
      for (const row of toPack.all(show)) {
        const title = groupTitle(row.fulfilment);
        const group = groups.get(title) ?? { title, pieces: [], orders: [] };
        groups.set(title, group);
        const name = row.variant_name === '' ? row.product_name : `${row.product_name}, ${row.variant_name}`;
        const line = { sku: row.sku, name, quantity: row.pieces };
        const sum = group.pieces.find(({ sku }) => sku === row.sku);
        if (sum) sum.quantity += row.pieces;
        else group.pieces.push({ ...line });
        const known = group.orders.find(({ pickupCode }) => pickupCode === row.pickup_code);
        if (known) known.lines.push(line);
        else {
          const to = row.fulfilment.kind === 'shipping' ? row.fulfilment.address : undefined;
          const address = to ? [...to.lines, `${to.postcode} ${to.city}`, to.country] : [];
          group.orders.push({ pickupCode: row.pickup_code, name: row.name, address, lines: [line] });
        }
      }
      return { groups: [...groups.values()] };
    },
  };
};
