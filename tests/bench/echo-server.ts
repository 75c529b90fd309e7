// The baseline of `bench drop`: a bare WebSocket server in a process of its own, which answers every request with as many bytes as a
// refused hold and does nothing else. What a rush costs here is what sockets, kernel and the measuring client cost on this machine.
import { WebSocketServer } from 'ws';

const answerTo = (request: string) =>
  `{"r":${Number.parseInt(request.slice(5), 10)},"e":{"code":"soldOut","message":"Sold out."}}`;

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false }, () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') process.send?.({ port: address.port });
});
server.on('connection', (socket) => {
  socket.on('message', (data: Buffer) => {
    const text = data.toString('utf8');
    if (text.startsWith('{"q":')) socket.send(answerTo(text));
  });
});
// The bench is done, or gone.
process.once('disconnect', () => process.exit(0));
