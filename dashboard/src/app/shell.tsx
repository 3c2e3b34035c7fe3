import { Icon } from '../components/icon.tsx';
import { Link } from '../components/link.tsx';
import { connection, fleet } from '../live/live-feed.ts';
import { AlertsPage } from '../pages/alerts/alerts-page.tsx';
import { FleetPage } from '../pages/fleet/fleet-page.tsx';
import { ModelPage } from '../pages/model/model-page.tsx';
import { StudiesPage } from '../pages/studies/studies-page.tsx';
import { StudyPage } from '../pages/study/study-page.tsx';
import { chooseLanguage, format, language, messages } from './language.ts';
import { place, type Route, routeOf } from './router.ts';
import { chooseTheme, nextTheme, theme } from './theme.ts';

const themeIcons = { system: 'system', light: 'sun', dark: 'moon' } as const;

function LiveState() {
  const m = messages.value;
  const state = connection.value;
  return (
    <span class={`live-state ${state}`} role="status" title={m.liveHint[state]}>
      <span class="live-dot" />
      <span class="live-text">{m.live[state]}</span>
    </span>
  );
}

function Choices() {
  const m = messages.value;
  return (
    <div class="choices">
      <button
        type="button"
        class="icon-button text-button"
        aria-label={m.switchLanguage}
        title={m.switchLanguage}
        onClick={() => chooseLanguage(language.value === 'en' ? 'zh-CN' : 'en')}
      >
        <span lang={language.value === 'en' ? 'zh-CN' : 'en'}>{m.otherLanguage}</span>
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label={m.theme[theme.value]}
        title={m.theme[theme.value]}
        onClick={() => chooseTheme(nextTheme(theme.value))}
      >
        <Icon name={themeIcons[theme.value]} />
      </button>
    </div>
  );
}

function Header({ route }: { readonly route: Route }) {
  const m = messages.value;
  const firing = (fleet.value ?? []).reduce((sum, model) => sum + model.firingAlerts, 0);
  return (
    <header class="top">
      <div class="top-inner">
        <Link to="/" class="brand">
          <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="8" />
            <path d="M10 8v16M22 8v16M10 16h12" />
          </svg>
          <span>Holdfast</span>
        </Link>
        <nav aria-label={m.navigation}>
          <Link to="/" isCurrent={route.page === 'fleet'}>
            {m.fleet}
          </Link>
          <Link to="/studies" isCurrent={route.page === 'studies' || route.page === 'study'}>
            {m.study.studies}
          </Link>
          <Link to="/alerts" isCurrent={route.page === 'alerts'}>
            {m.alerts}
            {firing > 0 && (
              <span class="count" role="img" aria-label={m.alertsFiring(firing, format.value.count(firing))}>
                {format.value.count(firing)}
              </span>
            )}
          </Link>
        </nav>
        <LiveState />
        <Choices />
      </div>
    </header>
  );
}

function Lost() {
  const m = messages.value;
  return (
    <div class="empty">
      <h1 tabIndex={-1}>{m.lost}</h1>
      <p>{m.lostHint}</p>
      <Link to="/" class="button">
        {m.toFleet}
      </Link>
    </div>
  );
}

function Page({ route }: { readonly route: Route }) {
  switch (route.page) {
    case 'fleet':
      return <FleetPage />;
    case 'model':
      return <ModelPage key={route.name} name={route.name} />;
    case 'alerts':
      return <AlertsPage />;
    case 'studies':
      return <StudiesPage />;
    case 'study':
      return <StudyPage key={route.name} name={route.name} />;
    case 'lost':
      return <Lost />;
    default:
      return route satisfies never;
  }
}

function titleOf(route: Route): string {
  const m = messages.value;
  const names = { fleet: m.fleetTitle, alerts: m.alertsTitle, studies: m.study.studies, lost: m.lost };
  return `${'name' in route ? route.name : names[route.page]} · Holdfast`;
}

/** The frame around every page. */
export function Shell() {
  const route = routeOf(place.value.path);
  document.title = titleOf(route);
  return (
    <>
      <a class="skip" href="#content">
        {messages.value.skipToContent}
      </a>
      <Header route={route} />
      <main id="content" tabIndex={-1}>
        <Page route={route} />
      </main>
    </>
  );
}
