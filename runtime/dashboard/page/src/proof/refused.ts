/** Why something is not what it claims to be: a code of SPEC.md, and words for people. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "Refused";
  }
}

export function refuse(code: string, message: string): never {
  throw new Refused(code, message);
}

/** Says where: puts "what: " before the words of whatever `read` refuses. */
export function within<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Refused) throw new Refused(error.code, `${what}: ${error.message}`);
    throw error;
  }
}
