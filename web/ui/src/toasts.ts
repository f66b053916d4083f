/** Short messages about what was just done, some with a way back. */
import { signal } from "@preact/signals";

import { asProblem } from "./client";

export interface Toast {
  readonly id: number;
  readonly kind: "done" | "failed";
  readonly text: string;
  readonly undo: (() => Promise<void>) | null;
}

export const toasts = signal<readonly Toast[]>([]);
let lastId = 0;
const MOST_AT_ONCE = 3;

function show(kind: Toast["kind"], text: string, undo: Toast["undo"]): void {
  lastId += 1;
  toasts.value = [...toasts.value, { id: lastId, kind, text, undo }].slice(-MOST_AT_ONCE);
}

export function done(text: string, undo: Toast["undo"] = null): void {
  show("done", text, undo);
}

export function failed(error: unknown): void {
  show("failed", asProblem(error).message, null);
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

/** Does something and says so if it fails. Answers whether it worked. */
export async function attempt(act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    failed(error);
    return false;
  }
}
