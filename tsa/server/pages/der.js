// The little of DER (X.690) that a time-stamp needs: writes a TimeStampReq, finds the TSTInfo in an answer or a token.
// This is no verification: what a token proves is for the server, or for a verifier of one's own, to say.

// Contents octets of the OIDs, by the names that the server uses too.
const DIGESTS = {
  sha1: "2b0e03021a",
  sha224: "608648016503040204",
  sha256: "608648016503040201",
  sha384: "608648016503040202",
  sha512: "608648016503040203",
  "sha3-256": "608648016503040208",
  "sha3-384": "608648016503040209",
  "sha3-512": "60864801650304020a",
};
const SIGNED_DATA = "2a864886f70d010702";
const TST_INFO = "2a864886f70d0109100104";

const BOOLEAN = 0x01, INTEGER = 0x02, OCTET_STRING = 0x04, OID = 0x06, GENERALIZED_TIME = 0x18, SEQUENCE = 0x30, EXPLICIT_0 = 0xa0;

/** Octets cannot be read as what they should be. */
export class Malformed extends Error {}

export const hex = (octets) => Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");

const fromHex = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));

export function base64(octets) {
  let text = "";
  for (let at = 0; at < octets.length; at += 0x8000) text += String.fromCharCode(...octets.subarray(at, at + 0x8000));
  return btoa(text);
}

/** A nonce of 64 bits, as contents octets: positive and minimal, whatever the chance (X.690 8.3.2). */
export function newNonce() {
  const nonce = crypto.getRandomValues(new Uint8Array(8));
  nonce[0] = (nonce[0] & 0x3f) | 0x40;
  return nonce;
}

/** A TimeStampReq (RFC 3161 2.4.1) that asks for the certificates too. */
export function timeStampReq(algorithm, digest, nonce) {
  const imprint = tlv(SEQUENCE, tlv(SEQUENCE, tlv(OID, fromHex(DIGESTS[algorithm]))), tlv(OCTET_STRING, digest));
  return tlv(SEQUENCE, tlv(INTEGER, [1]), imprint, tlv(INTEGER, nonce), tlv(BOOLEAN, [0xff]));
}

function tlv(tag, ...parts) {
  const contents = parts.flatMap((part) => Array.from(part));
  const length = contents.length;
  if (length > 0xff) throw new RangeError("longer than any TimeStampReq");
  return Uint8Array.from([tag, ...(length < 0x80 ? [length] : [0x81, length]), ...contents]);
}

/** What stands at the head of a TimeStampResp: { granted, text } with the sentences of its statusString. */
export const readStatus = orMalformed((octets) => {
  const [status, ...rest] = read(octets, SEQUENCE).parts()[0].parts(SEQUENCE);
  const texts = rest.filter((part) => part.tag === SEQUENCE).flatMap((part) => part.parts());
  const text = texts.map((part) => new TextDecoder().decode(part.contents)).join(" ");
  return { granted: status.as(INTEGER).contents.at(-1) < 2, text };
});

/** The TSTInfo (RFC 3161 2.4.2) in a TimeStampResp or a bare token, which may be written in PEM or base64. */
export const readTstInfo = orMalformed((file) => {
  const parts = read(fromText(file), SEQUENCE).parts();
  const [contentType, content] = parts[0]?.tag === OID ? parts : (parts[1]?.parts(SEQUENCE) ?? []);
  if (!content || hex(contentType.contents) !== SIGNED_DATA) throw new Malformed("no token");
  const [type, wrapped] = content.parts(EXPLICIT_0)[0].parts(SEQUENCE)[2].parts(SEQUENCE);
  if (!wrapped || hex(type.contents) !== TST_INFO) throw new Malformed("signed, but no TSTInfo");
  return tstInfo(read(wrapped.parts(EXPLICIT_0)[0].as(OCTET_STRING).contents, SEQUENCE).parts());
});

function tstInfo([, policy, imprint, serial, genTime, ...rest]) {
  const [algorithm, digest] = imprint.parts(SEQUENCE);
  const oid = algorithm.parts(SEQUENCE)[0].as(OID).contents;
  return {
    algorithm: Object.keys(DIGESTS).find((name) => DIGESTS[name] === hex(oid)), // undefined: not one of ours
    oid: dotted(oid),
    digest: hex(digest.as(OCTET_STRING).contents),
    policy: dotted(policy.as(OID).contents),
    serial: hex(serial.as(INTEGER).contents).replace(/^0+(?=.)/, ""),
    genTime: isoTime(new TextDecoder().decode(genTime.as(GENERALIZED_TIME).contents)),
    nonce: hex(rest.find((part) => part.tag === INTEGER)?.contents ?? []),
  };
}

/** A reader that, when an element is missing that it takes for granted, says so as Malformed. */
function orMalformed(reader) {
  return (octets) => {
    try {
      return reader(octets);
    } catch (error) {
      throw error instanceof TypeError ? new Malformed(error.message) : error;
    }
  };
}

/** Octets as they are when they begin as DER does; else those that a PEM or base64 text stands for. */
function fromText(octets) {
  if (octets[0] === SEQUENCE) return octets;
  const text = new TextDecoder().decode(octets).replace(/-----[^-]*-----/g, "").replace(/\s/g, "");
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    throw new Malformed("neither DER nor base64");
  }
}

function isoTime(text) {
  const found = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d+)?Z$/.exec(text);
  if (!found) throw new Malformed("no UTC time");
  const [, year, month, day, hour, minute, second, fraction = ""] = found;
  return `${year}-${month}-${day}T${hour}:${minute}:${second}${fraction}Z`;
}

function dotted(contents) {
  const numbers = [0n];
  for (const octet of contents) {
    numbers.push((numbers.pop() << 7n) | BigInt(octet & 0x7f));
    if (octet < 0x80) numbers.push(0n);
  }
  const first = numbers[0] < 80n ? numbers[0] / 40n : 2n;
  return [first, numbers[0] - first * 40n, ...numbers.slice(1, -1)].join(".");
}

class Element {
  constructor(tag, contents) {
    this.tag = tag;
    this.contents = contents;
  }

  /** This element, which must have that tag. */
  as(tag) {
    if (this.tag !== tag) throw new Malformed(`tag ${this.tag} where ${tag} was expected`);
    return this;
  }

  /** The elements in this one, which must have that tag when one is named. */
  parts(tag = this.tag) {
    const found = [];
    for (let left = this.as(tag).contents; left.length > 0; ) {
      const [element, size] = next(left);
      found.push(element);
      left = left.subarray(size);
    }
    return found;
  }
}

const read = (octets, tag) => next(octets)[0].as(tag);

/** The first element of some octets, and how many of them it takes. */
function next(octets) {
  let [tag, length] = octets;
  let start = 2;
  if (length > 0x80) {
    start += length & 0x7f;
    length = octets.subarray(2, start).reduce((sum, octet) => sum * 256 + octet, 0);
  } else if (length === 0x80) throw new Malformed("indefinite length");
  if (!(start + length <= octets.length)) throw new Malformed("truncated");
  return [new Element(tag, octets.subarray(start, start + length)), start + length];
}
