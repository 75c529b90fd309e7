// Entry of a media node's thread: reads its configuration, starts the node, serves the contract of node-api.ts
// on the thread's port, and ends when it is told to or when the mediasoup worker is gone.
// Nothing else may run in this thread: whatever stalls it is seen by every fan.

import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import * as z from 'zod/mini';
import {
  describeIssues,
  serveChannel,
  trustedLimits,
  type ServerEnd,
  type Wire,
} from '../protocol/channel.ts';
import { steadyClock } from '../clock.ts';
import { AppError } from '../protocol/errors.ts';
import { rtpCapabilities } from '../protocol/media.ts';
import { MediaNode, type EmitNodeEvent } from './media-node.ts';
import { nodeConfig, nodeContract, type NodeContract } from './node-api.ts';

/** The thread's port as a wire. Closing it lets the thread end by itself once nothing else is open. */
function portWire(port: MessagePort): Wire {
  return {
    send: (text) => port.postMessage(text),
    close: () => port.close(),
    onText: (listener) =>
      void port.on('message', (message: unknown) => {
        if (typeof message === 'string') listener(message);
      }),
    onClose: (listener) => void port.once('close', () => listener(1006)),
    backlog: () => 0,
  };
}

async function main(): Promise<void> {
  if (!parentPort) throw new Error('node.ts runs in a worker thread only');
  const port = parentPort;
  const parsed = nodeConfig.safeParse(workerData);
  if (!parsed.success) throw new Error(`Not a media node's configuration: ${describeIssues(parsed.error)}`);
  const config = parsed.data;
  const warn = (message: string, cause?: unknown) => {
    const detail = cause instanceof Error ? ` ${cause.message}` : '';
    process.stderr.write(`media node ${config.name}: ${message}${detail}\n`);
  };

  let end: ServerEnd<NodeContract> | undefined;
  // Before the control plane is connected there is nobody to tell; it hears the state when it connects.
  const emit: EmitNodeEvent = (name, payload) => end?.emit(name, payload);
  const node = await MediaNode.start({ config, emit, warn });

  const served = serveChannel({
    contract: nodeContract,
    wire: portWire(port),
    clock: steadyClock,
    limits: trustedLimits,
    role: () => 'control',
    handlers: {
      ...node.handlers,
      shutdown: (params) => {
        // The answer goes out first, then the port closes and the thread has nothing left to live for.
        setImmediate(() => served.close('done'));
        return node.handlers.shutdown(params);
      },
    },
    onBug: (error, request) => warn(`${request} failed.`, error),
    onReady: () => {
      served.emit('ready', {
        rtpCapabilities: z.parse(rtpCapabilities, node.rtpCapabilities),
        rtcPort: node.rtcPort,
        workerPid: node.workerPid,
        hasBus: node.hasBus,
      });
      node.announceProgram();
    },
  });
  end = served;
  served.onClose(() => node.close());

  node.onDied((error) => {
    served.emit('workerDied', { message: error.message });
    node.close();
    served.close('serverClosing');
  });
}

try {
  await main();
} catch (error) {
  // The cause is for the log; the sentence crosses to the control plane as the thread's error.
  if (error instanceof AppError && error.cause instanceof Error) {
    process.stderr.write(`media node: ${error.cause.message}\n`);
  }
  throw error;
}
