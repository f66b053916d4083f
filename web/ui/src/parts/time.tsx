import { nowS } from "../clock";
import { when, whenExactly } from "../format";

/** A moment in short, with the whole of it on hover. */
export function Time({ unix }: { unix: number }) {
  return (
    <time dateTime={new Date(unix * 1000).toISOString()} title={whenExactly(unix)}>
      {when(unix, nowS.value)}
    </time>
  );
}
