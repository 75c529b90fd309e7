// Which media node serves whom, and how the nodes are joined: senders and the crew on the origin, viewers on the edges,
// a spare kept warm that takes over at once when one of them dies. Gives every node its part, re-joins those that come
// back. Does not know shows or people: it sees participant ids and answers with node ends.
import type { ClientEnd, Clock, Payload } from '../protocol/channel.ts';
import { AppError } from '../protocol/errors.ts';
import type { RtpCapabilities, VideoCodec } from '../protocol/media.ts';
import type { ClipFiles, NodeContract } from '../media/node-api.ts';
import type { NodeConnection } from '../nodes.ts';

export type NodeEnd = ClientEnd<NodeContract>;
/** A node as long as it lives: after a restart it is another one, and what was opened on the old one is gone. */
export type LiveNode = {
  readonly name: string;
  readonly end: NodeEnd;
  /** It has a program bus and may become the origin. */
  readonly hasBus: boolean;
};
export type ProgramEvent = Payload<NodeContract, 'program'>;
export type StudioMedia = Payload<NodeContract, 'studioMedia'>['state'];
export type TransportState = Payload<NodeContract, 'transportState'>['state'];

export type PlacementListener = {
  /** The bus switched, or (`nodeRestarted`) the origin is gone and with it the program. */
  program(event: ProgramEvent): void;
  studioMedia(state: StudioMedia): void;
  /** Everything opened on this node is gone. */
  nodeLost(node: LiveNode): void;
  /** An edge has lost its feed from the origin: its viewers must consume anew, on the transports they have. */
  feedLost(node: LiveNode): void;
  producerClosed(producerId: string): void;
  transportState(transportId: string, state: TransportState): void;
  consumerClosed(consumerId: string): void;
  /** A node cannot play the chosen clip and uses the product's own. */
  clipFailed(clip: ClipFiles, problem: string): void;
};

/** Who waits for a node: senders, guests and the crew are served by the origin, those who watch by an edge. */
export type Served = 'crew' | 'viewer';

/** What the program bus shall do; told again to the node that takes the origin's part. */
type Wanted = {
  clip: ClipFiles | null;
  onAir: boolean;
  /** Under whose name the program is recorded. */
  show: string | undefined;
  lock: 'none' | 'standby';
  studio: { videoProducerId: string | null; audioProducerId: string | null };
};

type Log = { info(detail: object, text: string): void; error(detail: object, text: string): void };

export type PlacementOptions = {
  /** Nodes that shall serve viewers; a node more is the origin, all others are spares. */
  edges: number;
  /** The standby clip that nodes are started with. */
  clip: ClipFiles | null;
  clock: Clock;
  log: Log;
};

export type Placement = ReturnType<typeof createPlacement>;

/** A way for the program from one node to another. The heir's stand open, unused, until it is the origin. */
type Pipe = { readonly from: LiveNode; readonly to: LiveNode; readonly pipeId: string; open: boolean };

const retryMs = 500;
const nothingFromStudio = { videoProducerId: null, audioProducerId: null };

