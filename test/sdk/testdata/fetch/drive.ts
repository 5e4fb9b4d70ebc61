// What the drives of both versions share: they count calls and say what is not as it should be.

export class Drive {
  calls = 0;
  mistakes = 0;

  constructor(readonly address: string, readonly key: string) {}

  wrong(what: string, found?: unknown): void {
    this.mistakes++;
    console.log("WRONG", what, found === undefined ? "" : JSON.stringify(found));
  }

  check(what: string, holds: boolean, found?: unknown): void {
    if (!holds) this.wrong(what, found);
  }

  // fine makes a call that must be answered with a status, and gives its data, {} where there are none.
  async fine<T>(what: string, status: number, call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<NonNullable<T>> {
    this.calls++;
    try {
      const { data, error, response } = await call;
      if (response.status !== status) this.wrong(`${what}: answered ${response.status}, want ${status}`, data ?? error);
      else if (status < 300 && status !== 204 && status !== 202 && data === undefined) this.wrong(`${what}: no data`);
      else if (status >= 400 && error === undefined) this.wrong(`${what}: no error`);
      else if (data !== undefined) return data as NonNullable<T>;
    } catch (failed) {
      this.wrong(what, String(failed));
    }
    return {} as NonNullable<T>;
  }

  async control(name: string, body: unknown): Promise<void> {
    const response = await fetch(`${this.address}/sandbox/${name}`, { method: "POST", body: JSON.stringify(body) });
    this.check(`control ${name}`, response.ok, await response.text());
  }

  // troubles makes every call fail in three ways, and in the last one it stays so.
  async troubles(refused: Probe, probe: Probe): Promise<void> {
    await this.fine("revoked key", 401, refused());
    await this.control("faults", [{ match: { operation: "users.userinfo" }, fault: "status:503", times: 1 }]);
    await this.fine("overloaded", 503, probe());
    await this.control("settings", { quota: { minute: 1 } });
    await this.fine("over the quota", 429, probe());
  }
}

export type Probe = () => Promise<{ data?: unknown; error?: unknown; response: Response }>;

export const revoked = "KeapAK-revoked";

export const bearer = (key: string) => ({ Authorization: `Bearer ${key}` });
