// Which media node serves whom, and how the nodes are joined: senders and the crew on the origin, viewers on the edges.
// Re-joins nodes that come back. Does not know shows or people: it sees participant ids and answers with node ends.
import type { ClientEnd, Clock, Payload } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import type { RtpCapabilities } from '../protocol/media.ts';
import type { NodeContract } from '../media/node-api.ts';
import type { NodeConnection } from '../nodes.ts';

export type NodeEnd = ClientEnd<NodeContract>;
/** A node as long as it lives: after a restart it is another one, and what was opened on the old one is gone. */
export type LiveNode = { readonly name: string; readonly end: NodeEnd };
export type ProgramEvent = Payload<NodeContract, 'program'>;
export type StudioMedia = Payload<NodeContract, 'studioMedia'>['state'];

export type PlacementListener = {
  /** The bus switched, or (`nodeRestarted`) the origin is gone and with it the program. */
  program(event: ProgramEvent): void;
  studioMedia(state: StudioMedia): void;
  /** Everything opened on this node is gone. */
  nodeLost(node: LiveNode): void;
  /** An edge has lost its feed from the origin: its viewers must consume anew. */
  feedLost(node: LiveNode): void;
  producerClosed(producerId: string): void;
  consumerClosed(consumerId: string): void;
};

/** What the program bus shall do; told again to an origin that comes back. */
type Wanted = {
  onAir: boolean;
  lock: 'none' | 'standby';
  studio: { videoProducerId: string | null; audioProducerId: string | null };
};

type Log = { error(detail: object, text: string): void };

export type Placement = ReturnType<typeof createPlacement>;

const rejoinMs = 500;

