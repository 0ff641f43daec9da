import { z } from "zod";

import { createTokenService } from "./server.ts";

const environment = z
  .object({
    TOKEN_SERVICE_PORT: z.coerce.number().int().positive(),
    TOKEN_SERVICE_HOMESERVERS: z.string().transform((list) => list.split(",")),
    LIVEKIT_URL: z.url(),
    LIVEKIT_KEY: z.string().min(1),
    LIVEKIT_SECRET: z.string().min(32),
  })
  .parse(process.env);

createTokenService({
  livekitUrl: environment.LIVEKIT_URL,
  livekitKey: environment.LIVEKIT_KEY,
  livekitSecret: environment.LIVEKIT_SECRET,
  homeservers: environment.TOKEN_SERVICE_HOMESERVERS,
}).listen(environment.TOKEN_SERVICE_PORT, "127.0.0.1", (error) => {
  if (error) throw error;
  console.log(`token service listens on 127.0.0.1:${environment.TOKEN_SERVICE_PORT}`);
});
