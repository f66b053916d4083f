/** Sends a list piece by piece, so that the page can say how far its reading is. */
import { putBytes } from "./client";
import { api } from "./requests";
import type { Imported, Reading } from "./types";

const LEAST_PIECE_BYTES = 64 * 1024;
/** Into so many pieces a file is cut at least, so that the bar moves. */
const PIECES = 50;

export interface Wanted {
  readonly name: string;
  readonly region: string;
  readonly replace: boolean;
}

/** How far an import is. */
export interface Progress extends Reading {
  /** Bytes of the whole file. */
  readonly of: number;
  /** Milliseconds that are likely left; `null` before the first piece. */
  readonly leftMs: number | null;
  /** All is read and is being saved: it can no longer be given up. */
  readonly finishing: boolean;
}

/** How large a piece is, of a file of so many bytes when a piece may have at most `most`. */
export function pieceBytes(bytes: number, most: number): number {
  return Math.min(most, Math.max(LEAST_PIECE_BYTES, Math.ceil(bytes / PIECES)));
}

/** How long the rest takes at the speed so far. */
export function leftMs(done: number, of: number, elapsedMs: number): number | null {
  return done === 0 ? null : Math.max(0, ((of - done) * elapsedMs) / done);
}

/** What a list is called by the name of its file. */
export function listName(file: string): string {
  return file.replace(/\.[^.]+$/, "").slice(0, 60);
}

/** Imports a file. Throws a `Problem` if the node refuses, and what `signal` throws if it is given up. */
export async function importFile(
  file: Blob,
  wanted: Wanted,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<Imported> {
  const { upload, piece_bytes } = await api.beginImport({ ...wanted, bytes: file.size });
  const size = pieceBytes(file.size, piece_bytes);
  const began = performance.now();
  let now: Progress = { bytes: 0, rows: 0, bad: 0, of: file.size, leftMs: null, finishing: false };
  try {
    signal.throwIfAborted();
    onProgress(now);
    for (let at = 0; at < file.size; at += size) {
      const piece = file.slice(at, at + size);
      const read = await putBytes<Reading>(`/api/v1/imports/uploads/${upload}/${at}`, piece, signal);
      const left = leftMs(read.bytes, file.size, performance.now() - began);
      now = { ...read, of: file.size, leftMs: left, finishing: false };
      onProgress(now);
    }
    signal.throwIfAborted();
    onProgress({ ...now, leftMs: null, finishing: true });
    return await api.finishImport(upload);
  } catch (error) {
    // The node gives it up by itself after a minute; this makes room at once.
    await api.giveUpImport(upload).catch(() => undefined);
    throw error;
  }
}
