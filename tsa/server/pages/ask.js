// Asking the server that this page came from, and nobody else.
import { Problem } from "./problem.js";

/** fetch(), without credentials first: or a 401 would open the browser's own password window. Raises Problem. */
export async function ask(path, request) {
  try {
    return await fetch(path, { ...request, credentials: "omit" }).catch((error) => {
      if (location.protocol !== "https:") throw error;
      return fetch(path, { ...request, credentials: "same-origin" }); // a TLS client certificate counts as one
    });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Problem("unreachable");
  }
}
