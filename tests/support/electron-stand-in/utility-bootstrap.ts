// Loaded before a utility process's own script: gives it `process.parentPort` as Electron does, over Node's fork channel.
import { EventEmitter } from 'node:events';

const parentPort = new EventEmitter();
process.on('message', (data: unknown) => parentPort.emit('message', { data, ports: [] }));
// A utility process does not outlive its app.
process.on('disconnect', () => process.exit(1));

Object.defineProperty(process, 'parentPort', {
  value: Object.assign(parentPort, { postMessage: (message: unknown) => void process.send?.(message) }),
});
