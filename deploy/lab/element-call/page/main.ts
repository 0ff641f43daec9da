// The page that embeds Element Call as a widget, as Element Web does: the real Matrix client with real crypto is here.
import type { MatrixClient } from "matrix-js-sdk";
import { ClientWidgetApi, type IWidgetApiRequest, MatrixWidgetType, Widget } from "matrix-widget-api";

import { HostDriver } from "./driver.ts";
import { feedWidget, watchMembership, watchMessages } from "./feed.ts";
import { watchRings } from "./ringing.ts";
import { type MatrixSession, startMatrix } from "./matrix.ts";
import type { CallIntent, PageEvent, PageSession } from "./protocol.ts";

// Element's own widget actions (Element Call src/widget.ts).
const JOIN = "io.element.join";
const HANG_UP = "im.vector.hangup";
const CLOSE = "io.element.close";
const DEVICE_MUTE = "io.element.device_mute";
const ALWAYS_ON_SCREEN = "set_always_on_screen";

const tell = (event: PageEvent): void => void window.labEvent?.(event);

function readSession(): PageSession {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const need = (name: string): string => {
    const value = fragment.get(name);
    if (value === null || value === "") throw new Error(`the address lacks #${name}=`);
    return value;
  };
  return {
    homeserver: need("homeserver"),
    user: need("user"),
    password: need("password"),
    room: need("room"),
    intent: (fragment.get("intent") ?? "join_existing_voice") as CallIntent,
    driver: fragment.get("driver") === "automated" ? "automated" : "person",
  };
}

function widgetUrl(session: PageSession, matrix: MatrixSession): string {
  const parameters = new URLSearchParams({
    widgetId: "element-call",
    parentUrl: `${location.origin}/`,
    userId: matrix.userId,
    deviceId: matrix.deviceId,
    roomId: session.room,
    baseUrl: session.homeserver,
    intent: session.intent,
    skipLobby: "true",
    header: "none",
    lang: "en",
    theme: "light",
    ...(session.driver === "automated" && { noiseSuppression: "false", echoCancellation: "false" }),
  });
  return `${location.origin}/element-call/index.html#?${parameters.toString()}`;
}

/** Puts Element Call into the page. Resolves with its API when it has its capabilities. */
async function showElementCall(session: PageSession, matrix: MatrixSession): Promise<ClientWidgetApi> {
  const url = widgetUrl(session, matrix);
  const widget = new Widget({
    id: "element-call",
    creatorUserId: matrix.userId,
    type: MatrixWidgetType.Custom,
    url,
    waitForIframeLoad: false,
  });
  const frame = document.createElement("iframe");
  frame.allow = "microphone; camera; autoplay; display-capture";
  // In the document before ClientWidgetApi is made: it needs the frame's window.
  document.body.replaceChildren(frame);
  const stateDelivered = Promise.withResolvers<void>();
  const driver = new HostDriver(matrix.client, session.room, stateDelivered.promise);
  const api = new ClientWidgetApi(widget, frame, driver);
  api.setViewedRoomId(session.room);
  answerActions(api, () => frame.remove());
  feedWidget(matrix.client, session.room, api, tell);
  const ready = new Promise<void>((resolve, reject) => {
    api.once("ready", () => resolve());
    api.once("error:preparing", reject);
  });
  frame.src = url;
  await ready;
  // The API pushes the room's state by itself now; an update meanwhile waits until the widget has acknowledged it.
  const [own] = await driver.readRoomState(session.room, "m.room.member", matrix.userId);
  await api.feedStateUpdate(own!);
  stateDelivered.resolve();
  return api;
}

/** Every action the widget sends to its host must be answered, or it waits 10 s and reports an error. */
function answerActions(api: ClientWidgetApi, onClose: () => void): void {
  const answer = (action: string, done: () => void): void => {
    api.on(`action:${action}`, (event: CustomEvent<IWidgetApiRequest>) => {
      event.preventDefault();
      api.transport.reply(event.detail, {});
      done();
    });
  };
  answer(JOIN, () => tell({ kind: "join" }));
  answer(HANG_UP, () => tell({ kind: "hangup" }));
  answer(CLOSE, () => {
    api.stop();
    onClose();
    tell({ kind: "closed" });
  });
  answer(DEVICE_MUTE, () => {});
  answer(ALWAYS_ON_SCREEN, () => {});
}

function publishApi(session: PageSession, matrix: Promise<MatrixSession>): void {
  let widget: ClientWidgetApi | undefined;
  const call = (): ClientWidgetApi => {
    if (widget === undefined) throw new Error("Element Call is not shown yet");
    return widget;
  };
  const client = async (): Promise<MatrixClient> => (await matrix).client;
  window.labHost = {
    ready: matrix.then(({ userId, deviceId }) => ({ userId, deviceId })),
    join: async () => {
      // Of an earlier call: two hosts would both do what Element Call asks for.
      widget?.stop();
      widget = await showElementCall(session, await matrix);
    },
    hangUp: async () => {
      await call().transport.send(HANG_UP, {});
    },
    setMicrophoneMuted: async (muted) => {
      await call().transport.send(DEVICE_MUTE, { audio_enabled: !muted });
    },
    sendMessage: async (body) => (await (await client()).sendTextMessage(session.room, body)).event_id,
    invite: async (userId) => {
      await (await client()).invite(session.room, userId);
    },
    logOut: async () => {
      await (await client()).logout(true);
    },
  };
}

const session = readSession();
const matrix = startMatrix(session);
publishApi(session, matrix);
void matrix.then(({ client, ...own }) => {
  watchMessages(client, session.room, (message) => tell({ kind: "message", message }));
  watchRings(client, session.room, own.userId, (present) => tell({ kind: "ringing", present }));
  watchMembership(client, session.room, own, (present) => tell({ kind: "membership", present }));
});
if (session.driver === "person") {
  window.labHost.ready
    .then(() => window.labHost.join())
    .catch((error: unknown) => {
      document.body.textContent = `Element Call could not be started: ${String(error)}`;
    });
}
