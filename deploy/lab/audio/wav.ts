import { readFile, writeFile } from "node:fs/promises";

export interface Wav {
  sampleRateHz: number;
  /** First channel. */
  samples: Int16Array;
}

const FORMAT = { pcm: 1, alaw: 6, mulaw: 7 } as const;

/** Writes mono 16 bit PCM. */
export async function writeWav(file: string, samples: Int16Array, sampleRateHz: number): Promise<void> {
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + samples.byteLength, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(FORMAT.pcm, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(sampleRateHz, 24);
  header.writeUInt32LE(sampleRateHz * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36);
  header.writeUInt32LE(samples.byteLength, 40);
  await writeFile(file, Buffer.concat([header, Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength)]));
}

/**
 * Reads PCM16, A-law or µ-law. A file that is still being written has no or a wrong length in its header: then
 * everything up to the end of the file counts. Throws on anything else than such a file.
 */
export async function readWav(file: string): Promise<Wav> {
  const bytes = await readFile(file);
  if (bytes.toString("latin1", 0, 4) !== "RIFF") throw new Error(`${file} is not a WAV file`);
  let format: { code: number; channels: number; sampleRateHz: number } | undefined;
  for (let at = 12; at + 8 <= bytes.length;) {
    const id = bytes.toString("latin1", at, at + 4);
    const size = bytes.readUInt32LE(at + 4);
    const body = at + 8;
    if (id === "fmt ") {
      const [code, channels] = [bytes.readUInt16LE(body), bytes.readUInt16LE(body + 2)];
      format = { code, channels, sampleRateHz: bytes.readUInt32LE(body + 4) };
    } else if (id === "data" && format !== undefined) {
      const end = size === 0 || body + size > bytes.length ? bytes.length : body + size;
      return { sampleRateHz: format.sampleRateHz, samples: decode(bytes.subarray(body, end), format, file) };
    }
    at = body + size + (size % 2);
  }
  throw new Error(`${file} has no audio data`);
}

function decode(data: Buffer, format: { code: number; channels: number }, file: string): Int16Array {
  const bytesPerSample = format.code === FORMAT.pcm ? 2 : 1;
  const samples = new Int16Array(Math.floor(data.length / bytesPerSample / format.channels));
  const decodeAt = {
    [FORMAT.pcm]: (at: number) => data.readInt16LE(at),
    [FORMAT.alaw]: (at: number) => decodeAlaw(data[at]!),
    [FORMAT.mulaw]: (at: number) => decodeMulaw(data[at]!),
  }[format.code];
  if (decodeAt === undefined) throw new Error(`${file}: WAV format ${format.code} is not read here`);
  for (let i = 0; i < samples.length; i++) samples[i] = decodeAt(i * bytesPerSample * format.channels);
  return samples;
}

/** ITU-T G.711 A-law to linear 16 bit. */
export function decodeAlaw(byte: number): number {
  const value = byte ^ 0x55;
  const exponent = (value >> 4) & 7;
  const mantissa = ((value & 15) << 4) + 8;
  const magnitude = exponent === 0 ? mantissa : (mantissa + 0x100) << (exponent - 1);
  return value & 0x80 ? magnitude : -magnitude;
}

/** ITU-T G.711 µ-law to linear 16 bit. */
export function decodeMulaw(byte: number): number {
  const value = ~byte & 0xff;
  const magnitude = ((((value & 15) << 3) + 0x84) << ((value >> 4) & 7)) - 0x84;
  return value & 0x80 ? -magnitude : magnitude;
}
