// A worker that hashes one file piece by piece, so that neither the size of the file nor the page's context matters.
import { sha1 } from "./vendor/legacy.js";
import { sha224, sha256, sha384, sha512 } from "./vendor/sha2.js";
import { sha3_256, sha3_384, sha3_512 } from "./vendor/sha3.js";

const PIECE = 4 << 20; // octets
const HASHES = {
  sha1, sha224, sha256, sha384, sha512, "sha3-256": sha3_256, "sha3-384": sha3_384, "sha3-512": sha3_512,
};

addEventListener("message", async ({ data: { file, algorithm } }) => {
  try {
    const hash = HASHES[algorithm].create();
    for (let at = 0; at < file.size; at += PIECE) {
      hash.update(new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer()));
      postMessage({ done: Math.min(at + PIECE, file.size) });
    }
    postMessage({ digest: hash.digest() });
  } catch (error) {
    postMessage({ fault: error.name });
  }
});
