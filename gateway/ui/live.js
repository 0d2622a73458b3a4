// Reads lists from the REST API again and again, one request at a time, while the page can be seen.
//
// Polling with entity tags rather than a watch: a browser opens six connections to a host over HTTP/1.1, all tabs together, so
// a stream per tab would stop the seventh. An answer that has not changed costs no body.

const PERIOD_MS = 2000;
const PATIENCE_MS = 8000;

/** A refused or failed call, with what the server said about it. */
export class CallError extends Error {
  constructor(message, reason, code) {
    super(message);
    this.reason = reason;
    this.code = code;
  }
}

/** Reads one list. Answers `{etag, body}`, or throws a CallError. */
export async function read(path) {
  let response;
  try {
    response = await fetch(path, { cache: "no-cache", headers: { accept: "application/json" }, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (error) {
    throw new CallError(`The gateway does not answer: ${error.message}`, "GATEWAY_UNREACHABLE", 0);
  }
  const body = await response.json().catch(() => null);
  if (!response.ok || body === null) {
    throw refusal(response, body);
  }
  return { etag: response.headers.get("etag"), body };
}

function refusal(response, body) {
  const error = body?.error;
  const info = error?.details?.find((detail) => detail.reason && detail.domain);
  return new CallError(error?.message ?? `HTTP ${response.status}`, info?.reason ?? error?.status ?? "UNKNOWN", response.status);
}

/**
 * Calls `heard(name, body)` for every answer that differs from the one before, `answered(name)` for every answer,
 * `failed(name, error)` for every failure, and `settled()` after each round.
 */
export function follow(sources, { heard, answered, failed, settled }) {
  const tags = new Map();
  let timer = 0;
  let running = false;

  async function round() {
    clearTimeout(timer);
    if (running || document.hidden) return;
    running = true;
    for (const { name, path } of sources) {
      try {
        const { etag, body } = await read(path);
        if (etag === null || tags.get(name) !== etag) heard(name, body);
        tags.set(name, etag);
        answered(name);
      } catch (error) {
        failed(name, error instanceof CallError ? error : new CallError(String(error), "PAGE_DEFECT", 0));
      }
    }
    running = false;
    timer = setTimeout(round, PERIOD_MS);
    settled();
  }

  document.addEventListener("visibilitychange", round);
  round();
}
