// Opens the crew's page on a phone: takes the personal token out of the address, joins the show, shows the page.
import { createRoot } from 'react-dom/client';
import '../ui/base.css';
import './crew.css';
import { createSession } from '../session/session.ts';
import { takeSecret } from '../ui/secret.ts';
import { App } from './app.tsx';
import { createTable } from './table.ts';

const element = document.querySelector('#page');
if (!element) throw new Error('The crew page has no place to draw in.');
const root = createRoot(element);
const token = takeSecret('t');

if (token === null) {
  root.render(
    <main className="crew">
      <div role="alert">
        <h1>This link is not complete</h1>
        <p>Open the whole link the director sent you, or ask for a new one.</p>
      </div>
    </main>,
  );
} else {
  const session = createSession({ identity: { as: 'crew', token }, media: false });
  const table = createTable(session);
  addEventListener('pagehide', (event) => {
    if (event.persisted) return; // It may come back, and then reconnects by itself.
    table.close();
    session.close();
  });
  root.render(<App session={session} table={table} />);
}
