// Runs before Element Call's own scripts, in its frame, when Node drives the browser: gives it a microphone that plays a
// tone, sends everything it plays to Node, and stops what costs CPU without being heard.
import { CAPTURE_HEADER_BYTES, CAPTURE_RATE_HZ, type CaptureTrack } from "./protocol.ts";

/** A microphone that plays a sine: no audio processing touches it, and it can change while the call runs. */
function installMicrophone(toneHz: number, levelDbfs: number): void {
  let tone = toneHz;
  const oscillators = new Set<{ oscillator: OscillatorNode; gain: GainNode }>();
  const apply = ({ oscillator, gain }: { oscillator: OscillatorNode; gain: GainNode }): void => {
    oscillator.frequency.value = tone;
    gain.gain.value = tone === 0 ? 0 : 10 ** (levelDbfs / 20);
  };
  const devices = navigator.mediaDevices;
  const realGetUserMedia = devices.getUserMedia.bind(devices);
  let context: AudioContext | undefined;
  const toneStream = async (): Promise<MediaStream> => {
    context ??= new AudioContext({ sampleRate: 48_000 });
    await context.resume();
    const source = { oscillator: context.createOscillator(), gain: context.createGain() };
    const destination = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    source.oscillator.connect(source.gain).connect(destination);
    apply(source);
    oscillators.add(source);
    source.oscillator.start();
    return destination.stream;
  };
  devices.getUserMedia = async (constraints) => {
    if (constraints?.audio === undefined || constraints.audio === false) return realGetUserMedia(constraints);
    const stream = await toneStream();
    if (constraints.video !== undefined && constraints.video !== false) {
      const video = await realGetUserMedia({ video: constraints.video });
      for (const track of video.getVideoTracks()) stream.addTrack(track);
    }
    return stream;
  };
  window.labMicrophone = {
    setTone: (frequencyHz) => {
      tone = frequencyHz;
      oscillators.forEach(apply);
    },
  };
}

/** Sends what every `<audio>` element plays to Node, one capture per media track. */
function installCapture(socketUrl: string): void {
  const seen = new Set<string>();
  let next = 0;
  let graph: Promise<{ context: AudioContext; socket: WebSocket }> | undefined;
  const openGraph = async (): Promise<{ context: AudioContext; socket: WebSocket }> => {
    const context = new AudioContext({ sampleRate: CAPTURE_RATE_HZ });
    await context.audioWorklet.addModule("/capture-worklet.js");
    const socket = new WebSocket(socketUrl);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", reject);
    });
    return { context, socket };
  };
  const capture = async (track: MediaStreamTrack): Promise<void> => {
    graph ??= openGraph();
    const { context, socket } = await graph;
    const index = next++;
    socket.send(JSON.stringify({ index, trackId: track.id } satisfies CaptureTrack));
    const cutter = new AudioWorkletNode(context, "block-cutter", { numberOfOutputs: 0 });
    cutter.port.addEventListener("message", ({ data }: MessageEvent<ArrayBuffer>) => {
      const frame = new Uint8Array(CAPTURE_HEADER_BYTES + data.byteLength);
      const header = new DataView(frame.buffer);
      header.setUint32(0, index, true);
      header.setFloat64(4, performance.timeOrigin + performance.now(), true);
      frame.set(new Uint8Array(data), CAPTURE_HEADER_BYTES);
      if (socket.readyState === WebSocket.OPEN) socket.send(frame);
    });
    cutter.port.start();
    context.createMediaStreamSource(new MediaStream([track])).connect(cutter);
  };
  const property = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "srcObject")!;
  Object.defineProperty(HTMLMediaElement.prototype, "srcObject", {
    ...property,
    set(this: HTMLMediaElement, value: MediaProvider | null) {
      property.set!.call(this, value);
      if (!(this instanceof HTMLAudioElement) || !(value instanceof MediaStream)) return;
      for (const track of value.getAudioTracks()) {
        if (seen.has(track.id)) continue;
        seen.add(track.id);
        capture(track).catch((error: unknown) => console.error("capturing a track failed", error));
      }
    },
  });
}

/** Speaking waves and spinners repaint the page 60 times a second without a GPU. */
function stopAnimations(): void {
  const style = new CSSStyleSheet();
  style.replaceSync("*, *::before, *::after { animation: none !important; transition: none !important; }");
  document.adoptedStyleSheets.push(style);
}

const settings = window.labCapture;
if (settings !== undefined && location.pathname.startsWith("/element-call/")) {
  installMicrophone(settings.toneHz, settings.toneLevelDbfs);
  installCapture(settings.socketUrl);
  stopAnimations();
}
