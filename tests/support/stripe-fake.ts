// A stateful fake of Stripe's HTTP API, as far as the shop uses it: checkout sessions, payment intents, refunds, idempotency
// keys, and signed callbacks that can be repeated, reordered, held back, lost or forged. The real SDK is pointed at it.
// It keeps the books as Stripe would, so that a test can compare them with the shop's.
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Stripe } from 'stripe';

export const stripeKey = 'sk_live_fake0123456789';
export const webhookSecret = 'whsec_fake0123456789';

type Intent = { id: string; object: 'payment_intent'; status: string; amount: number; refunded: number };
type Session = {
  id: string;
  object: 'checkout.session';
  status: 'open' | 'complete' | 'expired';
  payment_status: 'paid' | 'unpaid';
  amount_total: number;
  currency: string;
  url: string | null;
  client_reference_id: string | null;
  customer_email: string | null;
  expires_at: number;
  payment_intent: string | null;
};
type Refund = { id: string; object: 'refund'; status: string; amount: number; payment_intent: string };
type Answer = { status: number; body: object };
type FakeEvent = { id: string; body: string };

/** What happens to the next request of this kind: lost before or after it took effect, or answered 500 without effect. */
type Fault = 'lostBefore' | 'lostAfter' | 'error500';
type Operation = 'create' | 'retrieve' | 'expire' | 'refund' | 'retrieveRefund';

export type StripeFake = Awaited<ReturnType<typeof startStripeFake>>;

/** `customer_email=a&line_items[0][quantity]=1` → nested paths to values; enough of qs for what the SDK sends. */
const formValues = (text: string): ReadonlyMap<string, string> => new Map(new URLSearchParams(text));

const refusal = (status: number, message: string, type = 'invalid_request_error'): Answer => ({
  status,
  body: { error: { type, message } },
});

