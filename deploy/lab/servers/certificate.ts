import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { runInstall } from "../install/command.ts";

/** A self-signed certificate for loopback, valid for a month: Synapse's federation port and SIP over TLS. */
export async function createCertificate(labFolder: string): Promise<{ certificate: string; key: string }> {
  const folder = join(labFolder, "certificates");
  await mkdir(folder, { recursive: true });
  const certificate = join(folder, "server.crt");
  const key = join(folder, "server.key");
  const names = "subjectAltName=IP:127.0.0.1,IP:127.0.0.2,IP:127.0.0.3,DNS:localhost";
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"];
  await runInstall(
    "openssl",
    ["req", ...kind, "-subj", "/CN=127.0.0.1", "-addext", names, "-keyout", key, "-out", certificate],
    { hint: "openssl 1.1.1 or later must be installed" },
  );
  return { certificate, key };
}
