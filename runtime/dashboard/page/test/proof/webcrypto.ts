/** Web Crypto where browsers have it; Node 18 has it elsewhere. */
import { webcrypto } from "node:crypto";

if (globalThis.crypto === undefined)
  Object.defineProperty(globalThis, "crypto", { value: webcrypto, configurable: true });
