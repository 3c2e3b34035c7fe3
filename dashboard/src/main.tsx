import './app/forbid-eval.ts';
import { render } from 'preact';
import { startLanguage } from './app/language.ts';
import { startRouter } from './app/router.ts';
import { Shell } from './app/shell.tsx';
import { startTheme } from './app/theme.ts';
import { startLiveFeed } from './live/live-feed.ts';
import { recoveries } from './live/refresh.ts';

startTheme();
startLanguage();
startRouter();
startLiveFeed(() => {
  recoveries.value++;
});
const root = document.getElementById('root');
if (root !== null) render(<Shell />, root);
