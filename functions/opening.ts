/**
 * Makes `open` run once, however many callers come while it runs, and keep its result. A failure is forgotten, so that
 * the next caller tries again: a setting may have been mended, or storage may be back.
 */
export function openOnce<T>(open: () => Promise<T>): () => Promise<T> {
  let opening: Promise<T> | undefined;
  return async () => {
    opening ??= open();
    const mine = opening;
    try {
      return await mine;
    } catch (error) {
      if (opening === mine) opening = undefined;
      throw error;
    }
  };
}