export const createPlacement = ({ edges: wantedEdges, clip, clock, log }: PlacementOptions) => {
  const connections: NodeConnection[] = [];
  const live = new Map<NodeConnection, LiveNode>();
  let origin: LiveNode | undefined;
  const edges = new Set<LiveNode>();
  const spares = new Set<LiveNode>();
  const pipes = new Set<Pipe>();
  /** Edges that carry the program right now, and the pipe it comes by. */
  const fed = new Map<LiveNode, Pipe>();
  const load = new Map<LiveNode, number>();
  const waiting = new Set<() => void>();
  const wanted: Wanted = { clip, onAir: false, show: undefined, lock: 'none', studio: nothingFromStudio };
  let listener: PlacementListener | undefined;
  let cancelRetry = () => {};
  let hasServed = false;
  let takeovers = 0;
  let pipesMade = 0;
  let closed = false;

  const onAirOrder = () => ({
    onAir: wanted.onAir,
    ...(wanted.show === undefined ? {} : { show: wanted.show }),
  });

  const failed = (what: string, node: LiveNode) => (error: unknown) => {
    // A node that ends in the middle of a call is replaced, and the other is told everything.
    if (error instanceof AppError && error.code === 'closed') return;
    log.error({ err: error, node: node.name }, what);
  };
  const wakeAll = () => {
    for (const wake of waiting) wake();
  };

  // --- pipes -----------------------------------------------------------------------------------------------------------

  /** The spare that becomes the origin when it must. */
  const heir = () => [...spares].find(({ hasBus }) => hasBus);

  /** Every node gets the program from the origin, so that a spare can serve at once; every edge also from the heir. */
  const wantedPipes = (): { from: LiveNode; to: LiveNode }[] => {
    const from = origin;
    const next = heir();
    return [
      ...(from ? [...edges, ...spares].map((to) => ({ from, to })) : []),
      ...(next ? [...edges].map((to) => ({ from: next, to })) : []),
    ];
  };

  /** Two ends' addresses and keys are exchanged, then the program crosses; the same for a thread and for a host. */
  const open = async (pipe: Pipe) => {
    const { from, to, pipeId } = pipe;
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
    if (!pipes.has(pipe)) return;
    pipe.open = true;
    feedEdges();
  };

  const closePipe = (pipe: Pipe) => {
    pipes.delete(pipe);
    for (const node of [pipe.from, pipe.to]) {
      node.end.call('closePipe', { pipeId: pipe.pipeId }).catch(failed('a pipe was left open', node));
    }
  };

  const makePipes = () => {
    cancelRetry();
    if (closed) return;
    const pairs = wantedPipes();
    const joins = (pipe: Pipe, pair: { from: LiveNode; to: LiveNode }) =>
      pipe.from === pair.from && pipe.to === pair.to;
    for (const pipe of pipes) if (!pairs.some((pair) => joins(pipe, pair))) closePipe(pipe);
    for (const pair of pairs) {
      if ([...pipes].some((pipe) => joins(pipe, pair))) continue;
      const pipe: Pipe = { ...pair, pipeId: `${pair.from.name}-${pair.to.name}-${++pipesMade}`, open: false };
      pipes.add(pipe);
      open(pipe).catch((error: unknown) => {
        failed('two nodes could not be joined', pipe.to)(error);
        // One that is gone is replaced; one that was only slow to answer is asked again.
        if (!pipes.has(pipe)) return;
        closePipe(pipe);
        cancelRetry = clock.after(retryMs, makePipes);
      });
    }
  };

  /** Tells edges to serve what comes from the origin, as soon as it comes. */
  const feedEdges = () => {
    for (const pipe of pipes) {
      const { from, to, pipeId } = pipe;
      if (!pipe.open || from !== origin || !edges.has(to) || fed.has(to)) continue;
      // Not awaited: the channel keeps the order, so whoever consumes next gets this.
      to.end.call('useProgram', { pipeId }).catch(failed('an edge did not take the program', to));
      fed.set(to, pipe);
      hasServed = true;
    }
    wakeAll();
  };

  // --- parts -----------------------------------------------------------------------------------------------------------

  const becomeOrigin = (node: LiveNode) => {
    origin = node;
    wanted.studio = nothingFromStudio;
    // Told before anything else: the standby clip begins at once.
    const told = [
      node.end.call('lockProgram', { lock: wanted.lock }),
      node.end.call('setOnAir', onAirOrder()),
    ];
    Promise.all(told).catch(failed('the origin did not take its orders', node));
  };

  /** Also a spare has read the clip before it is needed. Answers what is wrong with it, if anything. */
  const tellClip = async (node: LiveNode): Promise<string | null> => {
    const { clip } = wanted;
    try {
      const { problem } = await node.end.call('setStandby', { clip });
      if (clip && problem !== null && wanted.clip === clip) listener?.clipFailed(clip, problem);
      return problem;
    } catch (error) {
      failed('a node did not take the standby clip', node)(error);
      return null;
    }
  };

  /** Gives the parts nobody plays to nodes that have none, the origin's first. */
  const fillParts = () => {
    if (closed) return;
    const next = heir();
    if (!origin && next) {
      spares.delete(next);
      becomeOrigin(next);
    }
    for (const spare of spares) {
      if (edges.size >= wantedEdges) break;
      spares.delete(spare);
      edges.add(spare);
    }
    feedEdges();
    makePipes();
  };

  const lose = (connection: NodeConnection) => {
    const node = live.get(connection);
    if (!node) return;
    live.delete(connection);
    load.delete(node);
    const wasSpare = spares.delete(node);
    edges.delete(node);
    fed.delete(node);
    const wasOrigin = node === origin;
    const starved = wasOrigin ? [...fed.keys()] : [];
    if (wasOrigin) {
      origin = undefined;
      fed.clear();
    }
    if (closed) return;
    // The successor first, then everybody else: fans wait for the one and not for the other.
    fillParts();
    if (wasSpare) return;
    takeovers += 1;
    for (const edge of starved) listener?.feedLost(edge);
    listener?.nodeLost(node);
    if (!wasOrigin) return;
    listener?.studioMedia('absent');
    listener?.program({ source: 'none', reason: 'nodeRestarted' });
  };

  const add = (connection: NodeConnection) => {
    connections.push(connection);
    const apply = (state: ReturnType<NodeConnection['state']>) => {
      lose(connection);
      if (state.kind === 'down' && (!origin || edges.size < wantedEdges))
        for (const each of connections) each.hurry();
      if (state.kind !== 'up') return;
      const node: LiveNode = { name: connection.name, end: state.end, hasBus: state.ready.hasBus };
      live.set(connection, node);
      load.set(node, 0);
      // A spare's bus has nothing to say to anybody.
      node.end.on('program', (event) => {
        if (node === origin) listener?.program(event);
      });
      node.end.on('studioMedia', (event) => {
        if (node === origin) listener?.studioMedia(event.state);
      });
      node.end.on('producerClosed', ({ producerId }) => listener?.producerClosed(producerId));
      node.end.on('transportState', ({ transportId, state }) => listener?.transportState(transportId, state));
      node.end.on('consumerClosed', ({ consumerId }) => listener?.consumerClosed(consumerId));
      spares.add(node);
      fillParts();
      if (node.hasBus) void tellClip(node);
    };
    connection.onState(apply);
    apply(connection.state());
  };

  const originNode = (): LiveNode => {
    if (!origin) throw new AppError('mediaUnavailable');
    return origin;
  };

  /** Viewers are placed on the origin only when no edge is left and no node stands by to become one. */
  const viewersNode = (): LiveNode | undefined => {
    let best: LiveNode | undefined;
    for (const node of fed.keys()) {
      if (!best || (load.get(node) ?? 0) < (load.get(best) ?? 0)) best = node;
    }
    return best ?? (hasServed && edges.size === 0 ? origin : undefined);
  };

  const serves = (who: Served): boolean => (who === 'crew' ? origin : origin && viewersNode()) !== undefined;

  const order = async (call: (end: NodeEnd) => Promise<unknown>) => {
    // Without an origin, or when it ends meanwhile, the order is kept in `wanted` and carried out by the next.
    if (!origin) return;
    try {
      await call(origin.end);
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'closed')) throw error;
    }
  };

  const partOf = (node: LiveNode) => (node === origin ? 'origin' : edges.has(node) ? 'edge' : 'spare');

  return {
    listen: (next: PlacementListener) => {
      listener = next;
    },
    /** Takes a node in. What it will be is decided here, when it is up. */
    add,
    serves,
    /** Resolves when these can be served: `crew` by the origin, `viewer` by a node that carries the program. */
    ready: async (who: Served): Promise<void> => {
      while (!serves(who)) {
        await new Promise<void>((resolve) => {
          const wake = () => {
            waiting.delete(wake);
            resolve();
          };
          waiting.add(wake);
        });
      }
    },
    /** All routers are made alike, so one node's capabilities are everybody's. Null when there is no node at all. */
    capabilities: (): RtpCapabilities | null => {
      for (const connection of live.keys()) {
        const state = connection.state();
        if (state.kind === 'up') return state.ready.rtpCapabilities;
      }
      return null;
    },
    origin: originNode,
    /** The edge with the fewest viewers. `release` gives the place back. Throws `mediaUnavailable`. */
    place: (): { node: LiveNode; release: () => void } => {
      const node = viewersNode();
      if (!node) throw new AppError('mediaUnavailable');
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
    setOnAir: async (onAir: boolean, show?: string) => {
      wanted.onAir = onAir;
      wanted.show = show;
      await order((end) => end.call('setOnAir', onAirOrder()));
    },
    lockProgram: async (lock: Wanted['lock']) => {
      wanted.lock = lock;
      await order((end) => end.call('lockProgram', { lock }));
    },
    /** Every node that may be the origin reads it now. A broken one is told to the listener. */
    setStandby: async (clip: ClipFiles | null) => {
      wanted.clip = clip;
      await Promise.all([...live.values()].filter(({ hasBus }) => hasBus).map(tellClip));
    },
    /** Read by a node that nobody watches, where there is one. Throws `badClip`, or `mediaUnavailable` without a node. */
    checkClip: async (codec: VideoCodec, files: string[]): Promise<{ lengthMs: number }> =>
      (heir() ?? originNode()).end.call('checkClip', { codec, files }),
    inspectOrigin: async () => (origin ? origin.end.call('inspect', {}) : null),
    /** Everything about every node, for the debug page. One that ends meanwhile is left out. */
    inspectAll: async () => {
      const inspected = await Promise.allSettled(
        connections.flatMap((connection) => {
          const node = live.get(connection);
          if (!node) return [];
          const told = { name: node.name, role: partOf(node), viewers: load.get(node) ?? 0 };
          return [node.end.call('inspect', {}).then((inspected) => ({ ...told, ...inspected }))];
        }),
      );
      return inspected.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    },
    close: async () => {
      closed = true;
      cancelRetry();
      await Promise.all(connections.map((connection) => connection.close()));
    },
    snapshot: () => ({
      nodes: connections.map((connection) => {
        const node = live.get(connection);
        return { ...connection.snapshot(), role: node ? partOf(node) : null };
      }),
      load: Object.fromEntries([...load].map(([node, count]) => [node.name, count])),
      pipes: [...pipes].map((pipe) => ({
        pipeId: pipe.pipeId,
        open: pipe.open,
        inUse: fed.get(pipe.to) === pipe,
      })),
      takeovers,
      wanted,
    }),
  };
};