export const createPlacement = (
  origin: NodeConnection,
  edges: readonly NodeConnection[],
  clock: Clock,
  log: Log,
) => {
  const live = new Map<NodeConnection, LiveNode>();
  /** Edges that carry the program right now. */
  const fed = new Set<LiveNode>();
  const load = new Map<LiveNode, number>();
  const waiting: (() => void)[] = [];
  let listener: PlacementListener | undefined;
  const cancelRejoin = new Map<NodeConnection, () => void>();
  let closed = false;
  let pipes = 0;
  const nothingFromStudio = { videoProducerId: null, audioProducerId: null };
  const wanted: Wanted = { onAir: false, lock: 'none', studio: nothingFromStudio };

  const failed = (what: string, node: NodeConnection) => (error: unknown) => {
    // A node that ends in the middle of a call comes back through onState, and everything is told to it again.
    if (error instanceof AppError && error.code === 'closed') return;
    log.error({ err: error, node: node.name }, what);
  };

  /** Two pipes' addresses and keys are exchanged, then the program crosses (DESIGN: joined by hand, thread or host alike). */
  const feed = async (from: LiveNode, to: LiveNode) => {
    const pipeId = `${to.name}-${++pipes}`;
    const [near, far] = await Promise.all([
      from.end.call('openPipe', { pipeId }),
      to.end.call('openPipe', { pipeId }),
    ]);
    await Promise.all([
      from.end.call('connectPipe', { pipeId, ...far }),
      to.end.call('connectPipe', { pipeId, ...near }),
    ]);
    const { producers } = await from.end.call('sendProgram', { pipeId });
    await to.end.call('receiveProgram', { pipeId, producers });
    fed.add(to);
    for (const wake of waiting.splice(0)) wake();
  };

  const join = (edge: NodeConnection) => {
    const from = live.get(origin);
    const to = live.get(edge);
    if (!from || !to || fed.has(to)) return;
    feed(from, to).catch((error: unknown) => {
      failed('an edge could not be joined to the origin', edge)(error);
      // A node that is gone is joined when it is back; one that was only slow to answer is asked again.
      const unchanged = live.get(origin) === from && live.get(edge) === to;
      if (unchanged && !closed)
        cancelRejoin.set(
          edge,
          clock.after(rejoinMs, () => join(edge)),
        );
    });
  };

  const originUp = (node: LiveNode) => {
    node.end.on('program', (event) => listener?.program(event));
    node.end.on('studioMedia', ({ state }) => listener?.studioMedia(state));
    wanted.studio = nothingFromStudio;
    const told = [
      node.end.call('lockProgram', { lock: wanted.lock }),
      node.end.call('setOnAir', { onAir: wanted.onAir }),
    ];
    Promise.all(told).catch(failed('the origin did not take its orders', origin));
    for (const edge of edges) join(edge);
  };

  const watch = (connection: NodeConnection) => {
    const apply = (state: ReturnType<NodeConnection['state']>) => {
      const before = live.get(connection);
      if (before) {
        live.delete(connection);
        fed.delete(before);
        load.delete(before);
        listener?.nodeLost(before);
        if (connection === origin) {
          listener?.program({ source: 'none', reason: 'nodeRestarted' });
          listener?.studioMedia('absent');
          for (const edge of fed) listener?.feedLost(edge);
          fed.clear();
        }
      }
      if (state.kind !== 'up') return;
      const node: LiveNode = { name: connection.name, end: state.end };
      live.set(connection, node);
      load.set(node, 0);
      node.end.on('producerClosed', ({ producerId }) => listener?.producerClosed(producerId));
      node.end.on('consumerClosed', ({ consumerId }) => listener?.consumerClosed(consumerId));
      if (connection === origin) originUp(node);
      else join(connection);
      for (const wake of waiting.splice(0)) wake();
    };
    connection.onState(apply);
    apply(connection.state());
  };
  for (const connection of [origin, ...edges]) watch(connection);

  const originNode = (): LiveNode => {
    const node = live.get(origin);
    if (!node) throw new AppError('mediaUnavailable');
    return node;
  };

  const order = async (call: (end: NodeEnd) => Promise<unknown>) => {
    const node = live.get(origin);
    // Without an origin the order is kept in `wanted` and carried out when it is back.
    if (node) await call(node.end);
  };

  return {
    listen: (next: PlacementListener) => {
      listener = next;
    },
    /** Resolves when the origin and at least one edge can serve. */
    ready: async (): Promise<void> => {
      while (!live.has(origin) || fed.size === 0) await new Promise<void>((wake) => void waiting.push(wake));
    },
    /** All routers are made alike, so one node's capabilities are everybody's. Null while the origin restarts. */
    capabilities: (): RtpCapabilities | null => {
      const state = origin.state();
      return state.kind === 'up' ? state.ready.rtpCapabilities : null;
    },
    origin: originNode,
    /** The edge with the fewest viewers. `release` gives the place back. Throws `mediaUnavailable`. */
    place: (): { node: LiveNode; release: () => void } => {
      let best: LiveNode | undefined;
      for (const node of fed) if (!best || (load.get(node) ?? 0) < (load.get(best) ?? 0)) best = node;
      if (!best) throw new AppError('mediaUnavailable');
      const node = best;
      load.set(node, (load.get(node) ?? 0) + 1);
      let held = true;
      const release = () => {
        if (held && load.has(node)) load.set(node, (load.get(node) ?? 1) - 1);
        held = false;
      };
      return { node, release };
    },
    attachStudio: async (studio: Wanted['studio']) => {
      wanted.studio = studio;
      await order((end) => end.call('attachStudio', studio));
    },
    setOnAir: async (onAir: boolean) => {
      wanted.onAir = onAir;
      await order((end) => end.call('setOnAir', { onAir }));
    },
    lockProgram: async (lock: Wanted['lock']) => {
      wanted.lock = lock;
      await order((end) => end.call('lockProgram', { lock }));
    },
    inspectOrigin: async () => {
      const node = live.get(origin);
      return node ? node.end.call('inspect', {}) : null;
    },
    /** Everything about every node, for the debug page. */
    inspectAll: () =>
      Promise.all(
        [origin, ...edges].flatMap((connection) => {
          const node = live.get(connection);
          if (!node) return [];
          const viewers = load.get(node) ?? 0;
          return [
            node.end.call('inspect', {}).then((inspected) => ({ name: node.name, viewers, ...inspected })),
          ];
        }),
      ),
    close: async () => {
      closed = true;
      for (const cancel of cancelRejoin.values()) cancel();
      await Promise.all([origin, ...edges].map((connection) => connection.close()));
    },
    snapshot: () => ({
      nodes: [origin, ...edges].map((connection) => connection.snapshot()),
      load: Object.fromEntries([...load].map(([node, count]) => [node.name, count])),
      wanted,
    }),
  };
};