export const startStripeFake = async () => {
  const sessions = new Map<string, Session>();
  const intents = new Map<string, Intent>();
  const refunds = new Map<string, Refund>();
  const remembered = new Map<string, { params: string; answer: Answer }>();
  const events: FakeEvent[] = [];
  const faults: { operation: Operation; fault: Fault }[] = [];
  const calls: Record<Operation, number> = {
    create: 0,
    retrieve: 0,
    expire: 0,
    refund: 0,
    retrieveRefund: 0,
  };
  let serial = 0;
  let payOnCreate = false;
  let frozen = false;
  let slowRefunds = false;
  const name = (prefix: string) => `${prefix}_${(serial += 1)}${randomBytes(6).toString('hex')}`;
  const signer = new Stripe(stripeKey);

  const emit = (type: string, session: Session) => {
    const id = name('evt');
    events.push({ id, body: JSON.stringify({ id, object: 'event', type, data: { object: session } }) });
  };

  const completeSession = (session: Session, intentStatus: 'succeeded' | 'processing') => {
    if (session.status !== 'open') throw new Error(`This session is ${session.status}.`);
    const intent: Intent = {
      id: name('pi'),
      object: 'payment_intent',
      status: intentStatus,
      amount: session.amount_total,
      refunded: 0,
    };
    intents.set(intent.id, intent);
    session.status = 'complete';
    session.payment_status = intentStatus === 'succeeded' ? 'paid' : 'unpaid';
    session.payment_intent = intent.id;
    session.url = null;
    emit('checkout.session.completed', session);
  };

  const create = (form: ReadonlyMap<string, string>): Answer => {
    let total = 0;
    for (let line = 0; form.has(`line_items[${line}][quantity]`); line += 1) {
      const quantity = Number(form.get(`line_items[${line}][quantity]`));
      total += quantity * Number(form.get(`line_items[${line}][price_data][unit_amount]`));
    }
    const expiresAt = Number(form.get('expires_at'));
    if (expiresAt < Date.now() / 1000 + 30 * 60) {
      return refusal(400, 'The `expires_at` timestamp must be at least 30 minutes from now.');
    }
    if (!Number.isInteger(total) || total <= 0) return refusal(400, 'The total must be positive.');
    const id = name('cs');
    const session: Session = {
      id,
      object: 'checkout.session',
      status: 'open',
      payment_status: 'unpaid',
      amount_total: total,
      currency: form.get('line_items[0][price_data][currency]') ?? '',
      url: `https://checkout.stripe.com/c/pay/${id}`,
      client_reference_id: form.get('client_reference_id') ?? null,
      customer_email: form.get('customer_email') ?? null,
      expires_at: expiresAt,
      payment_intent: null,
    };
    sessions.set(id, session);
    if (payOnCreate) completeSession(session, 'succeeded');
    return { status: 200, body: { ...session } };
  };

  const refund = (form: ReadonlyMap<string, string>): Answer => {
    const intent = intents.get(form.get('payment_intent') ?? '');
    if (!intent) return refusal(404, 'No such payment_intent.');
    if (frozen) return refusal(400, 'This charge is disputed.');
    const amount = Number(form.get('amount') ?? intent.amount);
    if (intent.status !== 'succeeded')
      return refusal(400, 'This PaymentIntent does not have a successful charge.');
    if (intent.refunded + amount > intent.amount) {
      return refusal(400, 'Refund amount is greater than unrefunded amount on charge.');
    }
    intent.refunded += amount;
    const made: Refund = {
      id: name('re'),
      object: 'refund',
      status: slowRefunds ? 'pending' : 'succeeded',
      amount,
      payment_intent: intent.id,
    };
    refunds.set(made.id, made);
    return { status: 200, body: { ...made } };
  };

  const expanded = (session: Session) => ({
    ...session,
    payment_intent: session.payment_intent === null ? null : (intents.get(session.payment_intent) ?? null),
  });

  const routes: readonly {
    operation: Operation;
    method: string;
    path: RegExp;
    run: (id: string, form: ReadonlyMap<string, string>) => Answer;
  }[] = [
    {
      operation: 'create',
      method: 'POST',
      path: /^\/v1\/checkout\/sessions$/,
      run: (_, form) => create(form),
    },
    {
      operation: 'expire',
      method: 'POST',
      path: /^\/v1\/checkout\/sessions\/(\w+)\/expire$/,
      run: (id) => {
        const session = sessions.get(id);
        if (!session) return refusal(404, 'No such session.');
        if (session.status !== 'open') return refusal(400, `This Session is ${session.status}.`);
        session.status = 'expired';
        session.url = null;
        emit('checkout.session.expired', session);
        return { status: 200, body: { ...session } };
      },
    },
    {
      operation: 'retrieve',
      method: 'GET',
      path: /^\/v1\/checkout\/sessions\/(\w+)$/,
      run: (id) => {
        const session = sessions.get(id);
        return session ? { status: 200, body: expanded(session) } : refusal(404, 'No such session.');
      },
    },
    { operation: 'refund', method: 'POST', path: /^\/v1\/refunds$/, run: (_, form) => refund(form) },
    {
      operation: 'retrieveRefund',
      method: 'GET',
      path: /^\/v1\/refunds\/(\w+)$/,
      run: (id) => {
        const made = refunds.get(id);
        return made ? { status: 200, body: { ...made } } : refusal(404, 'No such refund.');
      },
    },
  ];

  const answerOnce = (request: IncomingMessage, text: string, run: () => Answer): Answer => {
    const key = request.headers['idempotency-key'];
    if (typeof key !== 'string') return run();
    const before = remembered.get(key);
    if (before) {
      if (before.params !== text) {
        return refusal(
          400,
          'Keys for idempotent requests can only be used with the same parameters.',
          'idempotency_error',
        );
      }
      return before.answer;
    }
    const answer = run();
    remembered.set(key, { params: text, answer });
    return answer;
  };

  const reply = (response: ServerResponse, { status, body }: Answer) => {
    response.writeHead(status, { 'content-type': 'application/json', 'request-id': name('req') });
    response.end(JSON.stringify(body));
  };

  const handle = (request: IncomingMessage, response: ServerResponse, text: string) => {
    if (request.headers.authorization !== `Bearer ${stripeKey}`) {
      return reply(response, refusal(401, `Invalid API Key provided: ${request.headers.authorization}`));
    }
    const { pathname } = new URL(request.url ?? '/', 'http://stripe');
    for (const route of routes) {
      const match = route.method === request.method ? route.path.exec(pathname) : null;
      if (!match) continue;
      calls[route.operation] += 1;
      const at = faults.findIndex(({ operation }) => operation === route.operation);
      const fault = at < 0 ? undefined : faults.splice(at, 1)[0]?.fault;
      if (fault === 'lostBefore') return request.socket.destroy();
      if (fault === 'error500') return reply(response, refusal(500, 'Something went wrong.', 'api_error'));
      const answer = answerOnce(request, text, () => route.run(match[1] ?? '', formValues(text)));
      if (fault === 'lostAfter') return request.socket.destroy();
      return reply(response, answer);
    }
    reply(response, refusal(404, `Unrecognized request URL (${request.method}: ${pathname}).`));
  };

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => void chunks.push(chunk));
    request.on('end', () => void handle(request, response, Buffer.concat(chunks).toString('utf8')));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;

  const sessionOf = (orderId: string): Session => {
    const found = [...sessions.values()].findLast((session) => session.client_reference_id === orderId);
    if (!found) throw new Error(`No session for order ${orderId}.`);
    return found;
  };

  return {
    apiOrigin: `http://127.0.0.1:${port}`,
    calls,
    sessions,
    sessionOf,
    /** The next requests of this kind go wrong, one fault each. */
    fail: (operation: Operation, ...next: Fault[]) =>
      void faults.push(...next.map((fault) => ({ operation, fault }))),
    /** Refunds are refused, as for a disputed charge, until the function given is called. */
    freezeRefunds: () => {
      frozen = true;
      return () => {
        frozen = false;
      };
    },
    /** From now on refunds are taken and stay pending, as with some banks, until the function given says what became of them. */
    delayRefunds: () => {
      slowRefunds = true;
      return (how: 'succeeded' | 'failed') => {
        slowRefunds = false;
        for (const made of refunds.values()) {
          if (made.status !== 'pending') continue;
          made.status = how;
          const intent = intents.get(made.payment_intent);
          if (how === 'failed' && intent) intent.refunded -= made.amount;
        }
      };
    },
    /** From now on every session is paid in the moment it is made, as if by a very quick buyer. */
    payEverySession: () => {
      payOnCreate = true;
    },
    /** The buyer pays on Stripe's page. Throws when the session is not open. */
    pay: (orderId: string) => completeSession(sessionOf(orderId), 'succeeded'),
    /** A bank transfer: complete, not yet paid. */
    paySlowly: (orderId: string) => completeSession(sessionOf(orderId), 'processing'),
    slowPaymentEnds: (orderId: string, how: 'succeeded' | 'failed') => {
      const session = sessionOf(orderId);
      const intent = intents.get(session.payment_intent ?? '');
      // What has failed cannot succeed later: the session is complete, and nobody is asked for money again.
      if (intent?.status !== 'processing') throw new Error('No payment under way.');
      intent.status = how === 'succeeded' ? 'succeeded' : 'requires_payment_method';
      if (how === 'succeeded') session.payment_status = 'paid';
      emit(`checkout.session.async_payment_${how}`, session);
    },
    /** All callbacks made so far and not yet taken by `take`, oldest first. */
    take: (): FakeEvent[] => events.splice(0),
    /** A genuine signature, `ageS` seconds old. */
    sign: (body: string, { secret = webhookSecret, ageS = 0 } = {}): string =>
      signer.webhooks.generateTestHeaderString({
        payload: body,
        secret,
        timestamp: Math.floor(Date.now() / 1000) - ageS,
      }),
    /** What Stripe holds: taken, given back, and how many times each order was charged. */
    books: () => {
      const taken = [...intents.values()].filter(({ status }) => status === 'succeeded');
      const perOrder = new Map<string, number>();
      for (const session of sessions.values()) {
        if (session.payment_status !== 'paid' || session.client_reference_id === null) continue;
        perOrder.set(session.client_reference_id, (perOrder.get(session.client_reference_id) ?? 0) + 1);
      }
      return {
        takenMinor: taken.reduce((sum, { amount }) => sum + amount, 0),
        refundedMinor: taken.reduce((sum, { refunded }) => sum + refunded, 0),
        doubleCharged: [...perOrder.values()].filter((times) => times > 1).length,
        refunds: refunds.size,
      };
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
