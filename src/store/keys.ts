/** Where signing keys rest: one text, replaced whole. */
export interface KeyStore {
  /** Undefined when nothing was saved yet. */
  load(): Promise<string | undefined>;
  /** Keeps `text` unless another instance saved first; then nothing happens. The caller loads again. */
  save(text: string, previous: string | undefined): Promise<void>;
}
