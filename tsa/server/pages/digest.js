// The digest of a file, computed in this browser by a worker of its own.

/** The file cannot be read: it is a folder, has changed since it was chosen, or is gone. */
export class Unreadable extends Error {}

/** The browser knows no module workers: it is older than 2023. */
export class NoWorker extends Error {}

/**
 * Octets of the digest. `onProgress` is called with the share that is done, 0 to 1; aborting `signal` ends the work with
 * an AbortError. Raises Unreadable and NoWorker.
 */
export function digestOf(file, algorithm, onProgress, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const worker = new Worker(new URL("./hasher.js", import.meta.url), { type: "module" });
    const end = (finish, value) => {
      worker.terminate();
      finish(value);
    };
    signal?.addEventListener("abort", () => end(reject, signal.reason));
    worker.addEventListener("error", () => end(reject, new NoWorker()));
    worker.addEventListener("message", ({ data: { done, digest, fault } }) => {
      if (done !== undefined) onProgress(done / file.size);
      else if (digest) end(resolve, digest);
      else end(reject, new Unreadable(fault));
    });
    worker.postMessage({ file, algorithm });
  });
}
