//! Listeners by event. A listener that throws harms neither the others nor the connection: what it
//! threw shows up as a rejected promise that nobody handles.

type Listener = (told: never) => void;

/** Keeps listeners and tells them. */
export class Emitter<Events> {
  private listeners: { [event: string]: Listener[] | undefined } = {};

  /** Listens; the answer stops it. */
  on<K extends keyof Events>(event: K, fn: (told: Events[K]) => void): () => void {
    const name = event as string;
    if (typeof fn !== 'function') throw new TypeError(name + ': no function');
    // A new list each time: who is being told is not disturbed by who comes and goes.
    this.listeners[name] = (this.listeners[name] || []).concat(fn as Listener);
    return () => this.off(event, fn);
  }

  /** Stops a listener; one of them, where it listens several times. */
  off<K extends keyof Events>(event: K, fn: (told: Events[K]) => void): void {
    const list = this.listeners[event as string] || [];
    const at = list.indexOf(fn as Listener);
    if (at >= 0) this.listeners[event as string] = list.slice(0, at).concat(list.slice(at + 1));
  }

  /** Tells everyone who listens. */
  protected emit<K extends keyof Events>(event: K, told: Events[K]): void {
    const list = this.listeners[event as string] || [];
    for (let i = 0; i < list.length; i++) {
      try {
        list[i]!(told as never);
      } catch (thrown) {
        Promise.reject(thrown);
      }
    }
  }
}
