/** Who is logged in: read once, known to every page. */

import { createContext, type ComponentChildren } from "preact";
import { useCallback, useContext, useEffect, useState } from "preact/hooks";
import { ApiError, call, onSessionExpired } from "./api";

export interface Session {
  tenant: string;
  key_id: string;
  key_name: string;
  scopes: string[];
  service_version: string;
  expires_at: string;
}

export interface SessionState {
  session: Session | null;
  /** True until the service has said who this is. */
  asking: boolean;
  error: string | null;
  /** Log in by the link in whose address the page was opened; null when it was opened by none, or that was decided. */
  link: (() => Promise<void>) | null;
  refuse: () => void;
  logIn: (credentials: { api_key: string } | { token: string }) => Promise<void>;
  logOut: () => Promise<void>;
}

const Context = createContext<SessionState | null>(null);

/** Return who is logged in. */
export function useSession(): SessionState {
  const state = useContext(Context);
  if (!state) throw new Error("No session is provided above this component.");
  return state;
}

/** Return whether the key behind the session may do something. */
export function useMay(scope: string): boolean {
  return useSession().session?.scopes.includes(scope) ?? false;
}

const tokenOfFragment = (): string | null => new URLSearchParams(location.hash.slice(1)).get("login");

export function SessionProvider({ children }: { children: ComponentChildren }) {
  const [session, setSession] = useState<Session | null>(null);
  const [asking, setAsking] = useState(true);
  const [error, setError] = useState<string | null>(null);
  const [token, setToken] = useState(tokenOfFragment);

  const logIn = useCallback(async (credentials: { api_key: string } | { token: string }) => {
    const answer = await call<Session>("POST", "/admin/session", { body: credentials });
    setError(null);
    setSession(answer.body);
  }, []);

  const logOut = useCallback(async () => {
    await call<null>("DELETE", "/admin/session");
    setSession(null);
  }, []);

  useEffect(() => onSessionExpired(() => setSession(null)), []);

  useEffect(() => {
    // A used token must not stay in the address, where it would be bookmarked.
    if (token) history.replaceState(null, "", location.pathname + location.search);
    call<Session>("GET", "/admin/session")
      .then((answer) => setSession(answer.body))
      .catch((reason: unknown) => {
        if (!(reason instanceof ApiError && reason.problem.status === 401))
          setError(reason instanceof Error ? reason.message : String(reason));
      })
      .finally(() => setAsking(false));
  }, []);

  const follow = useCallback(async () => {
    if (token) await logIn({ token });
    setToken(null);
  }, [token, logIn]);

  return <Context.Provider value={{ session, asking, error, link: token ? follow : null, refuse: () => setToken(null), logIn, logOut }}>{children}</Context.Provider>;
}
