// Opens a co-host's page: takes the personal token out of the address, makes the booth, shows it.
import { createRoot } from 'react-dom/client';
import '../ui/base.css';
import '../ui/controls.css';
import './cohost.css';
import { takeSecret } from '../ui/secret.ts';
import { App } from './app.tsx';
import { createBooth } from './booth.ts';

const element = document.querySelector('#page');
if (!element) throw new Error('The co-host page has no place to draw in.');
const root = createRoot(element);
const token = takeSecret('t');

if (token === null) {
  root.render(
    <main className="booth">
      <div className="sorry" role="alert">
        <h1>This link is not complete</h1>
        <p>Open the whole link the director sent you, or ask for a new one.</p>
      </div>
    </main>,
  );
} else {
  const booth = createBooth({ token });
  window.addEventListener('pagehide', () => booth.close());
  root.render(<App booth={booth} />);
}
