// The frame of all pages: navigation, who acts, light or dark.
import { useState, type FormEvent } from "react";
import { Link, Redirect, Route, Router, Switch, useLocation } from "wouter";
import { config } from "./config.js";
import { PAGES } from "./pages.js";
import { actAs, actingNow, signInWith, useSession } from "./session.js";
import { setTheme, theme, THEMES, type Theme } from "./theme.js";

export function App() {
  const session = useSession();
  return (
    <Router base="/console">
      <a className="skip" href="#page">
        To the content
      </a>
      <header className="bar">
        <Link href={PAGES[0]!.path} className="brand">
          Commander
        </Link>
        <nav aria-label="Pages">
          {PAGES.map(({ title, path }) => (
            <Tab key={path} title={title} path={path} />
          ))}
          <a href={config.endpoint}>GraphiQL</a>
        </nav>
        <div className="tools">
          {config.acting && <SignIn />}
          <Themes />
        </div>
      </header>
      <main id="page" key={session} tabIndex={-1}>
        <Switch>
          {PAGES.map(({ routes, view }) => (
            <Route key={routes} path={routes} component={view} />
          ))}
          <Route path="/">
            <Redirect to={PAGES[0]!.path} replace />
          </Route>
          <Route>
            <h1>There is no such page</h1>
            <p>
              <Link href={PAGES[0]!.path}>{PAGES[0]!.title}</Link> is where the console begins.
            </p>
          </Route>
        </Switch>
      </main>
    </Router>
  );
}

function Tab({ title, path }: { title: string; path: string }) {
  const [location] = useLocation();
  const here = location === path || location.startsWith(`${path}/`);
  return (
    <Link href={path} aria-current={here ? "page" : undefined}>
      {title}
    </Link>
  );
}

function SignIn() {
  const now = actingNow();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const text = (name: string) => String(given.get(name) ?? "").trim();
    if (config.acting === "mint") actAs({ subject: text("subject"), roles: text("roles") });
    else signInWith(text("token"));
  };
  return (
    <form className="acting" aria-label="Act as" onSubmit={submit}>
      {config.acting === "mint" ? (
        <>
          <input
            name="subject"
            aria-label="Subject"
            placeholder="nobody"
            defaultValue={now.subject}
            autoComplete="off"
          />
          <input name="roles" aria-label="Roles" placeholder="roles" defaultValue={now.roles} autoComplete="off" />
        </>
      ) : (
        <input name="token" type="password" aria-label="Token" placeholder="token" autoComplete="off" />
      )}
      <button>Act as</button>
    </form>
  );
}

function Themes() {
  const [chosen, choose] = useState(theme());
  const change = (next: Theme) => {
    setTheme(next);
    choose(next);
  };
  return (
    <select aria-label="Colours" value={chosen} onChange={(event) => change(event.target.value as Theme)}>
      {THEMES.map((one) => (
        <option key={one}>{one}</option>
      ))}
    </select>
  );
}
