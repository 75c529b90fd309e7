// Opens the studio: takes the key out of the address, starts the engine, shows the page.
import { createRoot } from 'react-dom/client';
import '../ui/base.css';
import '../ui/controls.css';
import './studio.css';
import { takeSecret } from '../ui/secret.ts';
import { App } from './app.tsx';
import { createStudio } from './engine.ts';

const element = document.querySelector('#page');
if (!element) throw new Error('The studio page has no place to draw in.');
const root = createRoot(element);

const sorry = (title: string, text: string) =>
  root.render(
    <main className="notice-page">
      <h1>{title}</h1>
      <p role="alert">{text}</p>
    </main>,
  );

const open = async () => {
  const key = takeSecret('key');
  if (key === null) {
    return sorry(
      'The studio needs its key',
      'Open the studio from the app, or with the full studio address that the server printed when it started.',
    );
  }
  try {
    const studio = await createStudio({ key });
    // A page kept in the back/forward cache would go on sending.
    window.addEventListener('pagehide', () => studio.close());
    root.render(<App studio={studio} />);
  } catch (error) {
    sorry(
      'This browser cannot run the studio',
      'Open the studio in the desktop app or in a current Chromium or Chrome.',
    );
    throw error;
  }
};

void open();
